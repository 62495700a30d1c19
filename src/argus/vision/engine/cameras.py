"""The lives of an engine's cameras: added, changed and removed while it runs; which stream each reads.

What a camera does with its frames is `camera`, what is read once for many `argus.vision.sources.hub`; what
is kept of their packets for clips is `footage`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from argus.core.errors import ArgusError, SpecError, UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.urls import mask_url
from argus.vision.clips.ring import MOST_BYTES
from argus.vision.engine.assembly import lower
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.member import Member
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.shared import SharedStream
from argus.vision.sources.sharing import StreamSpec

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine


class Cameras:
    """Those of one engine; it holds the engine's lock where something changes."""

    def __init__(self, engine: Engine, run: str, clock: Callable[[], float]) -> None:
        """Begin with none; `run` tells this run from others in the ids of a live camera's events."""
        self.streams: dict[str, SharedStream] = {}
        """What each camera reads."""
        self.kept: dict[str, tuple[float, int]] = {}
        """Seconds and bytes of a camera's packets to keep; outlives a change of its spec."""
        self._engine = engine
        self._run = run
        self._clock = clock

    def get(self, name: str) -> EngineCamera:
        """Return a camera.

        Raises:
            UnknownName: there is no such one.
        """
        cameras = self._engine.cameras
        if name not in cameras:
            raise UnknownName("camera", name, sorted(cameras))
        return cameras[name]

    def stream_of(self, name: str) -> SharedStream:
        """Return the stream that a camera reads, or read until now; raises as `get` does."""
        camera, stream = self.get(name), self.streams.get(name)
        if stream is None:  # it went meanwhile
            raise UnknownName("camera", camera.name, sorted(self._engine.cameras))
        return stream

    def add(
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
        """Read one more; see `Engine.add_camera`."""
        engine = self._engine
        with engine.changing:
            engine.expect_open()
            if name in engine.cameras:
                raise SpecError(
                    f"camera {name} is there already: change it, or give the new one another name"
                )
            reader, stream = self._made(name, spec, live=live, insists=insists, timeout_s=timeout_s)
            if keep_s > 0:
                self.kept[name] = (keep_s, MOST_BYTES)
            self._begin(reader, stream, held=held)

    def change(self, name: str, spec: CameraSpec | str) -> None:
        """Give one another spec; see `Engine.change_camera`."""
        engine = self._engine
        with engine.changing:
            before = self.get(name)
            live, held = before.health is not None, self.streams[name].held
            reader, stream = self._made(name, spec, live=live)
            self._let_go(before)
            reader.take_over(before)
            self._begin(reader, stream, held=held)
            for feed in before.feeds:
                reader.attach(feed)
            ended = [member for member in self._looking(name) if member.finished]
            for member in self._looking(name):
                self.set_rate(member)
        failed: list[ArgusError] = []
        for member in ended:  # with the recording that was played before
            try:
                engine.change_pipeline(member.name, member.spec)
            except ArgusError as error:  # the others are to begin all the same
                if engine.members.get(member.name) is member:
                    failed.append(error)
        if failed:
            raise failed[0]

    def remove(self, name: str) -> None:
        """Read one no longer; see `Engine.remove_camera`."""
        engine = self._engine
        with engine.changing:
            self.get(name)
            for member in self._looking(name):
                engine.remove_pipeline(member.name)
            self.leave(name)
            self.kept.pop(name, None)

    def leave(self, name: str) -> None:
        """Let a camera's stream go; its pipelines stay."""
        self._let_go(self._engine.cameras.pop(name))
        del self.streams[name]

    def _made(
        self,
        name: str,
        spec: CameraSpec | str,
        *,
        live: bool,
        insists: bool = True,
        timeout_s: float | None = None,
    ) -> tuple[EngineCamera, StreamSpec]:
        """Return a camera that nobody knows yet, and what it is to read; all that can be refused is by now.

        Raises:
            SpecError: the address or an option makes no sense.
        """
        spec = CameraSpec.read(spec, f"camera {name}") if isinstance(spec, str) else spec
        options = SourceOptions(
            name=mask_url(spec.url),
            timeout_s=timeout_s or spec.lost_after,
            transport=spec.transport,
            verify_tls=spec.verify_tls,
            decoder=spec.decoder,
            loop=spec.loop and live,
            # For pictures of a folder it says how fast they follow each other; others are asked for less.
            fps=spec.fps if os.path.isdir(spec.url) else None,  # noqa: PTH112 - an address is no path
        )
        stream = StreamSpec(
            spec.url, options, spec.reconnect, paced=live, insists=insists, alone="" if live else name
        )
        engine = self._engine
        camera = EngineCamera(name, spec, live=live, tell=engine.tell, stream=self._run, clock=self._clock)
        return camera, stream

    def _begin(self, camera: EngineCamera, stream: StreamSpec, *, held: bool) -> None:
        """Let a camera read its stream, and make it known."""
        name = camera.name
        kept = self.kept.get(name)
        # Nothing is read before it is known what is to be kept of it.
        joined = self._engine.hub.join(stream, camera, held=held or kept is not None)
        self.streams[name] = joined
        self._engine.cameras[name] = camera
        if kept is not None:
            joined.ring.keep(name, *kept)
            if not held:
                joined.begin()

    def _let_go(self, camera: EngineCamera) -> None:
        stream = self.streams[camera.name]
        stream.ring.keep(camera.name, 0.0)
        self._engine.hub.leave(stream, camera)
        camera.finish()

    def set_rate(self, member: Member) -> None:
        """Let a pipeline take as many frames as it shall where it stands, and decode no more than that."""
        with self._engine.changing:
            camera = self._engine.cameras.get(member.camera)
            if camera is not None:
                member.feed.set_fps(lower(member.fps, camera.spec.fps))
                self.streams[member.camera].retune()

    def _looking(self, name: str) -> list[Member]:
        return [member for member in self._engine.members.values() if member.camera == name]
