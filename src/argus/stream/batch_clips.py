"""Clips of a recording's events: its own packets, read once more from beginning to end.

Nothing is encoded where a browser plays the packets as they are.

Which events get a clip is `keeping`; where a clip begins and ends among packets is `argus.vision.clips`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av.error
import structlog

from argus.stream.keeping import LONGEST_CLIP_S
from argus.vision.clips import ClipUnavailable
from argus.vision.clips.cutting import cut
from argus.vision.clips.stretch import Form, Stretch, interval_of
from argus.vision.sources.containers import VideoInput, open_video

_SPARE_S: Final = 10.0
"""Read beyond the end of a clip, and kept before its beginning: key frames are that far apart at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip to be cut."""

    event: str
    """Id of its record."""
    start_s: float
    """Seconds of the recording."""
    end_s: float


def wanted_clip(event: str, start_s: float, end_s: float | None, *, before: float, after: float) -> Wanted:
    """Return the clip of an event; one that goes on for long is cut short.

    Args:
        event: Id of its record.
        start_s: When it began, seconds of the recording.
        end_s: When it ended; None: with the recording.
        before: Seconds before its start.
        after: Seconds after its end.
    """
    begin_s = max(0.0, start_s - before)
    last_s = begin_s + LONGEST_CLIP_S
    return Wanted(event, begin_s, last_s if end_s is None else min(last_s, end_s + after))


Take = Callable[[Wanted, Path, str | None], None]
"""Gets a clip's file, and what of it is not there, and why; None: it is whole."""


def cut_clips(path: Path, wanted: Iterable[Wanted], folder: Path, take: Take) -> dict[str, str]:
    """Cut clips out of a video, in order of their ends, and hand each on; its file goes when that returns.

    Args:
        path: The video.
        wanted: What to cut.
        folder: Where files may be made.
        take: Gets each clip's file.

    Returns:
        Why those that could not be cut could not, by event.

    Raises:
        SourceError: the video cannot be opened any more.
        Exception: what `take` raises.
    """
    left = sorted(wanted, key=lambda clip: (clip.end_s, clip.event))
    if not left:
        return {}
    video = open_video(str(path.absolute()), shown=str(path))
    with video.container:
        cutter = _Cutter(video, path.name, folder, take)
        try:
            for packet in video.container.demux(video.stream):
                if not packet.size:
                    continue
                key = packet.is_keyframe and not packet.is_corrupt
                # A copy: the packet itself would keep its demuxer and codec alive.
                cutter.stretch.add(bytes(packet), packet.pts, packet.dts, key=key, arrived_s=None)
                while left and cutter.come_to_s >= left[0].end_s + _SPARE_S:
                    cutter.cut(left.pop(0))
                if not left:
                    break
                if key:
                    cutter.forget(min(clip.start_s for clip in left))
        except av.error.FFmpegError as error:
            structlog.get_logger().info("clip.recording_broken", file=path.name, error=str(error))
        for clip in left:
            cutter.cut(clip)
        return cutter.lost


class _Cutter:
    """The packets at hand, and what is cut out of them."""

    def __init__(self, video: VideoInput, name: str, folder: Path, take: Take) -> None:
        stream = video.stream
        self._unit = cast("Fraction", stream.time_base)
        self.stretch = Stretch(
            Form(
                stream.codec_context.name,
                self._unit,
                interval_of(video.fps, self._unit),
                stream,
                reorders=bool(stream.codec_context.has_b_frames),
            )
        )
        self.lost: dict[str, str] = {}
        """Why, by event."""
        self._name, self._folder, self._take = name, folder, take

    @property
    def come_to_s(self) -> float:
        """Time of the last packet, seconds of the recording."""
        packets = self.stretch.packets
        return float(packets[-1].pts * self._unit) if packets else 0.0

    def forget(self, until_s: float) -> None:
        """Let go of what no clip wants any more."""
        self.stretch.trim(max(0.0, self.come_to_s - until_s) + _SPARE_S)

    def cut(self, clip: Wanted) -> None:
        """Cut one, and hand it on."""
        piece = self.stretch.piece(current=False)
        if not piece.packets:
            self._lose(clip, f"{self._name}: nothing of it can be read there")
            return
        piece.base_s = float(piece.packets[0].pts * self._unit)
        path = self._folder / f"{clip.event}.mp4"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lack = cut([piece], clip.start_s, clip.end_s, path, self._name).missing
        except (ClipUnavailable, av.error.FFmpegError) as error:
            self._lose(clip, str(error))
            return
        try:
            self._take(clip, path, lack)
        finally:
            path.unlink(missing_ok=True)

    def _lose(self, clip: Wanted, why: str) -> None:
        structlog.get_logger().warning("clip.missing", event_id=clip.event, file=self._name, reason=why)
        self.lost[clip.event] = why
