"""Reading an engine's status off its parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from argus.core.resources.camera import CameraState
from argus.core.resources.phases import CameraPhase
from argus.vision.branches.lane import Lane as BranchLane
from argus.vision.branches.plan import Branch
from argus.vision.branches.sharing import OpenLane, Wanted
from argus.vision.engine.status import CameraStatus, EngineStatus, ModelStatus, PipelineStatus

if TYPE_CHECKING:
    from argus.vision.engine.camera import EngineCamera
    from argus.vision.engine.engine import Engine


def status_of(engine: Engine) -> EngineStatus:
    """Return how everything in an engine is doing."""
    lanes = engine.lanes.all
    lane_of = {id(member): opened.lane for opened in lanes for member in opened.lane.members}
    streams = engine.hub.streams
    return EngineStatus(
        cameras=tuple(_camera(engine, name, camera) for name, camera in list(engine.cameras.items())),
        pipelines=tuple(
            PipelineStatus(
                name=member.name,
                camera=member.camera,
                model=lane_of[id(member)].name if id(member) in lane_of else "",
                frames=member.counts,
                latency=member.meters.to_json(),
                rung=member.rung.title,
                error=member.error,
            )
            for member in list(engine.members.values())
        ),
        models=tuple(
            ModelStatus(
                name=opened.lane.name,
                description=opened.lane.description,
                batch=opened.lane.batch,
                occupancy=opened.lane.counts.occupancy,
                inferences=opened.lane.counts.batches,
                inference_ms=1000 * opened.lane.inference_s,
                pipelines=tuple(member.feed.name for member in opened.lane.members),
                failure=None if opened.lane.failure is None else str(opened.lane.failure),
            )
            for opened in lanes
        ),
        branch_models=tuple(map(_branch_model, engine.branch_lanes.all)),
        threads_left=sum(stream.counts.left for stream in streams),
    )


def camera_phase(camera: EngineCamera) -> tuple[CameraPhase, str]:
    """Return how a camera is at a glance, and why it is so in words."""
    state, reason = camera_status(camera)
    if camera.over.is_set():
        return "failed" if camera.given_up else "ended", reason
    return state, reason


def camera_status(camera: EngineCamera) -> tuple[CameraState, str]:
    """Return a camera's state, and why it is so in words."""
    if camera.given_up:
        return "lost", camera.why_given_up
    if camera.over.is_set():
        return "online", "a recording, played to its end"
    if camera.health is None:
        return "online", "a recording"
    return camera.health.state, camera.health.reason


def _branch_model(opened: OpenLane[Wanted, BranchLane]) -> ModelStatus:
    lane, stats = opened.lane, opened.lane.stats
    inferences = stats.places // lane.batch
    pipelines = [member.pipeline for member in lane.members if isinstance(member, Branch) and member.pipeline]
    return ModelStatus(
        name=opened.spec.model.path,
        description=lane.description,
        batch=lane.batch,
        occupancy=stats.looked / inferences if inferences else 0.0,
        inferences=inferences,
        inference_ms=1000 * stats.busy_s / inferences if inferences else 0.0,
        pipelines=tuple(dict.fromkeys(pipelines)),
        failure=None if lane.failure is None else str(lane.failure),
    )


def _camera(engine: Engine, name: str, camera: EngineCamera) -> CameraStatus:
    stream = engine.camera_lives.streams.get(name)  # none for a moment, while it goes
    health = camera.health
    state, reason = camera_status(camera)
    since_s = 0.0 if health is None else health.since_s
    if camera.given_up and (health is None or health.state != state):
        since_s = camera.ended_s
    return CameraStatus(
        name=name,
        state=state,
        reason=reason,
        for_s=max(0.0, time.monotonic() - since_s) if since_s else 0.0,
        decoded=camera.decoded,
        corrupt=camera.corrupted,
        connections=0 if stream is None else stream.counts.connections,
        source=camera.spec.shown_url,
        given_up=camera.given_up,
        retries=camera.retries,
    )
