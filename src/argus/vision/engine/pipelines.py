"""The lives of an engine's pipelines: added, changed and removed while it runs.

What a pipeline is made of is `assembly`; which cameras and models there are is `engine` and `lanes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.branches.plan import but_models
from argus.vision.engine.assembly import make_member
from argus.vision.engine.member import Listener, Member
from argus.vision.engine.models import LaneSpec, spec_of
from argus.vision.engine.shadow import Shadow
from argus.vision.engine.swapping import change_models
from argus.vision.models.protocols import Detector

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine

_FINISH_S: Final = 30.0
"""How long a pipeline that ends waits for its model to hand out what is under way."""


class Pipelines:
    """Those of one engine. Models are opened with no lock held, for that takes seconds."""

    def __init__(self, engine: Engine, run: str, clock: Callable[[], float]) -> None:
        """Begin with none; `run` tells this run from others in the ids of a live camera's events."""
        self._engine = engine
        self._run = run
        self._clock = clock

    def get(self, name: str) -> Member:
        """Return a pipeline.

        Raises:
            UnknownName: there is no such one.
        """
        members = self._engine.members
        if name not in members:
            raise UnknownName("pipeline", name, sorted(members))
        return members[name]

    def add(
        self,
        name: str,
        spec: PipelineSpec,
        camera: str | None,
        listener: Listener | None,
        detector: Detector | None,
    ) -> None:
        """Let one more look at a camera; see `Engine.add_pipeline`."""
        engine = self._engine
        with engine.changing:
            engine.expect_open()
            if name in engine.members:
                raise SpecError(
                    f"pipeline {name} is there already: change it, or give the new one another name"
                )
            member = self._make(name, spec, camera or spec.camera or "", listener)
        try:
            if detector is None:
                engine.lanes.attach(member, member.look)
            else:
                engine.lanes.move([member], engine.lanes.adopt(detector, member.look))
            self._cast_shadow(member)
        except BaseException:
            self._forget(member)
            raise
        with engine.changing:
            if engine.closed or member.camera not in engine.cameras:
                self._forget(member)
                raise SpecError(f"pipeline {name}: camera {member.camera} was removed meanwhile")
            self._begin(member)

    def change(self, name: str, spec: PipelineSpec) -> None:
        """Give one another spec; see `Engine.change_pipeline`."""
        engine = self._engine
        with engine.changing:
            member = self.get(name)
        kept = {"detect": None, "fps": None, "max_age": 1.0, "degrade": (), "camera": None, "branches": ()}
        same_camera = spec.camera in {None, member.camera}
        if (
            same_camera
            and member.error is None
            and member.spec.model_copy(update=kept) == spec.model_copy(update=kept)
            and but_models(member.spec.branches) == but_models(spec.branches)
        ):
            look = member.look if spec.detect == member.spec.detect else engine.look_of(spec)
            change_models(engine, member, spec, look)
            member.respec(spec, look)
            engine.camera_lives.set_rate(member, spec.fps)
            self._cast_shadow(member)
            return
        with engine.changing:
            fresh = self._make(name, spec, spec.camera or member.camera, member.listener)
        try:
            engine.lanes.attach(fresh, fresh.look)
            self._cast_shadow(fresh)
        except BaseException:
            self._forget(fresh)
            raise
        with engine.changing:
            fresh.before = member.counts
            self.remove(name)
            self._begin(fresh)

    def remove(self, name: str) -> None:
        """End one; see `Engine.remove_pipeline`."""
        engine = self._engine
        with engine.changing:
            member = self.get(name)
            del engine.members[name]
            engine.traces.forget(member)
            camera = engine.cameras.get(member.camera)
            if camera is not None:
                camera.detach(member.feed)
                engine.stream_of(member.camera).retune()
            member.feed.close()
        self.finish(member)

    def finish(self, member: Member) -> None:
        """Wait for what is under way and tell what is open."""
        member.feed.wait_over(_FINISH_S)
        self._engine.lanes.release(member)
        member.finish()

    def _make(self, name: str, spec: PipelineSpec, camera: str, listener: Listener | None) -> Member:
        engine = self._engine
        return make_member(
            name,
            spec,
            engine.camera_lives.get(camera),
            listener,
            look=engine.look_of(spec),
            branch_lanes=engine.branch_lanes,
            run=self._run,
            clock=self._clock,
        )

    def _begin(self, member: Member) -> None:
        engine = self._engine
        engine.members[member.name] = member
        engine.cameras[member.camera].attach(member.feed)
        engine.stream_of(member.camera).retune()

    def _forget(self, member: Member) -> None:
        if member.comparison is not None:
            member.comparison.close()
        self._engine.lanes.release(member)
        member.discard()

    def _cast_shadow(self, member: Member) -> None:
        """Begin, go on with or end the comparison that a pipeline's spec asks for.

        Raises:
            ModelError: the candidate cannot be opened; a comparison with another one goes on.
        """
        detect = member.spec.detect
        shadow: Shadow | None = None
        if detect is not None and detect.shadow is not None:
            candidate = LaneSpec(spec_of(detect.shadow.model), candidate=True)
            shadow = Shadow(
                member.name,
                (member.look.model.path, candidate.model.path),
                detect,
                detect.shadow.share,
                self._engine.lanes.release,
                max_age_s=member.max_age_s,
                patient=member.patient,
                clock=self._clock,
            )
            self._engine.lanes.attach(shadow, candidate)
        before, member.comparison = member.comparison, shadow
        if before is not None:
            before.close()
