"""Annotated video: the picture of every frame, drawn on and encoded beside the main loop."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import cv2
import numpy as np

from argus.core.errors import OutputError, SpecError
from argus.core.frame import Image
from argus.vision.results import Event, FrameResult

Draw = Callable[[FrameResult], Image]
"""Returns a new (H, W, 3) BGR picture of a result."""

ENCODERS: Final = ("libx264", "libopenh264", "h264_videotoolbox", "mpeg4")
"""Tried in this order: FFmpeg builds differ in what they carry."""
_FINE: Final = Fraction(1, 90_000)
_SLOWEST: Final = Fraction(1, 100_000)
"""Pictures a second, at least: one a day."""


class AnnotatedVideo:
    """Writes a video file (its suffix names the container) with each frame at its own time.

    Drawing and encoding run in a thread of their own; a full queue slows the run down rather
    than growing. A file cut short is still playable after `close`.
    """

    def __init__(self, path: Path, draw: Draw, *, fps: float | None = None) -> None:
        """Open the file.

        Args:
            path: Where to write; .mp4, .mkv, .mov, .avi or .webm.
            draw: Makes the picture; called in this sink's thread, in order.
            fps: Nominal rate, for players; 25 where unknown.
        """
        self.path = path
        self._draw = draw
        self._suffix = path.suffix.lower()
        self._rate = _rate(fps or 25)
        # AVI knows no times, only a rate.
        self._time_base = 1 / self._rate if self._suffix == ".avi" else _FINE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # In fragments of two seconds until the end, so that what was written plays even after a kill -9.
            options = {"flush_packets": "1"}
            if self._suffix in {".mp4", ".mov"}:
                options["movflags"] = "+hybrid_fragmented"
            self._container = av.open(str(path), "w", options=options)
        except ValueError as error:
            raise SpecError(
                f"cannot write {path}: {path.suffix or 'no suffix'} is no video format; use .mp4"
            ) from error
        except OSError as error:
            raise OutputError(path, error.strerror or error) from error
        self._stream: av.VideoStream | None = None
        self._last_pts = -1
        self._error: BaseException | None = None
        self._queue: queue.Queue[FrameResult | None] = queue.Queue(maxsize=4)
        self._thread = threading.Thread(target=self._work, name="argus-encode", daemon=True)
        self._thread.start()
        self._closed = False

    def write(self, result: FrameResult) -> None:
        """Hand one frame to the encoder."""
        self._raise()
        self._queue.put(result)

    def finish(self, still_open: Sequence[Event]) -> None:
        """Wait until all is encoded."""
        self._end()
        self._raise()

    def close(self) -> None:
        """Write the trailer; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._end()
        try:
            self._container.close()
        except (OSError, av.error.FFmpegError) as error:
            raise OutputError(self.path, error.strerror or error) from error

    def _end(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, (OSError, av.error.FFmpegError)):
            raise OutputError(self.path, error.strerror or error) from error
        if error is not None:
            raise error

    def _work(self) -> None:
        over = False
        try:
            while (result := self._queue.get()) is not None:
                self._encode(self._draw(result), result.frame.time_s)
            over = True
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
        except BaseException as error:  # noqa: BLE001 - raised again in the writer's thread
            self._error = error
            while not over:  # the run learns of it at its next write; nobody may block here
                over = self._queue.get() is None

    def _encode(self, picture: Image, time_s: float) -> None:
        stream = self._stream or self._start(picture)
        size = (stream.width, stream.height)
        if picture.shape[1::-1] != size:
            # One stream has one size: the first picture's, made even, as H.264 wants it.
            picture = cast("Image", cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
        pts = max(round(time_s / self._time_base), self._last_pts + 1)
        frame.pts, frame.time_base, self._last_pts = pts, self._time_base, pts
        self._container.mux(stream.encode(frame))

    def _start(self, picture: Image) -> av.VideoStream:
        height, width = (max(2, side + side % 2) for side in picture.shape[:2])
        for name in ENCODERS if self._suffix != ".webm" else ("libvpx-vp9", "libvpx"):
            with contextlib.suppress(av.error.FFmpegError, ValueError):
                av.Codec(name, "w")
                break
        else:
            raise SpecError(
                f"cannot write {self.path}: this FFmpeg has none of the encoders {', '.join(ENCODERS)}"
            )
        # No B-frames: they would shift every time in a file that is written in fragments.
        options = {"preset": "veryfast", "crf": "23", "bf": "0"} if name == "libx264" else {}
        try:
            stream = self._container.add_stream(name, rate=self._rate, options=options)
        except ValueError as error:
            raise SpecError(f"cannot write {self.path}: {self._suffix} takes no {name}; use .mp4") from error
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = self._time_base
        stream.time_base = self._time_base
        if name != "libx264":
            stream.bit_rate = int(width * height * float(self._rate) * 0.1)
        # A fragment begins at a keyframe: one every two seconds.
        stream.codec_context.gop_size = max(1, round(2 * self._rate))
        # Encoding must not take the cores from inference; one thread keeps up with any detector here.
        stream.codec_context.thread_count = 1
        self._stream = stream
        return stream


def _rate(fps: float) -> Fraction:
    """Return a rate as containers have it: 30000/1001, say, or one picture an hour."""
    return max(_SLOWEST, Fraction(fps).limit_denominator(1001 if fps >= 1 else _SLOWEST.denominator))
