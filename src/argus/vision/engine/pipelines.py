"""The lives of an engine's pipelines: added, changed and removed while it runs.

What a pipeline is made of is `assembly`; which cameras and models there are is `engine` and `lanes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.branches.plan import but_models
from argus.vision.engine.assembly import make_member, steps_at
from argus.vision.engine.ladder import rungs_of
from argus.vision.engine.member import Comparison, Listener, Member
from argus.vision.engine.models import LaneSpec, spec_of
from argus.vision.engine.shadow import Shadow
from argus.vision.engine.swapping import change_models, swapped_of
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
            self._expect_new(name)
            camera = camera or spec.camera or ""
            member = self._make(name, spec, camera, listener, engine.look_of(spec))
        try:
            if detector is None:
                engine.lanes.attach(member, member.look)
            else:
                with engine.lanes.changing:  # until somebody uses it, whoever leaves a model closes it too
                    engine.lanes.move([member], engine.lanes.adopt(detector, member.look))
            member.comparison = self._shadow_of(member, spec, member.look)
        except BaseException:
            self._forget(member)
            raise
        with engine.changing:
            if engine.closed or member.camera not in engine.cameras:
                self._forget(member)
                raise SpecError(f"pipeline {name}: camera {member.camera} was removed meanwhile")
            try:
                self._expect_new(name)  # somebody else may have added one while the model was opened
            except SpecError:
                self._forget(member)
                raise
            self._begin(member)

    def change(self, name: str, spec: PipelineSpec) -> None:
        """Give one another spec; see `Engine.change_pipeline`."""
        engine = self._engine
        with engine.changing:
            member = self.get(name)
            camera = engine.cameras.get(member.camera)
        kept = {"detect": None, "fps": None, "max_age": 1.0, "degrade": (), "camera": None, "branches": ()}
        same_camera = spec.camera in {None, member.camera}
        if (
            same_camera
            and member.error is None
            and not member.finished
            and member.spec.model_copy(update=kept) == spec.model_copy(update=kept)
            and but_models(member.spec.branches) == but_models(spec.branches)
            and (camera is None or steps_at(spec, camera).track == member.track)
        ):
            self._change_in_place(member, spec)
            return
        with engine.changing:
            look = self._look_of(member, spec)
            swapped = swapped_of(engine, member, spec)
            fresh = self._make(name, spec, spec.camera or member.camera, member.listener, look, swapped)
        try:
            engine.lanes.attach(fresh, fresh.look, after=member)
            fresh.comparison = self._shadow_of(fresh, spec, fresh.look)
        except BaseException:
            self._forget(fresh)
            raise
        with engine.changing:
            member = engine.members.get(name, fresh)
            if member is fresh or fresh.camera not in engine.cameras:
                self._forget(fresh)
                gone = f"camera {fresh.camera}" if member is not fresh else "it"
                raise SpecError(f"pipeline {name}: {gone} was removed meanwhile")
            self.remove(name)
            fresh.before = member.counts  # with what was under way until now
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
        """Take nothing more, wait for what is under way and tell what is open."""
        member.feed.close()
        member.feed.wait_over(_FINISH_S)
        self._engine.lanes.release(member)
        member.finish()

    def _change_in_place(self, member: Member, spec: PipelineSpec) -> None:
        """Let other models look, at another rate; all that can be refused is, before anything changes."""
        engine = self._engine
        look = self._look_of(member, spec)
        if not member.patient:
            rungs_of(spec.degrade, spec.fps)
        shadow = self._shadow_of(member, spec, look)
        try:
            change_models(engine, member, spec, look)
        except BaseException:
            if shadow is not None:
                shadow.close()
            raise
        engine.camera_lives.set_rate(member)
        ended: Comparison | None = shadow
        with engine.changing:
            if engine.members.get(member.name) is member:
                ended, member.comparison = member.comparison, shadow
        if ended is not None:
            ended.close()

    def _look_of(self, member: Member, spec: PipelineSpec) -> LaneSpec:
        """Return what is to look with another spec: what was swapped in, where that names no other model."""
        look = self._engine.look_of(spec)
        return replace(look, model=member.look.model) if spec.detect == member.spec.detect else look

    def _make(
        self,
        name: str,
        spec: PipelineSpec,
        camera: str,
        listener: Listener | None,
        look: LaneSpec,
        swapped: Mapping[str, ModelSpec] | None = None,
    ) -> Member:
        engine = self._engine
        return make_member(
            name,
            spec,
            engine.camera_lives.get(camera),
            listener,
            look=look,
            branch_lanes=engine.branch_lanes,
            swapped=swapped or {},
            run=self._run,
            clock=self._clock,
        )

    def _expect_new(self, name: str) -> None:
        if name in self._engine.members:
            raise SpecError(f"pipeline {name} is there already: change it, or give the new one another name")

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

    def _shadow_of(self, member: Member, spec: PipelineSpec, look: LaneSpec) -> Shadow | None:
        """Return the comparison that a spec asks for, its candidate open; None where it asks for none.

        Raises:
            ModelError: the candidate cannot be opened; what is compared so far goes on.
        """
        detect = spec.detect
        if detect is None or detect.shadow is None:
            return None
        candidate = LaneSpec(spec_of(detect.shadow.model), candidate=True)
        shadow = Shadow(
            member.name,
            (look.model.path, candidate.model.path),
            detect,
            detect.shadow.share,
            self._engine.lanes.release,
            max_age_s=None if member.patient else spec.max_age,
            patient=member.patient,
            clock=self._clock,
        )
        self._engine.lanes.attach(shadow, candidate)
        return shadow
