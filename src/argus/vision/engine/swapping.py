"""Another model in place of one that looks: opened beside it, then all its pipelines move over.

How they move without loss is `feed`; models that fail are replaced by `overseer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from argus.core.errors import ArgusError, UnknownName
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import EventType
from argus.vision.engine.lane import Lane
from argus.vision.engine.member import Member
from argus.vision.engine.models import LaneSpec, spec_of

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine


def swap_model(engine: Engine, before: str | ModelSpec, after: str | ModelSpec) -> tuple[str, ...]:
    """Return the pipelines that another model looks for from their next frame on; see `Engine.swap_model`.

    Raises:
        UnknownName: no pipeline is looked at by such a model.
        ModelError: the new one cannot be opened.
    """
    old = spec_of(before)
    serving = [o for o in engine.lanes.all if not o.spec.candidate]
    found = [o for o in serving if o.spec.model == old or o.spec.model.path == old.path]
    if not found:
        raise UnknownName("model in use", old.path, sorted({o.spec.model.path for o in serving}))
    names: list[str] = []
    for lane in found:
        wanted = LaneSpec(spec_of(after), lane.spec.appearance)
        try:
            opened = engine.lanes.open(wanted)
        except ArgusError as error:
            say_of(engine, lane.lane, "model.failed", f"{wanted.model.path}: {error}")
            raise
        members = [m for m in lane.lane.members if isinstance(m, Member)]
        engine.lanes.move(members, opened)
        names += [m.name for m in members]
        for member in members:
            member.look = wanted
            message = f"{opened.lane.description} in place of {lane.lane.description}"
            engine.tell(engine.facts.instant("model.swapped", member.camera, member.name, message))
    return tuple(names)


def say_of(engine: Engine, lane: Lane, type_: EventType, message: str) -> None:
    """Tell something of all the pipelines that a model looks for."""
    for member in lane.members:
        if isinstance(member, Member):
            engine.tell(engine.facts.instant(type_, member.camera, member.name, message))
