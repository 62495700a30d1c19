"""Putting a pipeline together as its spec says: steps, branches, gate, crop, rate and ladder.

Where it stands among cameras and lanes is `engine`; what its parts do is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.track import TrackSpec
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.runner import Branches
from argus.vision.crop_view import crop_frame
from argus.vision.engine.boxes import Every, Newest
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.feed import Feed
from argus.vision.engine.member import Listener, Member
from argus.vision.engine.models import LaneSpec
from argus.vision.gate import MotionGate
from argus.vision.pipeline import Pipeline

_QUEUED: Final = 8
"""Frames of a recording that wait for their model."""
_MISSED: Final = 3
"""Frames in which an object must be missed before it is lost, at whatever rate."""


def make_member(
    name: str,
    spec: PipelineSpec,
    camera: EngineCamera,
    listener: Listener | None,
    *,
    look: LaneSpec,
    branch_lanes: BranchLanes,
    swapped: Mapping[str, ModelSpec],
    run: str,
    clock: Callable[[], float],
) -> Member:
    """Return a pipeline that is ready to be looked at; it has neither frames nor a lane yet.

    Args:
        name: The pipeline's.
        spec: What it is to do.
        camera: Whose frames it will take; newest alone of what is live, every one of a recording.
        listener: Takes the results.
        look: What looks at its frames in full service.
        branch_lanes: Where the models of branches are opened.
        swapped: What looks for branches in place of their specs' models, by path.
        run: Tells this run from others in the ids of a live camera's events.
        clock: Monotonic seconds.

    Raises:
        SpecError: a branch or a step of the ladder cannot be.
    """
    live = camera.health is not None
    branches = None
    if spec.branches:
        branches = Branches(
            spec.branches, branch_lanes, camera.name, wait=not live, pipeline=name, swapped=swapped
        )
    crop = spec.crop
    feed = Feed(
        name,
        box=Newest() if live else Every(_QUEUED),
        fps=lower(spec.fps, camera.spec.fps),
        max_age_s=spec.max_age if live else None,
        gate=None if spec.motion_gate is None else MotionGate(spec.motion_gate),
        view=None if crop is None else lambda frame: crop_frame(frame, crop),
        patient=not live,
        clock=clock,
    )
    return Member(
        name,
        spec,
        camera.name,
        Pipeline(steps_at(spec, camera), camera.name, stream=run if live else "", branches=branches),
        feed,
        listener,
        look=look,
        live=live,
        branches=branches,
        clock=clock,
    )


def steps_at(spec: PipelineSpec, camera: EngineCamera) -> PipelineSpec:
    """Return what the steps of a pipeline are to do at the rate at which it takes a camera's frames."""
    track = None if spec.track is None else followed_at(spec.track, lower(spec.fps, camera.spec.fps))
    return spec if track is spec.track else spec.model_copy(update={"track": track})


def followed_at(track: TrackSpec, fps: float | None) -> TrackSpec:
    """Return how objects are followed at a rate: where frames are far apart, they are waited for longer."""
    lost_after = max(track.lost_after, _MISSED / fps if fps else 0.0)
    return track if lost_after == track.lost_after else track.model_copy(update={"lost_after": lost_after})


def lower(a: float | None, b: float | None) -> float | None:
    """Return the lower of two rates; None is no limit."""
    return min((fps for fps in (a, b) if fps is not None), default=None)
