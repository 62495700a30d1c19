"""What the reconciler is shown, and what it says is to be done: values.

What follows from what is `argus.control.reconciler`, who carries it out is `argus.control.loop`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from argus.control.runtime.protocol import Limits, Workload, WorkloadStatus
from argus.core.resources.resource import Resource
from argus.stream.config import StorageConfig
from argus.stream.report import WorkerReport

FINALIZER: Final = "argus.dev/worker"
"""Holds a pipeline until its worker has told its open events."""
Key = tuple[str, str]


class Ensure(msgspec.Struct, frozen=True):
    """Let a workload run as described."""

    workload: Workload
    verb: str
    """`start` or `update`."""
    reason: str


class Remove(msgspec.Struct, frozen=True):
    """End a workload."""

    name: str
    reason: str


class Hold(msgspec.Struct, frozen=True):
    """Set the finalizers of a resource."""

    key: Key
    uid: str
    finalizers: tuple[str, ...]
    reason: str


Action = Ensure | Remove | Hold


@dataclass(frozen=True, slots=True)
class Place:
    """Where workers keep what they have to keep, and how they are started."""

    results: str
    blobs: str
    spool: Path
    """Each worker has a folder in it."""
    limits: Limits = field(default_factory=Limits)

    def storage(self, worker: str) -> StorageConfig:
        """Return where one worker's results go."""
        return StorageConfig(results=self.results, blobs=self.blobs, spool=str(self.spool / worker))


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known at one moment."""

    resources: Sequence[Resource]
    workloads: Mapping[str, WorkloadStatus]
    reports: Mapping[str, WorkerReport]
    now: datetime


@dataclass(slots=True)
class Plan:
    """What is to be done."""

    actions: list[Action] = field(default_factory=list)
    statuses: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """Of resources whose status is to be another."""
