"""A tree of branch specs made ready: names given, models opened, mistakes told before the first frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.errors import ArgusError, SpecError, did_you_mean
from argus.core.resources.pipeline import BranchSpec
from argus.vision.branches.lane import Lane
from argus.vision.branches.lanes import BranchLanes

_HINT = "name a classifier, a detector or an embedder that looks at single pictures"


@dataclass(eq=False, slots=True)
class Branch:
    """One branch with its model, and the branches below it."""

    path: str
    """Its name, after those of the branches above it: `plate/text`."""
    spec: BranchSpec
    lane: Lane
    children: tuple[Branch, ...]
    _labels: tuple[str, ...] | None = field(default=None, init=False)
    _wanted: NDArray[np.bool_] | None = field(default=None, init=False)
    """(C,) which of `_labels` are looked at; None: all."""

    def __iter__(self) -> Iterator[Branch]:
        """Yield itself and all below it, each before those below."""
        yield self
        for child in self.children:
            yield from child

    def matches(self, label: str, confidence: float) -> bool:
        """Return whether it looks at what was called `label` with this probability."""
        named = self.spec.classes is None or label in self.spec.classes
        return named and confidence >= self.spec.min_confidence

    def rows(self, detections: Detections, clipped: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return the rows of the detections that it looks at.

        Args:
            detections: What was found.
            clipped: (N, 4) its boxes, clipped to the picture.
        """
        if detections.labels is not self._labels:
            self._learn(detections.labels)
        keep = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf) >= self.spec.min_size
        if self.spec.min_confidence > 0:
            keep &= detections.confidence >= self.spec.min_confidence
        if self._wanted is not None:
            keep &= self._wanted[detections.class_id]
        rows: NDArray[np.intp] = keep.nonzero()[0]
        return rows

    def _learn(self, labels: tuple[str, ...]) -> None:
        if labels != self._labels and self.spec.classes is not None:
            self._wanted = np.array([label in self.spec.classes for label in labels], np.bool_)
            if labels and not self._wanted.any():
                structlog.get_logger().warning(
                    "branch.no_such_class",
                    branch=self.path,
                    classes=list(self.spec.classes),
                    consequence="nothing that the pipeline's model finds is looked at by this branch",
                )
        self._labels = labels


def open_branches(specs: Sequence[BranchSpec], lanes: BranchLanes) -> tuple[Branch, ...]:
    """Return the branches, their models open; `close_branches` gives them back.

    Raises:
        SpecError: names the branch whose model cannot be had, or that cannot do what it is asked to.
    """
    opened: list[Lane] = []
    try:
        return _open(specs, lanes, "", opened)
    except BaseException:
        for lane in opened:
            lanes.release(lane)
        raise


def close_branches(branches: Sequence[Branch], lanes: BranchLanes) -> None:
    """Give the models back."""
    for branch in branches:
        for one in branch:
            lanes.release(one.lane)


def _open(
    specs: Sequence[BranchSpec], lanes: BranchLanes, above: str, opened: list[Lane]
) -> tuple[Branch, ...]:
    titles = [spec.title for spec in specs]
    for title in titles:
        if titles.count(title) > 1:
            raise SpecError(f"two branches are called {above + title!r}: give one of them a `name`")
    return tuple(_open_one(spec, lanes, above + spec.title, opened) for spec in specs)


def _open_one(spec: BranchSpec, lanes: BranchLanes, path: str, opened: list[Lane]) -> Branch:
    address = spec.model if isinstance(spec.model, str) else spec.model.path
    if address == "builtin:motion":
        raise SpecError(f"branch {path}: builtin:motion compares the frames of one camera: {_HINT}")
    try:
        lane = lanes.acquire(spec.model)
    except ArgusError as error:
        raise SpecError(f"branch {path}: {error}") from error
    opened.append(lane)
    if spec.branches and lane.task == "embed":
        raise SpecError(
            f"branch {path}: {lane.name} is an embedder, which names nothing that branches could look at: "
            "put them beside it"
        )
    for child in spec.branches:
        for name in child.classes or ():
            if lane.labels and name not in lane.labels:
                raise SpecError(
                    f"branch {path}/{child.title}: {lane.name} knows no class {name!r}"
                    f"{did_you_mean(name, lane.labels)}"
                )
    return Branch(path, spec, lane, _open(spec.branches, lanes, f"{path}/", opened))
