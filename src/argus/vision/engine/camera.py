"""One camera of an engine: what its stream brings goes to its health and to its pipelines.

The stream, with its thread, is `argus.vision.sources.shared`; feeds are `feed`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from argus.core.errors import SourceError
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.urls import mask_urls
from argus.vision.engine.feed import Feed
from argus.vision.engine.notices import Notice, Tell
from argus.vision.health import HealthMonitor
from argus.vision.results import Event
from argus.vision.sources.protocol import SourceInfo

_USUAL_S: Final = 0.04
"""What lies between two frames where nothing says it."""
_SLOW: Final = 3.0
"""Frames that must be missing before a camera with a very low rate counts as silent."""


class EngineCamera:
    """Reads a shared stream for the pipelines of one camera; see `StreamReader`."""

    def __init__(
        self,
        name: str,
        spec: CameraSpec,
        *,
        live: bool,
        tell: Tell,
        stream: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without frames.

        Args:
            name: Stands in every frame and event.
            spec: Rate and health.
            live: False for a recording, which has no health.
            tell: Hears of what changed.
            stream: Tells this run from others in the ids of events.
            clock: Monotonic seconds.
        """
        self.name = name
        self.spec = spec
        self.health = (
            HealthMonitor(spec.health, name, lost_after_s=spec.lost_after, stream=stream) if live else None
        )
        self.info: SourceInfo | None = None
        self.latest: Frame | None = None
        self.shift_s = 0.0
        """Seconds by which its frames are later than the stream's own, which began after them."""
        self.decoded = 0
        self.corrupted = 0
        self.error: SourceError | None = None
        """What broke it off last; None while it is open, and after a recording was played to its end."""
        self.over = threading.Event()
        """Set when no frame will come any more."""
        self.ended_s = 0.0
        """Since when that is so, by the clock."""
        self.opened = threading.Event()
        """Set when the first opening has succeeded or failed for good."""
        self._failures = 0
        self._decoded_before = 0
        self._shift_index = 0
        self._after: Frame | None = None
        self._feeds: tuple[Feed, ...] = ()
        self._attached = threading.Condition()
        self._finished = False
        self._tell = tell
        self._clock = clock
        self._telling = threading.Lock()

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Those of its pipelines."""
        return self._feeds

    def take_over(self, before: EngineCamera) -> None:
        """Let its frames come after those of the camera whose place it takes; it may have had none."""
        self._after = before.latest or before._after

    @property
    def given_up(self) -> bool:
        """True where no frame will come any more, though it is no recording that was played to its end."""
        return self.over.is_set() and self.error is not None

    @property
    def retries(self) -> int:
        """How often it was called again since its last picture, in vain."""
        return max(0, self._failures - 1) if self.decoded == self._decoded_before else 0

    @property
    def why_given_up(self) -> str:
        """What is said of a camera that was given up: after how many attempts, and why."""
        tried = f" after {self.retries} {'retry' if self.retries == 1 else 'retries'}" if self.retries else ""
        return f"given up{tried}: {mask_urls(str(self.error))}"

    @property
    def fps(self) -> float | None:
        """Frames per second that are enough: as many as its most demanding pipeline or its health wants."""
        wanted = [feed.fps for feed in self._feeds]
        if None in wanted or (self.health is None and not wanted):
            return None
        looks = 0.0 if self.health is None else 1.0 / self.spec.health.check_every
        most = max([looks, *(f for f in wanted if f is not None)])
        return most or 1.0

    def attach(self, feed: Feed) -> None:
        """Let one more pipeline have the frames."""
        with self._attached:
            self._feeds = (*self._feeds, feed)
            self._attached.notify_all()
            if self.over.is_set():
                feed.complete()
            else:
                feed.resume()  # the camera that it looked at before may be over

    def detach(self, feed: Feed) -> None:
        """Let a pipeline have them no longer."""
        with self._attached:
            self._feeds = tuple(f for f in self._feeds if f is not feed)

    def connecting(self) -> None:
        """Hear that the stream is being opened, perhaps after it had been given up."""
        with self._attached:
            if self.over.is_set() and not self._finished:
                self.over.clear()
                for feed in self._feeds:
                    feed.resume()
        if self.health is not None:
            self.health.connecting(self._clock(), datetime.now(UTC))
            self.speak()

    def online(self, info: SourceInfo) -> None:
        """Hear that it is open."""
        self.info, self.error = info, None
        self.opened.set()

    def frame(self, frame: Frame) -> None:
        """Hand a frame to health and pipelines. A recording waits until there is a pipeline to have it."""
        if self.health is None:
            with self._attached:
                self._attached.wait_for(lambda: self._feeds or self._finished)
        if self._after is not None:
            self._follow(self._after, frame)
        frame = Frame(
            frame.picture,
            self.name,
            frame.index + self._shift_index,
            frame.time_s + self.shift_s,
            frame.captured_at,
            frame.file,
            frame.received_s,
        )
        self.decoded += 1
        self.latest, self._after = frame, None
        if self.health is not None:
            try:
                self.health.frame(frame, self._clock(), frame.captured_at)
            except Exception:  # noqa: BLE001 - a picture that cannot be judged is still one to be looked at
                structlog.get_logger().exception("camera.not_judged", camera=self.name)
            self.speak()
        for feed in self._feeds:
            feed.offer(frame)

    def corrupt(self, count: int) -> None:
        """Count frames that could not be decoded."""
        self.decoded += count
        self.corrupted += count
        for feed in self._feeds:
            feed.corrupt(count)

    def disconnected(self, error: SourceError, retry_in_s: float | None) -> None:
        """Hear that the stream broke off."""
        if self.decoded != self._decoded_before:
            self._decoded_before, self._failures = self.decoded, 0
        self._failures += 1
        self.error = error
        if self.health is not None:
            self.health.disconnected(self._clock(), datetime.now(UTC), str(error))
            self.speak()

    def ended(self, error: SourceError | None) -> None:
        """Hear that no frame will come any more."""
        self.error, self.ended_s = error, self._clock()
        if error is None and self.health is not None and not self._finished:
            # A recording that was played to its end: it is neither lost nor ill any more.
            self._tell_open(self.health.finish())
        elif error is not None and self.health is not None:
            self.health.disconnected(self._clock(), datetime.now(UTC), str(error))
            self.speak()
        with self._attached:
            self.over.set()
            self.opened.set()
            if not self._finished:  # else they look at the one that took its place
                for feed in self._feeds:
                    feed.complete()

    def tick(self) -> None:
        """Let time pass, a few times a second."""
        if self.health is not None and not (self.over.is_set() and self.error is None):
            self.health.tick(self._clock(), datetime.now(UTC))
            self.speak()

    def while_given_up(self, do: Callable[[str], None]) -> None:
        """Do something about it, told why, if it was given up: it is not opened again meanwhile."""
        with self._attached:
            if self.given_up:
                do(f"camera {self.name} was {self.why_given_up}")

    def finish(self) -> None:
        """Tell the end of what is still open, and keep no recording waiting."""
        with self._attached:
            self._finished = True
            self._attached.notify_all()
        if self.health is not None:
            self._tell_open(self.health.finish())
        self.over.set()  # who waits for it waits no longer

    def _follow(self, before: Frame, first: Frame) -> None:
        """Let the frames come after those of the camera before: whoever counts seconds goes on."""
        waited_s = _USUAL_S
        if before.received_s is not None and first.received_s is not None:
            waited_s = max(waited_s, first.received_s - before.received_s)
        self.shift_s = max(0.0, before.time_s + waited_s - first.time_s)
        self._shift_index = max(0, before.index + 1 - first.index)

    def _tell_open(self, events: tuple[Event, ...]) -> None:
        if events:
            self._tell(Notice(self.name, events))

    def speak(self) -> None:
        """Tell what changed, until it is finished. One thread at a time, so that all is told in order."""
        if self.health is None:
            return
        with self._telling:
            if self._finished:  # what began now would be ended by nobody
                return
            change = self.health.take()
            if change.events or change.alerts or change.pictures:
                self._tell(Notice(self.name, change.events, change.alerts, change.pictures))
