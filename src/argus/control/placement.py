"""Which pipelines share a worker. Pure: the same pipelines, where they are now, and nothing else.

All pipelines of a camera go together, for many cameras give one stream and no second; cameras that are looked
at by the same models are packed into one worker, so that these are loaded once and fill their batches. Who
has a worker stays there: a new camera must not move others about.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    group: str
    pack: int
    worker: str | None


@dataclass(slots=True)
class _Room:
    """A worker and the cameras that are in it so far."""

    group: str
    units: list[_Unit] = field(default_factory=list)
    pack: int = 1 << 30

    def takes(self, unit: _Unit) -> bool:
        return self.group == unit.group and len(self.units) < min(self.pack, unit.pack)

    def add(self, unit: _Unit) -> None:
        self.units.append(unit)
        self.pack = min(self.pack, unit.pack)


def _unit(members: list[Placed]) -> _Unit:
    models = sorted({model for member in members for model in member.models})
    return _Unit(
        tuple(members),
        _slug("-".join(models) or "default"),
        min(member.pack for member in members),
        next((m.worker for m in members if m.worker is not None), None),
    )


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
    moving: list[_Unit] = []
    groups = _groups_now(units)
    for unit in units:
        name = unit.worker
        if name is None or not name.startswith("worker-") or groups[name] != {unit.group}:
            moving.append(unit)
            continue
        room = rooms.setdefault(name, _Room(unit.group))
        if room.takes(unit):
            room.add(unit)
        else:
            moving.append(unit)
    first: dict[tuple[str, int], int] = {}
    for unit in moving:
        # Rooms only fill up: where one as undemanding found none, the next finds none either.
        number = first.get((unit.group, unit.pack), 0)
        while not (room := rooms.setdefault(f"worker-{unit.group}-{number}", _Room(unit.group))).takes(unit):
            number += 1
        first[unit.group, unit.pack] = number
        room.add(unit)
    for name, room in rooms.items():
        placed |= {member.name: name for unit in room.units for member in unit.members}
    return placed


def _groups_now(units: Iterable[_Unit]) -> Mapping[str, set[str]]:
    """Return which groups want to stay in each worker: one in which two do loses both."""
    groups: dict[str, set[str]] = defaultdict(set)
    for unit in units:
        if unit.worker is not None:
            groups[unit.worker].add(unit.group)
    # The group whose name the worker has may stay; another may where it is alone there.
    for room, inside in groups.items():
        own = {group for group in inside if re.fullmatch(rf"worker-{re.escape(group)}-\d+", room)}
        if len(inside) > 1:
            groups[room] = own
    return groups


def _slug(text: str) -> str:
    """Return a text as part of a DNS label."""
    last = text.removeprefix("builtin:").replace("\\", "/").rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:_LONGEST].strip("-")
    return slug or "model"
