"""The health of one camera, as the engine keeps it: frames and silence in, events, alerts and pictures out.

The thin shell around pure parts: what a look measures (`looks`), what is usual (`usual`), what repeats
(`stillness`), what one look says (`findings`), and what lasts (`judgement`). Waits for nothing and
starts no thread; several threads may call it.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from argus.core.frame import Frame
from argus.core.resources.camera import CameraState, HealthSpec
from argus.core.resources.pipeline import AlertSpec, EventType, PipelineSpec
from argus.vision.alerts import Alerts
from argus.vision.events import EventLog, Moment
from argus.vision.health.findings import find
from argus.vision.health.judgement import ILL, Judgement, Step
from argus.vision.health.looks import Look, look_at, look_size
from argus.vision.health.snapshots import HealthPicture, LastGood, small_picture
from argus.vision.health.stillness import Stillness
from argus.vision.health.usual import UNKNOWN, Difference, Usual
from argus.vision.results import Alert, Event

_LEARN_EVERY: Final = 8
"""Looks per lesson once the usual view is known: it changes slowly, and a lesson costs as much as a look."""
_ILL_LOOKS: Final = 3
"""Looks at an ill camera in the time of one: few are ill, and that they are well again shall be told soon."""
_SURELY_LIVE_S: Final = 5.0
"""Stillness up to which a look may teach what is usual: a frozen picture teaches that nothing ever moves."""
_PICTURES_KEPT: Final = 8
_STARTED: Final = {
    "lost": "no picture any more{why}",
    "frozen": "the very same picture again and again",
    "dark": "the picture is black: its mean brightness is {brightness:.0%} of white",
    "covered": "something covers the view: {faded:.0%} of what usually shows detail shows none",
    "blurred": "the picture is blurred: it has {sharpness:.0%} of its usual sharpness",
    "moved": "the camera looks elsewhere: {gone:.0%} of what stands still is not where it was",
}
_ENDED: Final[dict[EventType, str]] = {
    "camera.lost": "pictures come again",
    "camera.frozen": "the picture moves again",
    "camera.dark": "the picture is bright again",
    "camera.covered": "the view is free again",
    "camera.blurred": "the picture is sharp again",
    "camera.moved": "the usual view is back",
}
_BY_COMPARISON: Final[frozenset[EventType]] = frozenset({"camera.covered", "camera.blurred", "camera.moved"})


@dataclass(frozen=True, slots=True)
class HealthChange:
    """What changed since it was last asked."""

    events: tuple[Event, ...] = ()
    alerts: tuple[Alert, ...] = ()
    pictures: tuple[HealthPicture, ...] = ()


_NOTHING: Final = HealthChange()


class HealthMonitor:
    """Watches one camera and says in which state it is. Thread-safe.

    `now_s` is `time.monotonic()` everywhere, `at` the same moment as wall-clock time (UTC). The clock of
    events counts seconds from the first call.
    """

    def __init__(self, spec: HealthSpec, camera: str, *, lost_after_s: float, stream: str = "") -> None:
        """Begin with a camera that nothing is known of.

        Args:
            spec: When it counts as ill.
            camera: Its name, for events.
            lost_after_s: Silence, or vain connecting, after which it is lost.
            stream: Tells runs of it apart; see `EventLog`.
        """
        self._spec = spec
        self._lost_after_s = lost_after_s
        self._lock = threading.Lock()
        self._log = EventLog(camera, stream=stream)
        on = tuple(cast("EventType", f"camera.{state}") for state in sorted(ILL))
        rules = (AlertSpec(on=on, severity=spec.severity),) if spec.severity else ()
        self._rules = Alerts(PipelineSpec(alerts=rules, cooldown=spec.cooldown))
        self._judgement: Judgement | None = None
        self._usual, self._stillness = Usual(), Stillness()
        self._last_good = LastGood()
        self._events: list[Event] = []
        self._alerts: list[Alert] = []
        self._pictures: deque[HealthPicture] = deque(maxlen=_PICTURES_KEPT)
        self._epoch_s = 0.0
        self._look_due_s = self._whole_look_due_s = float("-inf")
        self._look_size = (0, 0)
        self._before: Look | None = None
        self._look: Look | None = None
        self._difference: Difference = UNKNOWN
        self._lesson = 0
        self._seen = False
        self._frame_index = 0
        self._broken = ""
        self._reason = "not connected yet"

    @property
    def state(self) -> CameraState:
        """The camera's state."""
        return "connecting" if self._judgement is None else self._judgement.state

    @property
    def since_s(self) -> float:
        """Since when, in the caller's monotonic seconds; 0 before the first call."""
        return 0.0 if self._judgement is None else self._judgement.since_s

    @property
    def reason(self) -> str:
        """Why it is in that state, in words for people."""
        return self._reason

    def connecting(self, now_s: float, at: datetime) -> None:
        """An attempt to connect begins."""
        with self._lock:
            judgement = self._begun(now_s)
            self._look_due_s = self._whole_look_due_s = float("-inf")
            self._apply(judgement.break_off(now_s), None, now_s, at)
            if judgement.state == "connecting":
                self._reason = f"connecting{self._why()}"

    def frame(self, frame: Frame, now_s: float, at: datetime) -> None:
        """A frame was decoded; to be called for every one, most of which cost next to nothing."""
        judgement = self._judgement
        if now_s < self._look_due_s and judgement is not None and judgement.state != "lost":
            judgement.last_frame_s = now_s  # one store, which needs no lock
            return
        with self._lock:
            judgement = self._begun(now_s)
            self._frame_index = frame.index
            self._broken = ""
            self._apply(judgement.frame(now_s), frame, now_s, at)
            if now_s < self._look_due_s:
                return
            every_s = self._spec.check_every
            self._look_due_s = now_s + every_s
            self._take_a_look(judgement, frame, now_s, at)
            if judgement.state in ILL:  # what this look told included
                self._look_due_s = now_s + every_s / _ILL_LOOKS

    def disconnected(self, now_s: float, at: datetime, reason: str) -> None:
        """The stream broke or could not be opened.

        Args:
            now_s: When.
            at: When.
            reason: Why, in words, without passwords.
        """
        with self._lock:
            self._broken = reason
            judgement = self._begun(now_s)
            self._look_due_s = self._whole_look_due_s = float("-inf")
            self._apply(judgement.break_off(now_s), None, now_s, at)
            if judgement.state == "connecting":
                self._reason = f"connecting{self._why()}"
            elif judgement.state == "lost":
                self._reason = _STARTED["lost"].format(why=self._why())

    def tick(self, now_s: float, at: datetime) -> None:
        """Time passes; to be called a few times a second, frames or not."""
        with self._lock:
            self._apply(self._begun(now_s).wait(now_s), None, now_s, at)

    def take(self) -> HealthChange:
        """Return what changed since the last call, in order."""
        with self._lock:
            if not self._events:
                return _NOTHING
            change = HealthChange(tuple(self._events), tuple(self._alerts), tuple(self._pictures))
            self._events, self._alerts = [], []
            self._pictures.clear()
            return change

    def finish(self) -> tuple[Event, ...]:
        """Return the last state of the open events, which end without a time, and forget them."""
        with self._lock:
            return self._log.close()

    def _begun(self, now_s: float) -> Judgement:
        if self._judgement is None:
            self._epoch_s = now_s
            self._judgement = Judgement(self._spec, self._lost_after_s, now_s)
        return self._judgement

    def _take_a_look(self, judgement: Judgement, frame: Frame, now_s: float, at: datetime) -> None:
        size = (frame.width, frame.height)
        between = now_s < self._whole_look_due_s
        if not between:
            self._whole_look_due_s = now_s + self._spec.check_every
        if self._look is None or self._look.size != size:
            self._forget_the_view(size)
        look = look_at(frame.resized(*self._look_size, "gray"), size)
        alike = self._usual.likeness(look)
        self._difference = UNKNOWN if alike is None else self._usual.compare(look, alike, self._before)
        self._look = look
        if not between:
            self._before = look
        finding = find(look, self._difference, self._spec, judgement.finding)
        news = self._stillness.step(look.grey, now_s, between=between)
        still_since_s = self._stillness.since_s
        step = judgement.look(finding, news, still_since_s, now_s, between=between)
        self._apply(step, frame, now_s, at)
        surely_live = still_since_s is None or now_s - still_since_s < _SURELY_LIVE_S
        if judgement.state == "moved" and 0 < self._spec.settled_after <= now_s - judgement.since_s:
            self._usual.reset()
        if finding != "well" or judgement.state != "online" or not surely_live:
            return
        self._last_good.offer(frame, now_s)
        self._lesson += 1
        if self._lesson % _LEARN_EVERY == 0 or not self._usual.ready:
            self._usual.learn(look, alike, now_s)

    def _forget_the_view(self, size: tuple[int, int]) -> None:
        self._look_size = look_size(*size)
        self._usual.reset()
        self._before = None

    def _apply(self, step: Step | None, frame: Frame | None, now_s: float, at: datetime) -> None:
        if step is None:
            return
        now = Moment(now_s - self._epoch_s, at, self._frame_index)
        since_s = max(step.since_s - self._epoch_s, 0.0)
        ended = self._log.end(step.before, since_s)
        event: Event | None = None
        self._reason = self._words(step)
        if step.after in ILL:
            event = self._log.start(
                step.after,
                now,
                cast("EventType", f"camera.{step.after}"),
                since_s,
                severity=self._spec.severity,
                message=self._reason,
            )
        elif step.after == "online" and (ended is not None or not self._seen):
            self._seen = True
            self._reason = self._recovery(ended, now_s)
            event = self._log.instant(now, "camera.online", now.time_s, message=self._reason)
        changes = self._log.take()
        self._events += changes
        self._alerts += self._rules.step(changes, now.time_s)
        if event is not None:
            after = None if frame is None else small_picture(frame)
            self._pictures.append(
                HealthPicture(event.id, event.type, self._last_good.picture, after, now.time_s, at)
            )

    def _words(self, step: Step) -> str:
        if step.after not in ILL:
            return "pictures come" if step.after == "online" else f"connecting{self._why()}"
        look, difference = self._look, self._difference
        return _STARTED[step.after].format(
            why=self._why(),
            brightness=0.0 if look is None else look.brightness,
            faded=difference.faded,
            sharpness=difference.sharpness,
            gone=difference.gone,
        )

    def _recovery(self, ended: Event | None, now_s: float) -> str:
        if ended is None:
            return "first picture"
        lasted_s = (ended.end_s or ended.start_s) - ended.start_s
        if not self._usual.ready and ended.type in _BY_COMPARISON:
            return f"a new view is taken for the usual one after {lasted_s:.0f} s"
        return f"{_ENDED[ended.type]} after {lasted_s:.0f} s"

    def _why(self) -> str:
        return f": {self._broken}" if self._broken else ""
