"""Which state a camera is in: findings, silence and stillness over time, made into one state.

A state machine over values; time is an argument, nothing is measured, stored or told here. One state
holds at a time: lost before frozen before dark, covered, blurred and moved, before online. Falling ill
takes `ill_for` without a single good look, getting well `well_for` without a single bad one: what
flickers is told once or not at all. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from argus.core.resources.camera import CameraState, HealthSpec
from argus.vision.health.findings import Finding
from argus.vision.health.stillness import News

PICTURE_STATES: Final[frozenset[CameraState]] = frozenset({"dark", "covered", "blurred", "moved"})
"""States that are read from single pictures."""
ILL: Final[frozenset[CameraState]] = PICTURE_STATES | {"lost", "frozen"}

_ABOUT_S: Final = 0.05
"""Seconds that a look may come too soon to say that all is well: frames do not come to the millisecond, and
the next is a fifth of a second away."""
_BACK_S: Final = 0.5
"""Seconds of good pictures after which a lost camera is back at the latest: that they come says enough."""
_FAINT_FOR_S: Final = 2.0
"""Seconds within which faint news must come twice to end a freeze: an encoder's slip comes once."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one state to the next."""

    before: CameraState
    after: CameraState
    since_s: float
    """When what is told began, or when the camera was well again: earlier than the telling."""


class Judgement:
    """The state of one camera."""

    def __init__(self, spec: HealthSpec, lost_after_s: float, now_s: float) -> None:
        """Begin at `now_s`, connecting."""
        self._spec = spec
        self._lost_after_s = lost_after_s
        self.state: CameraState = "connecting"
        self.since_s = now_s
        self.last_frame_s: float | None = None
        """When the last frame came. Settable without ceremony: this is all that most frames do."""
        self._began_s = now_s
        self._flowing_s: float | None = None
        self._finding: Finding = "well"
        self._same_s = self._ill_s = self._well_s = now_s
        self._found: Counter[Finding] = Counter()
        self._still_since_s: float | None = None
        self._stirring_s: float | None = None
        self._moving_s: float | None = None
        self._moves = 0

    @property
    def finding(self) -> Finding:
        """What the last look said."""
        return self._finding

    @property
    def _silent_since_s(self) -> float:
        return self._began_s if self.last_frame_s is None else self.last_frame_s

    def break_off(self, now_s: float) -> Step | None:
        """Frames come no more: the stream broke or is being opened."""
        self._flowing_s = None
        return self.decide(now_s)

    def frame(self, now_s: float) -> Step | None:
        """Take note of a frame."""
        if self._flowing_s is None:
            self._flowing_s = now_s
            # Whatever was found before the break says nothing of what the camera shows now.
            self._same_s = self._ill_s = self._well_s = now_s
            self._finding = "well"
            self._found.clear()
            self._still_since_s = self._stirring_s = self._moving_s = None
        self.last_frame_s = now_s
        return self.decide(now_s)

    def look(
        self,
        finding: Finding,
        news: News,
        still_since_s: float | None,
        now_s: float,
        *,
        between: bool = False,
    ) -> Step | None:
        """Take note of what a look said.

        Args:
            finding: What it said by itself.
            news: Whether it differs from the looks before it.
            still_since_s: When the last news came; None where that says nothing yet.
            now_s: When.
            between: It comes sooner than looks usually do; see `Stillness.step`.
        """
        if finding != self._finding:
            if "well" in (finding, self._finding):
                self._found.clear()
                self._well_s = self._ill_s = now_s
            self._same_s = now_s
        self._finding = finding
        self._found[finding] += 1
        self._still_since_s = None
        # Nothing can be seen to move in the dark or behind a hand: such a picture is not called frozen.
        if still_since_s is not None and finding not in ("dark", "covered"):
            since_s = max(still_since_s, self._flowing_s or 0.0)
            if 0 < self._spec.frozen_after <= now_s - since_s:
                self._still_since_s = since_s
        if self.state == "frozen":
            self._note_moves(news, now_s, between=between)
        return self.decide(now_s)

    def wait(self, now_s: float) -> Step | None:
        """Take note that time passes: a step is due when that makes the camera lost.

        All other steps wait for the next look, so that a picture can be kept with them.
        """
        if now_s - self._silent_since_s < self._lost_after_s:
            return None
        self._flowing_s = None
        return self.decide(now_s)

    def decide(self, now_s: float) -> Step | None:
        """Return the step that is due by now, if any."""
        after, since_s = self._next(now_s)
        if after == self.state:
            return None
        step = Step(self.state, after, since_s)
        self.state, self.since_s = after, since_s
        self._stirring_s, self._moving_s, self._moves = None, None, 0
        return step

    def _note_moves(self, news: News, now_s: float, *, between: bool) -> None:
        if self._moving_s is not None and self._moves == 1 and now_s - self._moving_s > _FAINT_FOR_S:
            self._moving_s, self._moves = None, 0
        if news == "none":
            self._stirring_s = None
            return
        if self._stirring_s is None:
            self._stirring_s = now_s
        if between and news == "faint":
            return  # as such it says no more than since when there is some
        if self._moving_s is None:
            self._moving_s = max(self._stirring_s, now_s - self._spec.check_every)
        self._moves += 2 if news == "plain" else 1

    def _next(self, now_s: float) -> tuple[CameraState, float]:
        state, here = self.state, (self.state, self.since_s)
        if now_s - self._silent_since_s >= self._lost_after_s:
            return here if state == "lost" else ("lost", self._silent_since_s)
        if self._flowing_s is None or self.last_frame_s is None:
            if state == "online":
                return "connecting", now_s
            return here
        if state == "lost":
            well_for_s = self._spec.well_for
            enough_s = min(well_for_s, _BACK_S) if self._finding == "well" else well_for_s
            if self.last_frame_s - self._flowing_s < enough_s:
                return here
            return self._after_an_illness(self._flowing_s, now_s)
        if self._still_since_s is not None and state != "frozen":
            return "frozen", self._still_since_s
        if state == "frozen":
            if self._moving_s is None or self._moves < 2 or not self._well_since(self._moving_s, now_s):
                return here
            return self._after_an_illness(self._moving_s, now_s)
        return self._of_pictures(now_s)

    def _of_pictures(self, now_s: float) -> tuple[CameraState, float]:
        state, spec = self.state, self._spec
        if state not in PICTURE_STATES:
            if self._finding != "well" and now_s - self._ill_s >= spec.ill_for:
                return _state_of(self._found.most_common(1)[0][0]), self._ill_s
            return ("online", now_s) if state == "connecting" else (state, self.since_s)
        if self._finding == "well":
            if self._well_since(self._well_s, now_s):
                return "online", self._well_s
        elif self._finding != state and now_s - self._same_s >= spec.ill_for:
            return _state_of(self._finding), self._same_s
        return state, self.since_s

    def _well_since(self, well_s: float, now_s: float) -> bool:
        """Return whether what has been well since a moment counts as well."""
        return now_s - well_s >= self._spec.well_for - _ABOUT_S

    def _after_an_illness(self, well_s: float, now_s: float) -> tuple[CameraState, float]:
        """Return what follows lost and frozen: online, or at once the illness that is to be seen."""
        waited = now_s - self._ill_s >= min(self._spec.well_for, self._spec.ill_for)
        if self._finding != "well" and waited:
            return _state_of(self._found.most_common(1)[0][0]), max(self._ill_s, well_s)
        return "online", well_s


def _state_of(finding: Finding) -> CameraState:
    return "online" if finding == "well" else finding
