"""Which pipelines share a worker. Pure: the same pipelines, where they are now, and nothing else.

All pipelines of a camera go together, for many cameras give one stream and no second; cameras that share a
model are packed into one worker, so that it is loaded once and fills its batches. Who has a worker stays
there: a new camera, or another model for one of them, must not move others about.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

PREFIXES: Final = ("worker-", "solo-")
"""What the names of workers begin with."""
_LONGEST: Final = 48


@dataclass(frozen=True, slots=True)
class Placed:
    """A pipeline that wants a worker."""

    name: str
    camera: str
    models: tuple[str, ...]
    """What it calls its models: a new version of one does not move it."""
    pack: int
    """Cameras in one worker, at most; 1: it wants one for itself."""
    worker: str | None = None
    """Where it is now."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What must stay together: the pipelines of one camera."""

    members: tuple[Placed, ...]
    models: frozenset[str]
    pack: int
    worker: str | None

    @property
    def group(self) -> str:
        """Its models, as part of a name."""
        return _slug("-".join(sorted(self.models)) or "default")


@dataclass(slots=True)
class _Room:
    """A worker, the cameras that are in it so far, and their models."""

    units: list[_Unit] = field(default_factory=list)
    models: set[str] = field(default_factory=set)
    pack: int = 1 << 30

    def holds_one_more(self, unit: _Unit) -> bool:
        return len(self.units) < min(self.pack, unit.pack)

    def add(self, unit: _Unit) -> None:
        self.units.append(unit)
        self.models |= unit.models
        self.pack = min(self.pack, unit.pack)


def place(pipelines: Iterable[Placed]) -> dict[str, str]:
    """Return the worker of each pipeline, by name."""
    placed: dict[str, str] = {}
    shared: dict[str, list[Placed]] = defaultdict(list)
    for one in sorted(pipelines, key=lambda p: p.name):
        if one.pack == 1:
            placed[one.name] = f"solo-{_slug(one.name)}"
        else:
            shared[one.camera].append(one)
    units = [_unit(members) for _, members in sorted(shared.items())]
    rooms: dict[str, _Room] = {}
    moving = _settle(units, rooms)
    _find_rooms(moving, rooms)
    for name, room in rooms.items():
        placed |= {member.name: name for unit in room.units for member in unit.members}
    return placed


def _unit(members: list[Placed]) -> _Unit:
    return _Unit(
        tuple(members),
        frozenset(model for member in members for model in member.models) or frozenset({""}),
        min(member.pack for member in members),
        next((m.worker for m in members if m.worker is not None), None),
    )


def _settle(units: Iterable[_Unit], rooms: dict[str, _Room]) -> list[_Unit]:
    """Let stay who can, and return the others."""
    there: dict[str, list[_Unit]] = defaultdict(list)
    moving = []
    for unit in units:
        if unit.worker is not None and unit.worker.startswith("worker-"):
            there[unit.worker].append(unit)
        else:
            moving.append(unit)
    for name, inside in there.items():
        room = rooms[name] = _Room()
        for unit in _who_stays(name, inside):
            if not room.holds_one_more(unit):
                break
            room.add(unit)
        moving += [unit for unit in inside if unit not in room.units]
    return moving


def _who_stays(name: str, inside: Sequence[_Unit]) -> Sequence[_Unit]:
    """Return those of a worker who hang together by models they share, each next to one before it.

    Of several such parts it is the one that gave the worker its name, else the largest.
    """
    parts = []
    left = list(inside)
    while left:
        part = _hanging_together(left)
        parts.append(part)
        left = [unit for unit in left if unit not in part]
    if len(parts) == 1:
        return parts[0]
    named = [p for p in parts if any(re.fullmatch(rf"worker-{re.escape(u.group)}-\d+", name) for u in p)]
    return max(named or parts, key=len)


def _hanging_together(units: Sequence[_Unit]) -> list[_Unit]:
    """Return the first unit and all that share a model with it, or with one that does, and so on."""
    part, models, left = [units[0]], set(units[0].models), list(units[1:])
    while (following := next((unit for unit in left if unit.models & models), None)) is not None:
        part.append(following)
        models |= following.models
        left.remove(following)
    return part


def _find_rooms(moving: Iterable[_Unit], rooms: dict[str, _Room]) -> None:
    """Find everybody the worker whose models are the most like theirs, or a new one."""
    by_model: dict[str, dict[str, _Room]] = defaultdict(dict)
    for name, room in rooms.items():
        for model in room.models:
            by_model[model][name] = room
    numbers: dict[str, int] = {}
    for unit in moving:
        found = _most_like(unit, by_model)
        if found is None:
            number = numbers.get(unit.group, 0)
            while (name := f"worker-{unit.group}-{number}") in rooms:
                number += 1
            numbers[unit.group] = number + 1
            found = name, rooms.setdefault(name, _Room())
        name, room = found
        room.add(unit)
        for model in unit.models:
            by_model[model][name] = room
        if len(room.units) >= room.pack:
            for model in room.models:
                by_model[model].pop(name, None)


def _most_like(unit: _Unit, by_model: Mapping[str, Mapping[str, _Room]]) -> tuple[str, _Room] | None:
    candidates = {name: room for model in unit.models for name, room in by_model[model].items()}
    free = [(name, room) for name, room in candidates.items() if room.holds_one_more(unit)]
    # As many models as possible are there already, and as few others as possible; and the oldest of them.
    return min(
        free,
        key=lambda one: (-len(one[1].models & unit.models), len(one[1].models - unit.models), _age(one[0])),
        default=None,
    )


def _age(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdigit() else (name, -1)


def _slug(text: str) -> str:
    """Return a text as part of a DNS label."""
    last = text.removeprefix("builtin:").replace("\\", "/").rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:_LONGEST].strip("-")
    return slug or "model"
