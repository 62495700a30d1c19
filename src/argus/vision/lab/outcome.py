"""What one fault of the lab led to, and whether that was as promised. How it is found out is `trial`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Self

from argus.core.resources.camera import CameraState
from argus.vision.lab.faults import CameraKind, Fault

RESUMED_S: Final = 2.0
"""Seconds after the stream is back by which the camera must be looked at again."""
FELT: Final = 0.10
"""Part by which the 95th percentile of the neighbours' ages may rise."""
STARVED: Final = 0.25
"""Part of its results per second that none of them may lose: on a machine that has all to do, what comes of
one camera varies by a tenth."""


@dataclass(frozen=True, slots=True)
class Span:
    """What came of the neighbours within some time."""

    lasted_s: float
    ages_s: Sequence[Sequence[float]]
    """By neighbour, how old its results were when they came."""

    @classmethod
    def together(cls, spans: Sequence[Span]) -> Self:
        """Return several as if they were one time."""
        ages_s = [list(chain(*ages)) for ages in zip(*(span.ages_s for span in spans), strict=True)]
        return cls(sum(span.lasted_s for span in spans), ages_s)

    def rise_over(self, other: Span) -> float | None:
        """Return by what part the 95th percentile of all ages is higher; None without results in both."""
        ours, others = list(chain(*self.ages_s)), list(chain(*other.ages_s))
        return _p95(ours) / _p95(others) - 1.0 if ours and others else None

    def worst_rise_over(self, other: Span) -> float | None:
        """Return the same of the neighbour that rose most, of those with results in both; None: none."""
        both = [(a, b) for a, b in zip(self.ages_s, other.ages_s, strict=True) if a and b]
        return max((_p95(a) / _p95(b) - 1.0 for a, b in both), default=None)

    def worst_rate_over(self, other: Span) -> float | None:
        """Return by what part the results per second changed of the neighbour that lost most: -1 is silence.

        None where there is no time to compare, or nobody had results.
        """
        if not self.lasted_s or not other.lasted_s:
            return None
        both = [(len(a), len(b)) for a, b in zip(self.ages_s, other.ages_s, strict=True) if b]
        ours = [other.lasted_s / self.lasted_s * a / b - 1.0 for a, b in both]
        return min(ours, default=None)


class Telling:
    """What is told of the camera while it fails."""

    def __init__(self, fault: Fault, before: CameraState) -> None:
        """Begin with what was told of it before it failed: that says nothing of the fault."""
        self._expect = fault.expect
        self._old = before == fault.expect
        self.told: CameraState = "online"
        """What it should be, once that was told; until then the first that was not `online`."""
        self.seen_s: float | None = None
        """When it was told as what it is."""

    def hear(self, state: CameraState, now_s: float) -> None:
        """Take the state of this moment."""
        if state not in {"online", "connecting"} and (self.told == "online" or state == self._expect):
            self.told = state
        if state != self._expect:
            self._old = False
        elif self.seen_s is None and not self._old:
            self.seen_s = now_s


@dataclass(frozen=True, slots=True)
class Try:
    """One time that the camera failed so."""

    told: CameraState
    """The state that was told while it lasted; see `Telling`."""
    detect_s: float | None
    """Seconds until it was told as what it is, None if never, or if it was told so before already; where
    nothing must be told, until the first frame that was looked at, None if something was told or no frame
    came."""
    recover_s: float | None
    """Seconds after it was healed until the camera was online and looked at again; None: not in time."""
    before: Span
    """While nothing was wrong yet."""
    during: Span
    after: Span

    def in_time(self, fault: Fault) -> bool:
        """Return whether it was told, and the camera back, as soon as promised."""
        told = self.detect_s is not None and self.detect_s <= fault.within_s
        return told and self.recover_s is not None and self.recover_s <= RESUMED_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault led to, tried once or more often."""

    fault: Fault
    kind: CameraKind
    tries: int
    tries_in_time: int
    """Those in which it was told, and the camera back, as soon as promised."""
    told: CameraState
    """As in the first try that was not in time, or in the last."""
    detect_s: float | None
    """The most of all tries; None where one has none."""
    recover_s: float | None
    """Likewise."""
    neighbours: int
    neighbours_p95_change: float | None
    """Of the ages of their results while the fault lasted, against before and after; 0.05 is 5 % more. None
    without results to compare."""
    worst_neighbour_change: float | None
    """The same of the one that felt it most."""
    worst_without_fault: float | None
    """The same of the one that changed most from before to after, which no fault did: how far chance goes."""
    worst_rate_change: float | None
    """Of the results per second of the one that lost most; -0.05 is 5 % less. Results that were too old never
    come, and so have no age."""

    @classmethod
    def of(cls, fault: Fault, kind: CameraKind, tries: Sequence[Try]) -> Self:
        """Return what one or more tries come to; what neighbours felt is of all their results together."""
        late = [one for one in tries if not one.in_time(fault)]
        detect_s, recover_s = [one.detect_s for one in tries], [one.recover_s for one in tries]
        before = Span.together([one.before for one in tries])
        during = Span.together([one.during for one in tries])
        after = Span.together([one.after for one in tries])
        usual = Span.together([before, after])
        return cls(
            fault=fault,
            kind=kind,
            tries=len(tries),
            tries_in_time=len(tries) - len(late),
            told=(late[0] if late else tries[-1]).told,
            detect_s=_most(detect_s),
            recover_s=_most(recover_s),
            neighbours=len(during.ages_s),
            neighbours_p95_change=during.rise_over(usual),
            worst_neighbour_change=during.worst_rise_over(usual),
            worst_without_fault=after.worst_rise_over(before),
            worst_rate_change=during.worst_rate_over(usual),
        )

    @property
    def detected(self) -> bool:
        """Whether it was told, each time; where nothing must be told, frames went on and nothing was."""
        return self.detect_s is not None

    @property
    def recovered(self) -> bool:
        """Whether the camera was online and looked at again after it was healed, each time."""
        return self.recover_s is not None

    @property
    def kept(self) -> bool:
        """Whether all of it was as promised, each time."""
        if self.tries_in_time < self.tries:
            return False
        if not self.neighbours:
            return True
        older, fewer = self.neighbours_p95_change, self.worst_rate_change
        return older is not None and older <= FELT and fewer is not None and fewer >= -STARVED

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""

        def rounded(value: float | None) -> float | None:
            return None if value is None else round(value, 3)

        return {
            "fault": self.fault.name,
            "camera": self.kind,
            "tries": self.tries,
            "tries_in_time": self.tries_in_time,
            "expected": self.fault.expect,
            "told": self.told,
            "detected": self.detected,
            "detect_s": rounded(self.detect_s),
            "recovered": self.recovered,
            "recover_s": rounded(self.recover_s),
            "neighbours_p95_change": rounded(self.neighbours_p95_change),
            "worst_neighbour_change": rounded(self.worst_neighbour_change),
            "worst_without_fault": rounded(self.worst_without_fault),
            "worst_rate_change": rounded(self.worst_rate_change),
            "kept": self.kept,
        }


def _most(seconds: Sequence[float | None]) -> float | None:
    """Return the most, or None where one is."""
    known = [value for value in seconds if value is not None]
    return max(known) if len(known) == len(seconds) else None


def _p95(ages_s: Sequence[float]) -> float:
    return sorted(ages_s)[int(0.95 * (len(ages_s) - 1))]
