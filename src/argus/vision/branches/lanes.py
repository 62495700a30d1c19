"""The models of all branches, opened once each and shared by all pipelines of a process.

How they are shared, and how another takes over, is `sharing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

from argus.core.errors import ModelUnavailable, SpecError
from argus.core.resources.model import ModelSpec
from argus.vision.branches.asking import Member
from argus.vision.branches.lane import Lane, LaneStats
from argus.vision.branches.sharing import SharedLanes, Wanted
from argus.vision.branches.warming import warm_up
from argus.vision.models.load import AnyModel, load_model

HINT: Final = "name a classifier, a detector or an embedder that looks at single pictures"


class BranchLanes(SharedLanes[Wanted, Lane, Member]):
    """One lane per model; two branches share one when their specs say the same of it.

    A model is closed when the last branch that uses it is, and all are with `close`: looks under way end
    without a finding then.
    """

    def __init__(
        self,
        open_model: Callable[[ModelSpec], AnyModel] = load_model,
        on_failure: Callable[[Lane, ModelUnavailable], None] | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            open_model: Makes a model of its spec.
            on_failure: Hears of a model whose engine failed, and opens another in its place; see `Lane`.
                Where there is somebody to do so, cameras may be live, and each model is warmed up first.
        """
        super().__init__(self._make_lane)
        self._open_model = open_model
        self._on_failure = on_failure

    def __enter__(self) -> Self:
        """Return itself; the models are closed at the end of the block."""
        return self

    def __exit__(self, *ended: object) -> None:
        """Close all models."""
        self.close()

    @property
    def stats(self) -> dict[str, LaneStats]:
        """What each model has done so far, by its name; a name that two share gets a number."""
        out: dict[str, LaneStats] = {}
        for lane in (opened.lane for opened in self.all):
            name, number = lane.name, 2
            while name in out:
                name, number = f"{lane.name} {number}", number + 1
            out[name] = lane.stats
        return out

    def _make_lane(self, wanted: Wanted) -> Lane:
        if wanted.model.path == "builtin:motion":
            raise SpecError(f"builtin:motion compares the frames of one camera: {HINT}")
        model = self._open_model(wanted.model)
        if self._on_failure is not None:
            warm_up(model)
        return Lane(model, self._on_failure)
