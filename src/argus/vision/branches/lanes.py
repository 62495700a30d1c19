"""The models of all branches, opened once each and shared by all pipelines of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from argus.core.errors import ModelUnavailable
from argus.core.resources.model import ModelSpec
from argus.vision.branches.lane import Lane, LaneStats
from argus.vision.models.load import AnyModel, load_model


class BranchLanes:
    """One lane per model. Safe to use from several threads.

    Two branches share a model when their specs say the same of it. A model is closed when the last
    branch that uses it is, and all are with `close`.
    """

    def __init__(self, open_model: Callable[[ModelSpec], AnyModel] = load_model) -> None:
        """Open nothing yet; `open_model` makes a model of its spec."""
        self._open_model = open_model
        self._lanes: dict[ModelSpec, Lane] = {}
        self._users: dict[Lane, int] = {}
        self._closed = False
        # Also held while a model is opened: two pipelines that ask for the same one wait for it together.
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return itself; the models are closed at the end of the block."""
        return self

    def __exit__(self, *ended: object) -> None:
        """Close all models."""
        self.close()

    def acquire(self, model: str | ModelSpec) -> Lane:
        """Return the lane of a model, opened if need be; give it back with `release`.

        Raises:
            SpecError: the spec is wrong, or does not fit the network.
            ModelError: the weights are missing, damaged, unknown or not trusted; or all was closed.
            MissingExtra: an optional package is needed.
        """
        spec = ModelSpec(path=model) if isinstance(model, str) else model
        with self._lock:
            if self._closed:
                raise ModelUnavailable(f"model {spec.path}: the branches of this process are closed")
            lane = self._lanes.get(spec)
            if lane is None:
                lane = self._lanes[spec] = Lane(self._open_model(spec))
                self._users[lane] = 0
            self._users[lane] += 1
            return lane

    def release(self, lane: Lane) -> None:
        """Give a lane back; with its last user its model is closed."""
        with self._lock:
            if lane not in self._users:  # all were closed before
                return
            self._users[lane] -= 1
            if self._users[lane]:
                return
            del self._users[lane]
            self._lanes = {spec: other for spec, other in self._lanes.items() if other is not lane}
        lane.close()

    @property
    def stats(self) -> dict[str, LaneStats]:
        """What each model has done so far, by its name; a name that two share gets a number."""
        with self._lock:
            lanes = list(self._lanes.values())
        out: dict[str, LaneStats] = {}
        for lane in lanes:
            name, number = lane.name, 2
            while name in out:
                name, number = f"{lane.name} {number}", number + 1
            out[name] = lane.stats
        return out

    def close(self) -> None:
        """Close all models; looks under way end without a finding. Idempotent."""
        with self._lock:
            self._closed = True
            lanes = list(self._lanes.values())
            self._lanes.clear()
            self._users.clear()
        for lane in lanes:
            lane.close()
