"""From packets to pictures: decode what is wanted and can be decoded, count the rest.

Threads, sockets and files are not seen here: `files` and `streams` bring the packets. Which of them
need not be decoded says `skipping`.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

import av
import av.error

from argus.core.frame import Picture
from argus.vision.pictures import PlanarPicture
from argus.vision.sources.bitstream import Role, RoleOf, role_reader
from argus.vision.sources.containers import VideoInput, fact_of
from argus.vision.sources.groups import BLIND_S, Groups
from argus.vision.sources.hardware import DevicePicture
from argus.vision.sources.protocol import SourceCounters
from argus.vision.sources.reading import Shot, note_fact, note_problem
from argus.vision.sources.skipping import PacketPlan, Step
from argus.vision.sources.tapping import PacketTap, VideoPacket
from argus.vision.sources.timing import Clock, lead_s

_GIVE_UP: Final = 20
"""Damaged places in a row, with no packet between them, after which the rest is given up."""

_ON_A_DAMAGED_KEY: Final = "pictures after a damaged key frame were left out, up to the next key frame"

_IN_FLIGHT: Final = 256
"""Packets whose arrival is remembered until their picture comes out."""


class Arrival(NamedTuple):
    """A packet of a live stream, and when it came."""

    packet: VideoPacket
    received_s: float
    """`time.monotonic()`."""
    captured_at: datetime
    lost: int = 0
    """How many before it were dropped."""


class Decoder:
    """Decodes the packets of one video stream, in order. One thread at a time."""

    def __init__(
        self,
        video: VideoInput,
        counters: SourceCounters,
        clock: Clock,
        wall: Callable[[float], datetime],
        *,
        threads: Literal["AUTO", "SLICE"],
        fps: float | None = None,
        passed: int = 0,
        tap: PacketTap | None = None,
        blind_s: float = BLIND_S,
    ) -> None:
        """Prepare the codec; it opens with the first packet.

        Args:
            video: Where the packets come from.
            counters: Damaged packets and pictures, and packets left out, are counted here.
            clock: Gives each picture its time.
            wall: The capture time (UTC) of the picture at a time of the source, unless it arrived live.
            threads: AUTO decodes several pictures at once and is some pictures late, SLICE is never late.
            fps: Pictures per second that are enough; more may come. None decodes all.
            passed: How many were left out already before the first, at the end of a round before.
            tap: Hears which time each picture was given.
            blind_s: For so long at most nothing is shown after a damaged key frame.
        """
        self._tap = tap
        self._codec = video.stream.codec_context
        self._codec.thread_type = threads
        if threads == "SLICE" and self._codec.name == "h264":
            # With several threads for slices FFmpeg notices no damage in them, and says that all is well.
            self._codec.thread_count = 1
        # Frames that come at the end, without a packet, know their stamp but not its unit.
        self._unit_s = float(video.stream.time_base or 0)
        self._counters = counters
        self._clock = clock
        self._wall = wall
        self._source_fps = video.fps
        self._stamped_as_sent = _stamped_as_sent(video)
        self._held_back: int | None = None
        # Which picture is shown when is not known there before it comes out, so none is left out.
        self._role_of = None if self._stamped_as_sent else _role_of(video)
        self._plan: PacketPlan[VideoPacket] = PacketPlan(
            fps, lead_s(fps, video.fps), reorders=bool(self._codec.has_b_frames)
        )
        self._groups = Groups(self._unit_s, blind_s)
        self._left_out: list[int] = []  # stamps, sorted, of pictures that will not come
        self._lost = passed
        self._arrivals: dict[int | None, Arrival] = {}
        self._latest: Arrival | None = None

    @property
    def passed(self) -> int:
        """How many were left out since the last picture came out."""
        return self._lost + len(self._left_out)

    def set_fps(self, fps: float | None) -> None:
        """Decode what so many pictures per second need, from the next packet on."""
        self._plan.retarget(fps, lead_s(fps, self._source_fps))

    def shots(self, packet: VideoPacket, arrival: Arrival | None = None) -> list[Shot]:
        """Return the pictures that became ready with this packet, damaged ones left out.

        Args:
            packet: The next; an empty one, the last of a container, asks for what the codec still holds.
            arrival: When it came, for a live stream.
        """
        if arrival is not None:
            self._note_arrival(arrival)
        if not packet.size:
            self._leave_out(self._plan.reset())
            shots = self._decoded(None)
            self._count_lost(ended=True)
            if self._left_out:  # a film lasts to its last picture, wanted or not
                self._clock.time_s(self._left_out[-1] * self._unit_s)
            return shots
        step = self._step(packet)
        self._leave_out(step.left_out)
        shots = [shot for each in step.feed for shot in self._decoded(each)]
        if step.drain:
            shots += self._decoded(None)
            self._codec.flush_buffers()
        self._count_lost(ended=step.drain)
        return shots

    def _step(self, packet: VideoPacket) -> Step[VideoPacket]:
        if self._role_of is None:
            return Step([packet])
        time_s = None if packet.pts is None else self._clock.expected_s(packet.pts * self._unit_s)
        role = self._role_of(memoryview(packet)) if time_s is not None else Role.REFERENCE
        return self._plan.next(packet, role, time_s)

    def _note_arrival(self, arrival: Arrival) -> None:
        self._latest = arrival
        self._arrivals[arrival.packet.pts] = arrival
        if len(self._arrivals) > _IN_FLIGHT:
            del self._arrivals[next(iter(self._arrivals))]
        if arrival.lost:
            self._leave_out(self._plan.reset())
            self._counters.skipped += arrival.lost
            self._lost += arrival.lost
            self._codec.flush_buffers()
            self._groups.forget()

    def _leave_out(self, packets: Sequence[VideoPacket]) -> None:
        self._counters.skipped += len(packets)
        for packet in packets:
            self._arrivals.pop(packet.pts, None)
            if packet.pts is None:
                self._lost += 1
            else:
                insort(self._left_out, packet.pts)

    def _decoded(self, packet: VideoPacket | None) -> list[Shot]:
        if packet is not None:
            self._groups.feed(packet.pts, key=packet.is_keyframe or self._is_entry(packet))
        try:
            frames = self._codec.decode(packet)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, MemoryError) as error:
            self._plan.failed()
            self._groups.failed()
            note_problem(self._counters, f"a packet cannot be decoded ({fact_of(error)})")
            return []
        return [shot for frame in frames if (shot := self._shot(frame)) is not None]

    def _is_entry(self, packet: VideoPacket) -> bool:
        """Return whether a packet is a key frame that is not marked as one, as damaged ones may not be."""
        return self._role_of is not None and self._role_of(memoryview(packet)) is Role.ENTRY

    def _count_lost(self, *, ended: bool) -> None:
        lost = self._groups.take_lost(ended=ended)
        if lost:
            self._counters.corrupt += lost
            note_fact(self._counters, _ON_A_DAMAGED_KEY)

    def _shot(self, frame: av.VideoFrame) -> Shot | None:
        arrival = self._arrivals.pop(frame.pts, self._latest)
        if not self._groups.came(frame.pts, key=bool(frame.key_frame), corrupt=frame.is_corrupt):
            self._plan.failed()
            errors = "a picture was decoded with errors and left out"
            note_problem(self._counters, errors if frame.is_corrupt else _ON_A_DAMAGED_KEY)
            return None
        stamp = self._stamp_of(frame)
        stamp_s = None if stamp is None else stamp * self._unit_s
        passed, self._lost = self._lost, 0
        if self._left_out:
            before = bisect_right(self._left_out, frame.pts) if frame.pts is not None else len(self._left_out)
            del self._left_out[:before]
            passed += before
        picture: Picture = DevicePicture(frame) if frame.format.name == "cuda" else PlanarPicture(frame)
        received_s = None if arrival is None else arrival.received_s
        time_s = self._clock.time_s(stamp_s, received_s)
        if self._tap is not None and stamp is not None:
            self._tap.timed(stamp, time_s)
        if arrival is None:
            return Shot(picture, time_s, self._wall(time_s), passed=passed)
        return Shot(picture, time_s, arrival.captured_at, received_s=received_s, passed=passed)

    def _stamp_of(self, frame: av.VideoFrame) -> int | None:
        """Return at which stamp a picture is shown; None where nothing says it."""
        if not self._stamped_as_sent:
            return frame.pts
        if frame.pts is None or frame.dts is None:  # as of those that the codec holds at the end
            return None
        # `dts` is of the packet with which the picture came out, as evenly as pictures are shown.
        if self._held_back is None:
            self._held_back = frame.dts - frame.pts
        return frame.dts - self._held_back


def _stamped_as_sent(video: VideoInput) -> bool:
    """Return whether packets are stamped in the order of sending, and pictures shown in another."""
    return video.container.format.name == "avi" and bool(video.stream.codec_context.has_b_frames)


def _role_of(video: VideoInput) -> RoleOf | None:
    codec = video.stream.codec_context
    # Two fields of one picture come in packets of their own, and one of them alone may be disposable.
    if codec.field_order not in {_UNKNOWN, _PROGRESSIVE}:
        return None
    return role_reader(codec.name, intra_only=codec.codec.intra_only, extradata=codec.extradata)


_UNKNOWN, _PROGRESSIVE = 0, 1  # AVFieldOrder


def packets(video: VideoInput, counters: SourceCounters) -> Iterator[VideoPacket]:
    """Yield the packets of a file, the empty last one too; a damaged place is counted and passed over."""
    damaged = 0
    while damaged < _GIVE_UP:
        try:
            for packet in video.container.demux(video.stream):
                damaged = 0
                yield packet
        except (av.error.InvalidDataError, av.error.PatchWelcomeError) as error:
            damaged += 1
            note_problem(counters, f"the container is damaged ({fact_of(error)})")
        else:
            return
