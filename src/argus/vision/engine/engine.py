"""Many cameras, pipelines and models in one process, added, changed and removed while it runs.

Puts the parts together and owns their lives: streams (`argus.vision.sources.hub`), cameras, feeds,
lanes. What a part can decide is decided there; what follows from the passing of time is `overseer`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.branches.lanes import BranchLanes
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.cameras import Cameras
from argus.vision.engine.footage import Footage
from argus.vision.engine.lanes import Lanes, OpenModel
from argus.vision.engine.member import Listener, Member
from argus.vision.engine.models import LaneSpec, model_of, open_detector
from argus.vision.engine.notices import Facts, Tell, unharmed
from argus.vision.engine.overseer import Overseer
from argus.vision.engine.pipelines import Pipelines
from argus.vision.engine.reporting import status_of
from argus.vision.engine.shadow import Shadow
from argus.vision.engine.status import EngineStatus
from argus.vision.engine.swapping import swap_model
from argus.vision.engine.tracing import Traces
from argus.vision.engine.waiting import all_over
from argus.vision.models.load import AnyModel, load_model
from argus.vision.models.protocols import Detector
from argus.vision.sources.hub import Hub, open_by_options
from argus.vision.sources.shared import SharedStream
from argus.vision.sources.sharing import Open
from argus.vision.trace import Tracing

if TYPE_CHECKING:
    from argus.vision.engine.agreement_report import AgreementReport

_DEFAULT: Final = ModelSpec.read({"path": "builtin:people"}, "model")


class Engine:
    """See the module. Safe from any thread; use it with `with`.

    Results go to each pipeline's listener, in the thread of its model; notices (health of cameras, models
    swapped, rungs of a ladder) to `tell`, in whatever thread meets them. Both must be quick.
    """

    def __init__(
        self,
        *,
        tell: Tell | None = None,
        model: ModelSpec | None = None,
        open_source: Open = open_by_options,
        open_model: OpenModel = open_detector,
        open_branch_model: Callable[[ModelSpec], AnyModel] = load_model,
        one_thread: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing, and the thread that watches time pass.

        Args:
            tell: Hears notices.
            model: Looks for pipelines that name none.
            open_source: Opens an address.
            open_model: Opens a model that looks at frames.
            open_branch_model: Opens a model that looks at crops.
            one_thread: True lets the thread of a recording turn the model's loop too, which is cheaper by
                0.3 ms a frame where there is one recording; a model that fails is not opened again then.
            clock: Monotonic seconds.
        """
        self.hub = Hub(open_source, clock=clock)
        self.cameras: dict[str, EngineCamera] = {}
        self.members: dict[str, Member] = {}
        self._model = model or _DEFAULT
        self.tell = unharmed(tell)
        """Passes a notice on."""
        run = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.facts = Facts(clock, run)
        self.traces = Traces(self, clock)
        self.changing = threading.RLock()
        self.closed = False
        self.replaces = not one_thread
        """True where a model that fails is opened again."""
        self.camera_lives = Cameras(self, run, clock)
        self.footage = Footage(self, self.camera_lives)
        """What is kept of the cameras' packets, for clips."""
        self._pipelines = Pipelines(self, run, clock)
        self.overseer = Overseer(self, clock)
        failed = self.overseer.lane_failed
        self.lanes = Lanes(open_model, failed, turned=one_thread, clock=clock)
        self.branch_lanes = BranchLanes(open_branch_model, failed if self.replaces else None)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *ended: object) -> None:
        """Close."""
        self.close()

    def add_camera(
        self,
        name: str,
        spec: CameraSpec | str,
        *,
        live: bool = True,
        insists: bool = True,
        held: bool = False,
        timeout_s: float | None = None,
        keep_s: float = 0.0,
    ) -> None:
        """Read one more camera. Returns at once; what comes of it is told.

        Args:
            name: Not used yet.
            spec: Where and how; a text is its address.
            live: True plays recordings and synthetic scenes at their own speed, as a camera would. False
                reads them as fast as they are looked at, every frame.
            insists: False gives up where the very first opening fails.
            held: True opens it with `release` alone: so all pipelines of a recording see its beginning.
            timeout_s: How long a server may be silent; None: `lost_after`.
            keep_s: Seconds of its stream to keep for clips from its very first packet on; see `Footage.keep`.

        Raises:
            SpecError: the name is taken.
        """
        self.camera_lives.add(
            name, spec, live=live, insists=insists, held=held, timeout_s=timeout_s, keep_s=keep_s
        )

    def release(self, name: str) -> None:
        """Read a camera that was held until all its pipelines would be there.

        Raises:
            UnknownName: there is no such camera.
        """
        self.camera_lives.stream_of(name).begin()

    def change_camera(self, name: str, spec: CameraSpec | str) -> None:
        """Give a camera another spec; its pipelines go on with what it brings then.

        Raises:
            UnknownName: there is no such camera.
            ModelError: a pipeline that had ended with a recording cannot begin anew, for its model cannot be
                opened; all else is changed, and `change_pipeline` tries it again.
        """
        self.camera_lives.change(name, spec)

    def remove_camera(self, name: str) -> None:
        """Read a camera no longer; its pipelines end with it.

        Raises:
            UnknownName: there is no such camera.
        """
        self.camera_lives.remove(name)

    def trace(self, pipeline: str, hear: Tracing | None) -> None:
        """Tell once a second what a pipeline did, for `argus.vision.explain`; None ends it.

        It goes on when the pipeline's spec is changed.

        Raises:
            UnknownName: there is no such pipeline.
        """
        member = self._pipelines.get(pipeline)
        self.traces.set(pipeline, hear)
        if hear is None:
            member.tracer = None

    def reconnect(self, name: str) -> None:
        """Call a camera now that waits for its next attempt, or was given up.

        Raises:
            UnknownName: there is no such camera.
        """
        self.camera_lives.stream_of(name).try_now()

    def add_pipeline(
        self,
        name: str,
        spec: PipelineSpec,
        *,
        camera: str | None = None,
        listener: Listener | None = None,
        detector: Detector | None = None,
    ) -> None:
        """Let one more pipeline look at a camera. Returns when its model is open.

        Args:
            name: Not used yet.
            spec: What to do.
            camera: Whose frames; None: the one that the spec names.
            listener: Takes the results.
            detector: Looks instead of the spec's model; becomes the engine's.

        Raises:
            SpecError: the name is taken, or something in the spec cannot be.
            UnknownName: there is no such camera.
            ModelError: the model cannot be opened.
        """
        self._pipelines.add(name, spec, camera, listener, detector)

    def change_pipeline(self, name: str, spec: PipelineSpec) -> None:
        """Give a pipeline another spec, with its model opened before anything ends.

        Another model or rate alone leaves tracks and open events as they are; anything else begins anew, and
        so does a rate at which objects must be waited for longer, or need be no more.

        Raises:
            UnknownName: there is no such pipeline.
            ModelError: the new model cannot be opened; the pipeline goes on as it was.
        """
        self._pipelines.change(name, spec)

    def remove_pipeline(self, name: str) -> None:
        """End a pipeline: what waits is let go, what is under way is finished, open events are told.

        Raises:
            UnknownName: there is no such pipeline.
        """
        self._pipelines.remove(name)
        self.traces.set(name, None)

    def swap_model(self, before: str | ModelSpec, after: str | ModelSpec) -> tuple[str, ...]:
        """Return the pipelines for which, or for whose branches, another model looks from now on.

        It is opened and warmed up beside the one that looked; where that fails, nothing has changed.

        Raises:
            UnknownName: no pipeline and no branch is looked at by such a model.
            SpecError: the new one does not fit a branch.
            ModelError: the new one cannot be opened.
        """
        return swap_model(self, before, after)

    def agreement(self, pipeline: str) -> AgreementReport | None:
        """Return how well the candidate in the shadow of a pipeline's model agrees with it; None without one.

        Raises:
            UnknownName: there is no such pipeline.
        """
        shadow = self._pipelines.get(pipeline).comparison
        return shadow.agreement.report() if isinstance(shadow, Shadow) else None

    def status(self) -> EngineStatus:
        """Return how everything is doing."""
        return status_of(self)

    def stream_of(self, camera: str) -> SharedStream:
        """Return the stream that a camera reads.

        Raises:
            UnknownName: there is no such camera.
        """
        return self.camera_lives.stream_of(camera)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every recording has been looked at to its end; return whether they have.

        Cameras never end, unless they are given up or removed.
        """
        until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        cameras: list[EngineCamera] = []
        while cameras != list(self.cameras.values()):  # another one may take a camera's place meanwhile
            cameras = list(self.cameras.values())
            if not all_over(cameras, list(self.members.values()), until - time.monotonic()):
                return False
        return True

    def close(self) -> None:
        """End everything in good order; idempotent."""
        with self.changing:
            if self.closed:
                return
            self.closed = True
            members, cameras = list(self.members.values()), list(self.cameras)
            for name in cameras:
                self.camera_lives.leave(name)
            for member in members:
                member.feed.close()
            self.members.clear()
        self.overseer.close()
        for member in members:
            self._pipelines.finish(member)
        self.lanes.close()
        self.branch_lanes.close()
        self.hub.close()

    def conclude(self, member: Member, camera: EngineCamera) -> None:
        """Tell the last state of a pipeline's open events, for no frame will come; it stays in the status.

        Where the camera is changed meanwhile, and will bring frames again, it goes on, or begins anew.
        """
        if camera.over.is_set() and self.cameras.get(member.camera) is camera:
            self._pipelines.finish(member)
            if self.members.get(member.name) is member and self.cameras.get(member.camera) is not camera:
                self.change_pipeline(member.name, member.spec)

    def look_of(self, spec: PipelineSpec) -> LaneSpec:
        """Return what looks at the frames of a pipeline in full service."""
        appearance = None if spec.track is None else spec.track.appearance_model
        return LaneSpec(model_of(spec, self._model), appearance)

    def expect_open(self) -> None:
        """Raise `SpecError` where nothing can be added any more."""
        if self.closed:
            raise SpecError("the engine was closed: make another")
