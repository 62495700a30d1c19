"""Opening whatever FFmpeg can open, with errors that say what is wrong.

Finds the video stream and knows its codec, rate and length. Decoding its packets is `decoding`.
"""

from __future__ import annotations

import errno
import logging
import time
from fractions import Fraction
from typing import NamedTuple, cast

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from argus.core.errors import (
    SourceError,
    SourceNotFound,
    SourceRefused,
    SourceUnreachable,
    SourceUnreadable,
)
from argus.vision.sources.codec_name import codec_name
from argus.vision.sources.deadlines import within
from argus.vision.sources.refusals import refusal, wrong_transport

# FFmpeg's own log is off in PyAV; where somebody turns it on, it goes to Python's logging and not,
# for want of a handler, to the terminal.
logging.getLogger("libav").addHandler(logging.NullHandler())

# Demuxers that take any text for a picture made of letters.
_NOT_VIDEO = {"tty", "bin", "xbin", "idf", "adf", "txd"}

_GONE = (
    av.error.ExitError,  # our own time limit
    av.error.TimeoutError,
    av.error.ConnectionRefusedError,
    av.error.ConnectionResetError,
    av.error.ConnectionAbortedError,
    av.error.BrokenPipeError,
    av.error.EOFError,
)

_REMEDY = "check its power and network, then the address"

_REFUSALS = (
    (av.error.HTTPUnauthorizedError, 401),
    (av.error.HTTPForbiddenError, 403),
    (av.error.HTTPNotFoundError, 404),
    (av.error.HTTPTooManyRequestsError, 429),
    (av.error.HTTPServerError, 500),
    (av.error.HTTPClientError, 400),
)


class VideoInput(NamedTuple):
    """An open container and the stream of it that is watched."""

    container: InputContainer
    stream: VideoStream
    codec: str
    fps: float | None
    """Average rate as the container says, None where it says nothing sensible."""
    duration_s: float | None
    frame_count: int | None


def open_video(
    url: str,
    *,
    shown: str,
    options: dict[str, str] | None = None,
    container_format: str | None = None,
    timeout_s: float | None = None,
    opening_s: float | None = None,
    accelerator: HWAccel | None = None,
) -> VideoInput:
    """Open a file, an address or a device and choose its video stream.

    Args:
        url: What FFmpeg is given.
        shown: The same for messages, without secrets.
        options: FFmpeg's options of the demuxer and protocol.
        container_format: FFmpeg's name of the format; None lets it look.
        timeout_s: How long all of the opening may take, and each read later; None waits for ever.
        opening_s: The same for the opening alone, where it differs.
        accelerator: What decodes instead of the processor.

    Raises:
        SourceNotFound: there is nothing.
        SourceRefused: the server wants other credentials.
        SourceUnreachable: the server does not answer.
        SourceUnreadable: no picture in it can be decoded.
    """
    limit_s = timeout_s if opening_s is None else opening_s
    limit = None if timeout_s is None else (limit_s, timeout_s)
    began = time.monotonic()

    def open_it() -> InputContainer:
        return av.open(url, "r", format=container_format, options=options, timeout=limit, hwaccel=accelerator)

    try:
        # FFmpeg grants its limit to several steps each, and resolves names without any.
        container = open_it() if limit_s is None else within(limit_s, open_it, InputContainer.close)
    except TimeoutError as error:
        raise _silence(shown, timeout_s) from error
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        if accelerator is not None and type(error) is RuntimeError:
            raise SourceUnreadable(
                f"{shown} is of a codec that the hardware decoder does not know: take decoder 'auto'"
            ) from error
        # RTSP calls an interrupted answer invalid data: only the clock tells the two apart.
        late = limit_s is not None and time.monotonic() - began >= limit_s
        raise (_silence(shown, timeout_s) if late else translated(error, shown, timeout_s)) from error
    try:
        return _choose(container, shown)
    except BaseException:
        container.close()
        raise


def translated(error: Exception, shown: str, timeout_s: float | None = None) -> SourceError:
    """Return the error of ours that says what an error of FFmpeg means for the user."""
    for kind, code in _REFUSALS:
        if isinstance(error, kind):
            return refusal(shown, code, fact_of(error))
    if isinstance(error, av.error.ProtocolNotFoundError):
        return SourceUnreadable(f"{shown}: this build of FFmpeg does not know the protocol")
    if isinstance(error, FileNotFoundError):
        return SourceNotFound(f"{shown} is not there: check the path")
    if isinstance(error, PermissionError):
        return SourceRefused(f"{shown} may not be read by this user: check its permissions")
    remote = "://" in shown
    if isinstance(error, av.error.ExitError):
        return _silence(shown, timeout_s)
    if shown.startswith("rtsp") and getattr(error, "errno", None) == errno.EPROTONOSUPPORT:
        return wrong_transport(shown)
    if remote and isinstance(error, (*_GONE, OSError)):
        return SourceUnreachable(f"{shown} does not answer ({fact_of(error)}): {_REMEDY}")
    if remote and isinstance(error, av.error.InvalidDataError):
        return SourceUnreadable(
            f"{shown} answers with nothing that FFmpeg knows as a video: check the address"
        )
    if isinstance(error, av.error.InvalidDataError):
        return SourceUnreadable(
            f"{shown} is no video that FFmpeg knows, or is damaged at its beginning: see if a player opens it"
        )
    return SourceUnreadable(f"{shown} cannot be opened ({fact_of(error)})")


def _silence(shown: str, timeout_s: float | None) -> SourceUnreachable:
    waited = "in time" if timeout_s is None else f"within {timeout_s:g} s"
    return SourceUnreachable(f"{shown} does not answer {waited}: {_REMEDY}")


def fact_of(error: Exception) -> str:
    """Return what FFmpeg says, without the address that its own text repeats."""
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _choose(container: InputContainer, shown: str) -> VideoInput:
    if container.format.name in _NOT_VIDEO:
        raise SourceUnreadable(f"{shown} is text, not a video")
    videos = container.streams.video
    films = [s for s in videos if not s.disposition & Disposition.attached_pic]
    if not films:
        kinds = sorted({str(s.type) for s in container.streams} - {"video"})
        raise SourceUnreadable(f"{shown} holds no video stream, only {' and '.join(kinds) or 'nothing'}")
    known = [s for s in films if cast("object", s.codec_context) is not None]
    if not known:
        raise SourceUnreadable(
            f"{shown} is encoded as {codec_name(container.name)}, which this build of FFmpeg cannot decode: "
            "convert it, for example to H.264"
        )
    stream = max(known, key=lambda s: (s.width or 0) * (s.height or 0))
    fps = _rate(stream.average_rate) or _rate(stream.guessed_rate)
    duration_s = None
    if stream.duration and stream.time_base:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / 1_000_000
    count = stream.frames or (round(duration_s * fps) if duration_s and fps else None)
    return VideoInput(container, stream, stream.codec_context.name, fps, duration_s, count)


def _rate(rate: Fraction | None) -> float | None:
    """Return frames per second, or None where the container's figure is a tick of its clock."""
    return float(rate) if rate and 0 < rate <= 1000 else None
