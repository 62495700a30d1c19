"""When a pipeline gives something up because its promises are not kept, and when it takes it back.

A pure state machine over measured loads, the time among them: nothing is measured here and nothing is
switched. What the steps are is the user's `degrade`; the ladder walks them in that order, one at a time.

What is promised. Always freshness: results are there within `max_age`. A rate only where the pipeline has
declared one (`fps`). Without it the camera sends what it likes, the newest-frame mailbox lets go what is
overtaken, and frames left out between two fresh ones are how freshness is kept, not a promise broken. Where
nothing at all comes out while frames are let go, freshness is broken too, although nothing has an age.

Up and down are not alike. Down goes by evidence: a promise was broken for `worse_for_s`. Up is a guess, for
the load above is not known before one is there: it is tried after ample room for `better_for_s`, and where
that did not last, the next attempt at the same rung waits twice as long (as Ethernet does after a collision).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from argus.core.errors import SpecError
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import DegradeSpec

DROPPED_AT_MOST: Final = 0.1
"""Share of the frames of a declared rate that may go unseen. Cameras and networks deliver in bursts, of which
a mailbox for one frame loses some on a machine that is idle; a tenth is more than that, and less than what
costs a tracker its objects."""
_AMPLE_AGE: Final = 0.5
"""Share of `max_age` within which results must be before more is tried."""
_AMPLE_DROPPED: Final = 0.02
_SETTLED: Final = 6.0
"""A rung that holds for so many times `better_for_s` after it was climbed has proven itself."""
_MOST_PATIENCE: Final = 32.0
"""Times `better_for_s` that are waited at most."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a pipeline fared over a short window: a second or two, less than the ladder's `worse_for_s`."""

    now_s: float
    """`time.monotonic()` at the end of the window."""
    p95_age_s: float
    """Age of frames when their result was there, 95th percentile; 0 where there was none."""
    dropped_share: float
    """Frames let go (stale or full) out of those offered at the pipeline's rate and let through by its gate,
    0..1; 0 where there was none."""
    processed: int
    """Frames whose result was there."""


@dataclass(frozen=True, slots=True)
class Rung:
    """All that is in force on one rung."""

    index: int = 0
    """0 is full service; each step down adds 1."""
    title: str = "full service"
    """What was given up last: `5 fps`, `320x320`, `model light`, `motion only`."""
    fps: float | None = None
    """Frames per second at most; None: as the camera says."""
    input_size: tuple[int, int] | None = None
    """Width and height that the model sees; None: its own."""
    model: str | ModelSpec | None = None
    """The lighter model; None: the pipeline's own."""
    motion_only: bool = False
    """No model, only what moves."""

    @property
    def replaces_model(self) -> bool:
        """True where something else looks than the pipeline's own model."""
        return self.motion_only or self.model is not None

    @property
    def looks_otherwise(self) -> bool:
        """True where what is seen is not what the pipeline's own model sees in full service."""
        return self.replaces_model or self.input_size is not None


def rungs_of(steps: Sequence[DegradeSpec], fps: float | None = None) -> tuple[Rung, ...]:
    """Return full service and, after it, what is in force after each step.

    What was given up stays so further down; a lighter model though has an input size of its own.

    Args:
        steps: From the first to be given up to the last.
        fps: The pipeline's own rate; None where it has none.

    Raises:
        SpecError: a step gives nothing up beyond those before it.
    """
    rungs = [Rung(fps=fps)]
    for number, step in enumerate(steps, 1):
        last = rungs[-1]
        place = f"degrade, step {number}"
        if step.fps is not None:
            if last.fps is not None and step.fps >= last.fps:
                raise SpecError(
                    f"{place}: {step.fps:g} fps gives nothing up where {last.fps:g} fps are in force: "
                    "lower it, or take the step out"
                )
            rung = replace(last, title=f"{step.fps:g} fps", fps=step.fps)
        elif last.motion_only:
            raise SpecError(
                f"{place}: after `motion_only` there is no model left to lighten: put it before that step"
            )
        elif step.input_size is not None:
            width, height = step.input_size
            rung = replace(last, title=f"{width}x{height}", input_size=step.input_size)
        elif step.model is not None:
            path = step.model if isinstance(step.model, str) else step.model.path
            rung = replace(last, title=f"model {PurePath(path).name}", model=step.model, input_size=None)
        else:
            rung = replace(last, title="motion only", motion_only=True, model=None, input_size=None)
        rungs.append(replace(rung, index=number))
    return tuple(rungs)


class Ladder:
    """Walks the rungs, never past one. For one thread.

    Tell it the load a few times a second while the rung it named is in force, and not while a model is still
    being loaded for it.
    """

    def __init__(
        self,
        steps: Sequence[DegradeSpec],
        *,
        max_age_s: float,
        fps: float | None = None,
        worse_for_s: float = 5.0,
        better_for_s: float = 20.0,
    ) -> None:
        """Begin with full service.

        Args:
            steps: What is given up, in this order.
            max_age_s: How old a result may be, in seconds.
            fps: The rate that the pipeline declares, which is then promised; None promises freshness alone.
            worse_for_s: Seconds of broken promises before a step down. Higher bears longer bursts; lower is
                sooner itself again.
            better_for_s: Seconds of ample room before a step up. Higher tries less often in vain; lower has
                full service back sooner.

        Raises:
            SpecError: a step gives nothing up beyond those before it.
        """
        self.rungs = rungs_of(steps, fps)
        """From full service down, without steps that could not be taken of late."""
        self._declared = self._steps = tuple(steps)
        self._fps = fps
        self._whole_again_s: float | None = None
        """When steps that were left out are tried again; None where none was."""
        self.reason = ""
        """Why the rung changed last, in words; empty before it ever did."""
        self._max_age_s = max_age_s
        self._rate_promised = fps is not None
        self._worse_for_s = worse_for_s
        self._better_for_s = better_for_s
        self._index = 0
        self._before = (0, "")
        """Where it stood before the last change, and why."""
        self._patience_s = [better_for_s] * len(self.rungs)
        """Seconds of ample room before each rung is climbed to."""
        self._climbed_s: list[float | None] = [None] * len(self.rungs)
        """When each rung was climbed to; None once it has proven itself."""
        self._seen_s: float | None = None
        self._processed_s: float | None = None
        self._broken_for_s = 0.0
        self._ample_for_s = 0.0

    @property
    def rung(self) -> Rung:
        """What should be in force now."""
        return self.rungs[self._index]

    def observe(self, load: Load) -> Rung | None:
        """Take note of a load; return the new rung where it changes, else None."""
        if self._whole_again_s is not None and not self._index and load.now_s >= self._whole_again_s:
            self._be_whole()
        if len(self.rungs) == 1:
            return None
        passed_s = self._passed_s(load)
        fault = self._fault(load)
        if fault:
            self._broken_for_s += passed_s
            self._ample_for_s = 0.0
        else:
            # Not to zero: what is broken every other second is broken, only more slowly.
            self._broken_for_s = max(0.0, self._broken_for_s - passed_s)
            if load.processed:  # where nothing was looked at, nothing shows that there is room
                ample = passed_s if self._ample(load) else -passed_s
                self._ample_for_s = max(0.0, self._ample_for_s + ample)
        self._settle(load.now_s)
        if fault and self._broken_for_s >= self._worse_for_s and self._index + 1 < len(self.rungs):
            return self._step_down(load.now_s, fault)
        if self._index and self._ample_for_s >= self._patience_s[self._index - 1]:
            return self._step_up(load)
        return None

    def refused(self) -> None:
        """Stand again where it stood, for the rung that was named last cannot be put in force.

        A step down that cannot be taken is left out, and those after it do without what it would have
        brought; once in full service it is tried again, after as long as a climb waits at most. A rung that
        cannot be climbed to is tried again like one that did not last.
        """
        refused = self._index
        self._index, self.reason = self._before
        if refused > self._index:
            self._steps = self._steps[: refused - 1] + self._steps[refused:]
            self.rungs = rungs_of(self._steps, self._fps)
            del self._patience_s[refused], self._climbed_s[refused]
            self._whole_again_s = (self._seen_s or 0.0) + _MOST_PATIENCE * self._better_for_s
        elif refused < self._index:
            self._wait_longer(refused)

    def _be_whole(self) -> None:
        """Take in again what was left out; for who stands in full service."""
        self._steps = self._declared
        self.rungs = rungs_of(self._steps, self._fps)
        self._patience_s = [self._better_for_s] * len(self.rungs)
        self._climbed_s = [None] * len(self.rungs)
        self._whole_again_s = None

    def _passed_s(self, load: Load) -> float:
        """Return the seconds that this load speaks for: none the first time, few where nobody looked long."""
        before_s = load.now_s if self._seen_s is None else self._seen_s
        self._seen_s = load.now_s
        if load.processed or self._processed_s is None:
            self._processed_s = load.now_s
        return min(max(load.now_s - before_s, 0.0), self._worse_for_s / 2)

    def _fault(self, load: Load) -> str:
        """Return which promise is broken, in words; nothing where all are kept."""
        assert self._processed_s is not None
        if load.processed and load.p95_age_s > self._max_age_s:
            return f"results are {load.p95_age_s:.2f} s old, at most {self._max_age_s:g} s is promised"
        silent_s = load.now_s - self._processed_s
        if not load.processed and load.dropped_share > 0 and silent_s > self._max_age_s:
            return f"nothing was looked at for {silent_s:.1f} s, though frames came"
        if self._rate_promised and load.dropped_share > DROPPED_AT_MOST:
            return f"{load.dropped_share:.0%} of the frames at {self.rung.fps:g} fps were not looked at"
        return ""

    def _ample(self, load: Load) -> bool:
        in_time = load.p95_age_s <= _AMPLE_AGE * self._max_age_s
        return in_time and not (self._rate_promised and load.dropped_share > _AMPLE_DROPPED)

    def _settle(self, now_s: float) -> None:
        """Forget the failures of a rung that has long held since it was climbed to, and of those below."""
        climbed_s = self._climbed_s[self._index]
        if climbed_s is not None and now_s - climbed_s >= _SETTLED * self._better_for_s:
            for index in range(self._index, len(self.rungs)):
                self._patience_s[index] = self._better_for_s
                self._climbed_s[index] = None

    def _step_down(self, now_s: float, fault: str) -> Rung:
        if self._climbed_s[self._index] is not None:
            self._wait_longer(self._index)
        return self._change(self._index + 1, fault)

    def _step_up(self, load: Load) -> Rung:
        self._climbed_s[self._index - 1] = load.now_s
        waited_s = self._patience_s[self._index - 1]
        return self._change(
            self._index - 1, f"results are {load.p95_age_s:.2f} s old, with room to spare for {waited_s:g} s"
        )

    def _wait_longer(self, index: int) -> None:
        """Take twice as long before the next attempt to climb to a rung."""
        most = _MOST_PATIENCE * self._better_for_s
        self._patience_s[index] = min(2 * self._patience_s[index], most)
        self._climbed_s[index] = None

    def _change(self, index: int, reason: str) -> Rung:
        self._before = (self._index, self.reason)
        self._index, self.reason = index, reason
        # What was measured before the change says nothing of the rung after it.
        self._broken_for_s = self._ample_for_s = 0.0
        return self.rung
