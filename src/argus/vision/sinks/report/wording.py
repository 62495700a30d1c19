"""What a report says of events, in words for people who never saw the code."""

from __future__ import annotations

from argus.core.resources.regions import Severity
from argus.vision.results import Event

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")

_SENTENCES = {
    "object.appeared": "{who} appeared",
    "object.left": "{who} left the picture",
    "zone.entered": "{who} entered {where}",
    "zone.exited": "{who} left {where}",
    "zone.dwelled": "{who} stayed in {where}",
    "line.crossed": "{who} crossed {where}{way}",
    "crowd.formed": "{many} gathered{at}",
    "crowd.dispersed": "the gathering{at} broke up",
    "camera.online": "camera {camera} came online",
    "camera.frozen": "camera {camera} froze",
    "camera.lost": "camera {camera} was lost",
    "camera.blurred": "camera {camera} is blurred",
    "camera.dark": "camera {camera} is dark",
    "camera.covered": "camera {camera} is covered",
    "camera.moved": "camera {camera} was moved",
    "pipeline.degraded": "{camera} is watched with less{why}",
    "pipeline.restored": "{camera} is watched as it was asked again{why}",
    "model.swapped": "another model looks at {camera}{why}",
    "model.failed": "the model of {camera} failed{why}",
}
_KINDS = {
    "appeared": "appeared",
    "entered": "entered",
    "formed": "entered",
    "dwelled": "dwelled",
    "crossed": "crossed",
    "left": "over",
    "exited": "over",
    "dispersed": "over",
    "online": "entered",
    "frozen": "ill",
    "lost": "ill",
    "blurred": "ill",
    "dark": "ill",
    "covered": "ill",
    "moved": "ill",
    "degraded": "ill",
    "restored": "entered",
    "swapped": "entered",
    "failed": "ill",
}
"""What kind of thing each event is, which is what it is coloured by."""


def who(event: Event) -> str:
    """Return the object of an event: `person #7`, `person`, or nothing for crowds and cameras."""
    if event.object_id is None:
        return event.class_name or ""
    return f"{event.class_name or 'object'} #{event.object_id}"


def place(event: Event) -> str:
    """Return where it happened, with the kind of place: `zone door`; nothing where there is none."""
    return f"{event.region_kind or 'region'} {event.region}" if event.region is not None else ""


def sentence(event: Event) -> str:
    """Return what happened as one sentence without a full stop."""
    text = _SENTENCES.get(event.type, event.type).format(
        who=who(event) or "an object",
        where=place(event) or "the picture",
        at=f" at {event.region}" if event.region else "",
        way=f", {event.direction}wards" if event.direction else "",
        many="objects" if event.count is None else f"{event.count} objects",
        camera=event.camera,
        why=f": {event.message}" if event.message else "",
    )
    return text[0].upper() + text[1:]


def rule(event: Event) -> str:
    """Return the row of the timeline that an event stands in: its place, or its type where it has none."""
    return place(event) or event.type


def look(event: Event) -> str:
    """Return the CSS class that colours an event: by severity, else by what kind of thing happened."""
    if event.severity is not None:
        return f"sev-{event.severity}"
    return f"type-{_KINDS.get(event.type.partition('.')[2], 'other')}"


def rank(event: Event) -> int:
    """Return how grave an event is: 0 where no rule gave it a severity, 4 where it is critical."""
    return 0 if event.severity is None else len(SEVERITIES) - SEVERITIES.index(event.severity)
