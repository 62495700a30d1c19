"""A node that hands out the frames of a camera, a video, a folder of pictures or a drawn scene.

A live source gives its newest frames and is opened again when it breaks off. A recording gives every
frame, at its own speed or as fast as they are taken, and then ends its stream. How addresses are read is
`argus.vision.sources`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from argus.core.errors import ArgusError, SourceError, SourceUnreachable
from argus.core.resources.camera import Decoder, ReconnectSpec
from argus.core.resources.spec import Spec
from argus.core.urls import mask_url, scheme_of
from argus.flow.node import ProducerNode

if TYPE_CHECKING:
    from argus.core.frame import Frame
    from argus.vision.sources.hub import Hub
    from argus.vision.sources.protocol import Source, SourceInfo
    from argus.vision.sources.shared import SharedStream

_WAIT_S: Final = 0.25
"""How long one `loop` waits for a frame."""
_STEP_S: Final = 1.0
"""The time until a frame is waited out in parts, so that nobody takes the node for stuck."""
_BEHIND_S: Final = 1.0
"""A recording that is so late goes on from where it is."""
_OPENED_WITH: Final = frozenset(
    {"url", "loop", "name", "transport", "decoder", "timeout_s", "reconnect", "waiting"}
)
_NETWORK: Final = ("rtsp", "rtsps", "http", "https", "snapshot+http", "snapshot+https", "gst")


class Camera(ProducerNode):
    """Sends `Frame`s, each with its own time and index as origin."""

    class Params(Spec):
        """What is read, and how."""

        url: str = Field(min_length=1)
        """What `argus.vision.sources.open_source` takes: a file, a folder, `rtsp://…`, `synthetic:plaza`."""
        fps: float | None = Field(default=None, gt=0, le=1000)
        """Frames per second of the source handed on at most; None: all. Can be changed while it runs."""
        realtime: bool = True
        """True plays a recording at its own speed; False gives it as fast as it is taken. Live sources
        have their own speed."""
        loop: bool = False
        """Begin a recording again at its end, with time and index going on."""
        max_width: int | None = Field(default=None, ge=16, le=65535)
        """Wider pictures are made smaller, their aspect kept; None: they stay."""
        max_height: int | None = Field(default=None, ge=16, le=65535)
        """Likewise."""
        waiting: int = Field(default=2, ge=1, le=1000)
        """Frames of a live source that may wait while a link is full. Higher loses fewer; 1 is freshest."""
        name: str | None = None
        """What the source is called in its frames; None: the file's name or the masked address."""
        transport: Literal["tcp", "udp"] = "tcp"
        """How RTSP carries its packets."""
        decoder: Decoder = "auto"
        """See `CameraSpec.decoder`."""
        timeout_s: float = Field(default=10.0, gt=0, le=3600)
        """How long a live source may be silent before it is opened again."""
        reconnect: ReconnectSpec = ReconnectSpec()
        """When a live source that broke off is called again."""

    params: Params

    def setup(self) -> None:
        """Open the source.

        Raises:
            SourceError: there is nothing to read; a camera that only does not answer is tried again for ever.
        """
        self._live: _Live | None = None
        self._recording: _Recording | None = None
        self._first_index = self._next_index = 0
        if self._is_remote():
            try:
                source = self._open()
            except SourceUnreachable as error:
                self.log.warning("camera.unreachable", error=str(error), consequence="trying again")
                source = None
        else:
            source = self._open()
        if source is None or source.info.live:
            self._live = _Live(self, source)
        else:
            self._recording = _Recording(source)
        if source is not None:
            self.log.info("camera.opened", source=source.info.name, live=source.info.live)
        self._taken = self.params

    def loop(self) -> None:
        """Send the next frame, where one comes soon.

        Raises:
            EndOfStream: the recording has ended.
            SourceError: it cannot be read any further.
        """
        if self._recording is not None:
            frame = self._recording.peek()
            if frame is None:
                self.finish()
                return
            if self.params.realtime and self._wait_for(self._recording, frame):
                return
            self._recording.take()
        else:
            assert self._live is not None
            frame = self._live.next()
            if frame is None:
                return
        index = self._first_index + frame.index
        self._next_index = index + 1
        self.send(self._fitted(frame), time_s=frame.time_s, index=index)

    def on_params(self, changed: frozenset[str]) -> None:
        """Take another rate or size at once; anything else means to open the source anew.

        Raises:
            ArgusError: it cannot be opened so; where that is another address, all is as it was.
        """
        if changed & _OPENED_WITH:
            self._reopen(beside="url" in changed)
        elif "fps" in changed:
            if self._recording is not None:
                self._recording.source.set_fps(self.params.fps)
            elif self._live is not None:
                self._live.set_fps(self.params.fps)
        self._taken = self.params

    def teardown(self) -> None:
        """Close the source."""
        self._close(getattr(self, "_live", None), getattr(self, "_recording", None))

    def _reopen(self, *, beside: bool) -> None:
        """Open the source as it is meant now; where it can be open twice, before the old one is closed."""
        before, index = (self._live, self._recording), self._next_index
        if not beside:
            self._close(*before)
        try:
            self.setup()
        except ArgusError:
            if beside:
                self.params, (self._live, self._recording) = self._taken, before
            raise
        self._first_index = self._next_index = index
        if beside:
            self._close(*before)

    def _close(self, live: _Live | None, recording: _Recording | None) -> None:
        if live is not None:
            live.close()
        if recording is not None:
            recording.source.close()

    def _is_remote(self) -> bool:
        return scheme_of(self.params.url) in _NETWORK

    def _open(self) -> Source:
        from argus.vision.sources import open_source

        params = self.params
        url: str | int = int(params.url) if params.url.isdecimal() else params.url
        return open_source(
            url,
            fps=params.fps,
            name=params.name,
            timeout_s=params.timeout_s,
            loop=params.loop,
            transport=params.transport,
            decoder=params.decoder,
        )

    def _wait_for(self, recording: _Recording, frame: Frame) -> bool:
        """Wait for the frame's time; return whether it has not come, or the node shall end instead."""
        now_s = time.monotonic()
        if recording.start_s is None or now_s - recording.start_s - frame.time_s > _BEHIND_S:
            recording.start_s = now_s - frame.time_s
        wait_s = recording.start_s + frame.time_s - now_s
        return wait_s > 0 and (self.host.pause(min(wait_s, _STEP_S)) or wait_s > _STEP_S)

    def _fitted(self, frame: Frame) -> Frame:
        """Return the frame, smaller where it is larger than it may be."""
        scale = min(
            1.0,
            (self.params.max_width or frame.width) / frame.width,
            (self.params.max_height or frame.height) / frame.height,
        )
        if scale == 1.0:
            return frame
        from argus.vision.pictures import ArrayPicture

        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        return replace(frame, picture=ArrayPicture(frame.resized(width, height, "bgr")))


class _Recording:
    """A source that waits for whoever takes its frames."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.start_s: float | None = None
        """When its first frame was due, by the monotonic clock."""
        self._frames: Iterator[Frame] = iter(source)
        self._next: Frame | None = None

    def peek(self) -> Frame | None:
        """Return the frame whose turn it is, None at the end."""
        if self._next is None:
            self._next = next(self._frames, None)
        return self._next

    def take(self) -> None:
        """Go on to the next one."""
        self._next = None


class _Live:
    """A source that waits for nobody: read by a thread of its own, opened again when it breaks off."""

    def __init__(self, node: Camera, source: Source | None) -> None:
        from argus.vision.sources.hub import Hub, open_by_options
        from argus.vision.sources.options import SourceOptions
        from argus.vision.sources.sharing import StreamSpec

        params = node.params
        self._log = node.log.bind(source=mask_url(params.url))
        self.fps = params.fps
        self._frames: deque[Frame] = deque(maxlen=params.waiting)
        self._came = threading.Condition()
        self._ended: SourceError | None = None
        self._over = False
        first = [source] if source is not None else []

        def open_(url: str, options: SourceOptions) -> Source:
            # What `setup` opened to see what it is, is not opened twice.
            return first.pop() if first else open_by_options(url, options)

        options = SourceOptions(
            fps=params.fps,
            name=params.name,
            timeout_s=params.timeout_s,
            transport=params.transport,
            decoder=params.decoder,
        )
        self._hub: Hub = Hub(open_)
        spec = StreamSpec(params.url, options, params.reconnect)
        self._stream: SharedStream = self._hub.join(spec, self)

    def next(self) -> Frame | None:
        """Return the oldest frame that waits, or None where none comes soon.

        Raises:
            SourceError: no frame will ever come.
        """
        self._hub.tick()
        with self._came:
            if not self._frames and not self._over:
                self._came.wait(_WAIT_S)
            if self._frames:
                return self._frames.popleft()
            if self._over:
                raise self._ended or SourceUnreachable(
                    f"{mask_url(self._stream.spec.url)} has ended for good"
                )
            return None

    def set_fps(self, fps: float | None) -> None:
        self.fps = fps
        self._stream.retune()

    def close(self) -> None:
        self._hub.leave(self._stream, self)
        self._hub.close()

    def connecting(self) -> None:
        """See `StreamReader`, as for those that follow."""

    def online(self, info: SourceInfo) -> None:
        self._log.info("camera.online", width=info.width, height=info.height)

    def frame(self, frame: Frame) -> None:
        with self._came:
            self._frames.append(frame)
            self._came.notify()

    def corrupt(self, count: int) -> None:
        """Nothing is done: what cannot be decoded is not sent."""

    def disconnected(self, error: SourceError, retry_in_s: float | None) -> None:
        self._log.warning("camera.lost", error=str(error), retry_in_s=retry_in_s and round(retry_in_s, 2))

    def ended(self, error: SourceError | None) -> None:
        with self._came:
            self._ended, self._over = error, True
            self._came.notify()
