"""How resources and results look in a terminal: the columns of each kind, and one resource in full.

Plain dictionaries in, as the API gives them; texts and tables out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from argus.cli.tables import size_text
from argus.core.urls import mask_url

Item = Mapping[str, Any]


class Column(NamedTuple):
    """One column."""

    header: str
    cell: Callable[[Item], str]
    wide: bool = False
    """Shown with `-o wide` alone."""


def age(then: str | None, now: datetime | None = None) -> str:
    """Return how long ago a moment was, as `kubectl` says it: `45s`, `12m`, `3h5m`, `2d`."""
    if not then:
        return "–"
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(then)).total_seconds())
    return duration(max(0, seconds))


def duration(seconds: float | None) -> str:
    """Return a duration in one or two units."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    if whole < 120:
        return f"{whole}s"
    if whole < 7200:
        return f"{whole // 60}m"
    if whole < 172_800:
        return f"{whole // 3600}h{whole % 3600 // 60}m"
    return f"{whole // 86_400}d"


def clock(then: str | None) -> str:
    """Return a moment as local time: `14:03:05`, with the date where it was not today."""
    if not then:
        return "–"
    local = datetime.fromisoformat(then).astimezone()
    today = local.date() == datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def _name(item: Item) -> str:
    return str(item["metadata"]["name"])


def _status(key: str, otherwise: str = "–") -> Callable[[Item], str]:
    return lambda item: str(item.get("status", {}).get(key) or otherwise)


def _age(item: Item) -> str:
    return age(item["metadata"].get("creationTimestamp"))


def _message(item: Item) -> str:
    """Return what is wrong with a resource, or the first thing that is said of it."""
    conditions = item.get("status", {}).get("conditions", [])
    wrong = [c for c in conditions if c["status"] != "True" and c.get("message")]
    return str(wrong[0]["message"]) if wrong else ""


def _ready_says(key: str) -> Callable[[Item], str]:
    """Return what the condition `Ready` of a resource says under a key."""

    def said(item: Item) -> str:
        conditions = item.get("status", {}).get("conditions", [])
        return next((str(c.get(key) or "–") for c in conditions if c["type"] == "Ready"), "–")

    return said


def _why_so(item: Item) -> str:
    """Return what is wrong with a pipeline: also where it is ready and does less than it should."""
    return _message(item) if _phase(item) != "Degraded" else _ready_says("message")(item)


def _labels(item: Item) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(item["metadata"].get("labels", {}).items())) or "–"


def _model_of(item: Item) -> str:
    detect = item["spec"].get("detect") or {}
    model = detect.get("model", "–")
    return str(model if isinstance(model, str) else model.get("path", "–"))


def _phase(item: Item) -> str:
    if item["metadata"].get("deletionTimestamp"):
        return "Deleting"
    return str(item.get("status", {}).get("phase") or "Pending")


def _progress(item: Item) -> str:
    progress = item.get("status", {}).get("progress")
    return "–" if progress is None else f"{100 * progress:.0f} %"


def _ready(item: Item) -> str:
    return "yes" if item.get("ready") else "no"


def _seen(item: Item) -> str:
    what = item.get("class_name") or ""
    number = item.get("object_id")
    return f"{what} {number}".strip() if number is not None else what or "–"


def _lasted(item: Item) -> str:
    if item.get("open"):
        return "goes on"
    start, end = item.get("start_s"), item.get("end_s")
    return "–" if start is None or end is None or end == start else f"{end - start:.1f} s"


def _confidence(item: Item) -> str:
    return "–" if item.get("confidence") is None else f"{item['confidence']:.2f}"


def _text(key: str) -> Callable[[Item], str]:
    return lambda item: "–" if item.get(key) in (None, "") else str(item[key])


def _yes(key: str) -> Callable[[Item], str]:
    return lambda item: "yes" if item.get(key) else "–"


COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "cameras": (
        Column("NAME", _name),
        Column("STATE", _status("state", "unused")),
        Column("URL", lambda item: mask_url(str(item["spec"].get("url", "")))),
        Column("PIPELINES", lambda item: ",".join(item.get("status", {}).get("pipelines", [])) or "–"),
        Column("AGE", _age),
        Column("RESOLUTION", _status("resolution"), wide=True),
        Column("LABELS", _labels, wide=True),
        Column("MESSAGE", _message),
    ),
    "models": (
        Column("NAME", _name),
        Column("PATH", lambda item: str(item["spec"].get("path", "–"))),
        Column("USED BY", lambda item: ",".join(item.get("status", {}).get("usedBy", [])) or "–"),
        Column("AGE", _age),
        Column("DESCRIPTION", _status("description"), wide=True),
        Column("LABELS", _labels, wide=True),
        Column("MESSAGE", _message),
    ),
    "pipelines": (
        Column("NAME", _name),
        Column("CAMERA", lambda item: str(item["spec"].get("camera") or "–")),
        Column("MODEL", _model_of),
        Column("PHASE", _phase),
        Column("WORKER", _status("worker")),
        Column("AGE", _age),
        Column("REASON", _ready_says("reason"), wide=True),
        Column("LABELS", _labels, wide=True),
        Column("MESSAGE", _why_so),
    ),
    "jobs": (
        Column("NAME", _name),
        Column("PIPELINE", lambda item: str(item["spec"].get("pipeline", "–"))),
        Column("SOURCE", lambda item: str(item["spec"].get("source", "–"))),
        Column("PHASE", _phase),
        Column("PROGRESS", _progress),
        Column("LEFT", lambda item: duration(item.get("status", {}).get("leftSeconds"))),
        Column("SCHEDULE", lambda item: str(item["spec"].get("schedule") or "–")),
        Column("NEXT", lambda item: clock(item.get("status", {}).get("nextScheduleTime")), wide=True),
        Column("AGE", _age),
        Column("LABELS", _labels, wide=True),
        Column("MESSAGE", _message),
    ),
    "workloads": (
        Column("NAME", _text("name")),
        Column("KIND", _text("kind")),
        Column("STATE", _text("state")),
        Column("READY", _ready),
        Column("PID", _text("pid")),
        Column("RESTARTS", lambda item: str(item.get("restarts", 0))),
        Column("MEMORY", lambda item: size_text(item.get("memory_bytes", 0))),
        Column("CPU", lambda item: f"{item.get('cpu_s', 0.0):.0f} s"),
        Column("FOR", lambda item: age(item.get("since"))),
        Column("PORT", _text("port"), wide=True),
        Column("NEXT", lambda item: clock(item.get("next_start")), wide=True),
        Column("LAST EXIT", _text("last_exit")),
    ),
    "events": (
        Column("AT", lambda item: clock(item.get("started_at"))),
        Column("TYPE", _text("type")),
        Column("CAMERA", _text("camera")),
        Column("PLACE", _text("region")),
        Column("OBJECT", _seen),
        Column("LASTED", _lasted),
        Column("SEVERITY", _text("severity")),
        Column("ID", _text("id")),
        Column("PIPELINE", _text("pipeline"), wide=True),
        Column("JOB", _text("job"), wide=True),
        Column("SNAPSHOT", _text("snapshot"), wide=True),
        Column("CLIP", _text("clip"), wide=True),
        Column("CLIP NOTE", lambda item: str(item.get("clip_note") or "")),
        Column("MESSAGE", _text("message"), wide=True),
    ),
    "alerts": (
        Column("AT", lambda item: clock(item.get("at"))),
        Column("SEVERITY", _text("severity")),
        Column("RULE", _text("rule")),
        Column("CAMERA", _text("camera")),
        Column("OBJECT", _seen),
        Column("SNAPSHOT", _yes("snapshot")),
        Column("CLIP", _yes("clip")),
        Column("CLIP NOTE", lambda item: str(item.get("clip_note") or "")),
        Column("ACK", lambda item: str(item.get("acknowledged_by") or "–")),
        Column("ID", _text("id")),
        Column("PIPELINE", _text("pipeline"), wide=True),
        Column("EVENT", _text("event"), wide=True),
        Column("PICTURE", _text("snapshot"), wide=True),
        Column("VIDEO", _text("clip"), wide=True),
        Column("MESSAGE", _text("message"), wide=True),
    ),
    "tracks": (
        Column("FIRST SEEN", lambda item: clock(item.get("first_seen"))),
        Column("LAST SEEN", lambda item: "now" if item.get("open") else clock(item.get("last_seen"))),
        Column("OBJECT", _seen),
        Column("CAMERA", _text("camera")),
        Column("PIPELINE", _text("pipeline")),
        Column("CONFIDENCE", _confidence),
        Column("SNAPSHOT", _text("snapshot"), wide=True),
        Column("ID", _text("id")),
    ),
    "detections": (
        Column("AT", lambda item: clock(item.get("captured_at"))),
        Column("CAMERA", _text("camera")),
        Column("PIPELINE", _text("pipeline")),
        Column("FRAME", _text("frame")),
        Column("OBJECTS", lambda item: counted(item.get("objects", ()))),
        Column("MODEL", _text("model"), wide=True),
        Column("JOB", _text("job"), wide=True),
    ),
    "uploads": (
        Column("ID", _text("id")),
        Column("FILE", _text("filename")),
        Column("STATE", _text("state")),
        Column("HERE", lambda item: size_text(item["offset"])),
        Column("OF", lambda item: "–" if item["length"] is None else size_text(item["length"])),
        Column("JOB", _text("job")),
        Column("AGE", lambda item: age(item["created_at"])),
        Column("KEY", _text("key"), wide=True),
    ),
}  # fmt: skip
"""What `argus get` shows of each kind."""

_REMARKS: Final = frozenset({"MESSAGE", "CLIP NOTE"})
"""Columns that are left out where they say nothing."""
RESULTS: Final = ("events", "alerts", "tracks", "detections")


def counted(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of each class there are: `2 person, 1 car`."""
    sums: dict[str, int] = {}
    for one in objects:
        name = str(one.get("class", one.get("class_name", "?")))
        sums[name] = sums.get(name, 0) + 1
    return ", ".join(f"{n} {name}" for name, n in sums.items()) or "none"


def table(kind: str, items: Sequence[Item], *, wide: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return the headers and rows of a kind's table; a column that says nothing of anybody is left out."""
    columns = [column for column in COLUMNS[kind] if wide or not column.wide]
    if kind == "workloads":
        items = [{**item["status"], "name": item["metadata"]["name"]} for item in items]
    rows = [[column.cell(item) for column in columns] for item in items]
    says = [column.header not in _REMARKS or any(r[i] for r in rows) for i, column in enumerate(columns)]
    shown = [i for i, spoken in enumerate(says) if spoken]
    return [columns[i].header for i in shown], [[row[i] for i in shown] for row in rows]
