"""A tree of branch specs made ready: names given, models opened, mistakes told before the first frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.errors import ArgusError, SpecError, did_you_mean
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec
from argus.vision.branches.lane import Lane
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.sharing import Wanted


@dataclass(eq=False, slots=True)
class Branch:
    """One branch with its model, and the branches below it."""

    path: str
    """Its name, after those of the branches above it: `plate/text`."""
    spec: BranchSpec
    camera: str
    pipeline: str
    """Whose it is; empty for who has no engine."""
    model: ModelSpec
    """What is to look: the spec's, or what was swapped in for it."""
    lane: Lane = field(init=False)
    """What looks, which may be the same on another device; set by the lane."""
    children: tuple[Branch, ...] = field(default=(), init=False)
    _known: tuple[tuple[str, ...] | None, NDArray[np.bool_] | None] = field(default=(None, None), init=False)
    """Labels, and (C,) which of them are looked at; None: all. Taken and replaced as one: while the model
    above is changed, two threads may come with the labels of two."""

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
        labels, wanted = self._known
        if detections.labels is not labels:
            wanted = self._learn(detections.labels, labels, wanted)
        keep = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf) >= self.spec.min_size
        if self.spec.min_confidence > 0:
            keep &= detections.confidence >= self.spec.min_confidence
        if wanted is not None:
            keep &= wanted[detections.class_id]
        rows: NDArray[np.intp] = keep.nonzero()[0]
        return rows

    def expect_fits(self, lane: Lane) -> None:
        """Raise `SpecError` where those below could look at nothing that a model finds."""
        if self.spec.branches and lane.task == "embed":
            raise SpecError(
                f"branch {self.path}: {lane.name} is an embedder, which names nothing that branches could "
                "look at: put them beside it"
            )
        for child in self.spec.branches:
            for name in child.classes or ():
                if lane.labels and name not in lane.labels:
                    raise SpecError(
                        f"branch {self.path}/{child.title}: {lane.name} knows no class {name!r}"
                        f"{did_you_mean(name, lane.labels)}"
                    )

    def _learn(
        self, labels: tuple[str, ...], known: tuple[str, ...] | None, wanted: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_] | None:
        if labels != known and self.spec.classes is not None:
            wanted = np.array([label in self.spec.classes for label in labels], np.bool_)
            if labels and not wanted.any():
                structlog.get_logger().warning(
                    "branch.no_such_class",
                    branch=self.path,
                    classes=list(self.spec.classes),
                    consequence="nothing that the pipeline's model finds is looked at by this branch",
                )
        self._known = labels, wanted
        return wanted


def open_branches(
    specs: Sequence[BranchSpec],
    lanes: BranchLanes,
    camera: str = "",
    pipeline: str = "",
    *,
    swapped: Mapping[str, ModelSpec] | None = None,
) -> tuple[Branch, ...]:
    """Return the branches of a camera's pipeline, their models open; `close_branches` gives them back.

    Args:
        specs: What they are.
        lanes: The models.
        camera: Whose pictures they look at.
        pipeline: Whose they are.
        swapped: By path, what looks in place of the spec's model.

    Raises:
        SpecError: names the branch whose model cannot be had, or that cannot do what it is asked to.
    """
    opened: list[Branch] = []

    def open_all(specs: Sequence[BranchSpec], above: str) -> tuple[Branch, ...]:
        titles = [spec.title for spec in specs]
        for title in titles:
            if titles.count(title) > 1:
                raise SpecError(f"two branches are called {above + title!r}: give one of them a `name`")
        return tuple(open_one(spec, above + spec.title) for spec in specs)

    def open_one(spec: BranchSpec, path: str) -> Branch:
        model = (swapped or {}).get(path) or _model(spec)
        branch = Branch(path, spec, camera, pipeline, model)
        try:
            lanes.attach(branch, Wanted(model))
        except ArgusError as error:
            raise SpecError(f"branch {path}: {error}") from error
        opened.append(branch)
        branch.expect_fits(branch.lane)
        branch.children = open_all(spec.branches, f"{path}/")
        return branch

    try:
        return open_all(specs, "")
    except BaseException:
        for branch in opened:
            lanes.release(branch)
        raise


def close_branches(branches: Sequence[Branch], lanes: BranchLanes) -> None:
    """Give the models back."""
    for branch in branches:
        for one in branch:
            lanes.release(one)


def but_models(specs: Sequence[BranchSpec]) -> tuple[BranchSpec, ...]:
    """Return the same branches without their models: equal for two trees that differ in nothing else."""
    return tuple(
        spec.model_copy(update={"model": "", "name": spec.title, "branches": but_models(spec.branches)})
        for spec in specs
    )


def models_by_path(specs: Sequence[BranchSpec], above: str = "") -> dict[str, ModelSpec]:
    """Return the model of each branch, by its path."""
    models: dict[str, ModelSpec] = {}
    for spec in specs:
        path = above + spec.title
        models |= {path: _model(spec), **models_by_path(spec.branches, f"{path}/")}
    return models


def _model(spec: BranchSpec) -> ModelSpec:
    return ModelSpec(path=spec.model) if isinstance(spec.model, str) else spec.model
