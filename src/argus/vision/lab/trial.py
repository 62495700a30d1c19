"""The lab's trial: an engine watches many cameras, one of them fails in every way, and all is timed.

Says what was told of the bad camera and when, whether it came back, and what its neighbours felt.
Nothing is judged by looking inside: states and results are those that any listener gets.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.camera import CameraSpec, CameraState
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.lab.faults import FAULTS, LOST_AFTER_S, CameraKind, Fault, fault_named
from argus.vision.lab.outcome import RESUMED_S, Outcome, Span, Telling, Try
from argus.vision.lab.protocol import LabCamera
from argus.vision.lab.rtsp_camera import RtspCamera
from argus.vision.lab.synthetic_camera import SyntheticCamera
from argus.vision.results import Event, FrameResult

BAD: Final = "bad"
"""What the camera that fails is called."""
_GIVE_UP_S: Final = 10.0
"""Seconds beyond its time after which a fault counts as unseen, a recovery as failed."""
_CALM_S: Final = 1.0
"""Seconds after a recovery that count neither as with nor as without the fault."""
_TICK_S: Final = 0.02

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What to try, and on what."""

    faults: tuple[Fault, ...] = FAULTS
    kinds: tuple[CameraKind, ...] = ("synthetic", "rtsp")
    """Cameras that fail, one after the other."""
    neighbours: int = 15
    fps: float = 5.0
    model: ModelSpec | None = None
    """None: `builtin:plaza`."""
    settle_s: float = 25.0
    """Seconds in which health learns what is usual before the first fault."""
    window_s: float = 10.0
    """Seconds of healthy life, before and after, with which the neighbours' ages while a fault lasts are
    compared; it lasts as long at least. Longer wobbles less."""
    times: int = 1
    """How often each fault is tried, one time after the other. What is left to chance, which packets are
    harmed say, is so anew; and what the neighbours felt wobbles less."""


def choose_faults(names: Sequence[str], kinds: Sequence[CameraKind]) -> tuple[Fault, ...]:
    """Return the faults by name, all where none is named.

    Raises:
        UnknownName: there is no such fault.
        SpecError: none of the cameras can do it.
    """
    if not names:
        return tuple(fault for fault in FAULTS if fault.kinds & set(kinds))
    chosen = []
    possible = [fault.name for fault in FAULTS if fault.kinds & set(kinds)]
    for name in names:
        if name not in {fault.name for fault in FAULTS}:
            raise UnknownName("fault", name, possible)
        problems = []
        for kind in kinds:
            try:
                chosen.append(fault_named(name, kind))
                break
            except SpecError as error:
                problems.append(error)
        else:
            raise problems[0]
    return tuple(chosen)


def run_trial(
    spec: TrialSpec,
    say: Say = lambda _: None,
    *,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_start: Callable[[Engine], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Outcome]:
    """Let one camera fail in each way and return what came of it.

    Args:
        spec: What to try.
        say: Hears of progress.
        on_outcome: Hears of each outcome as soon as it is known.
        on_start: Gets the engine of each round of cameras.
        stop: Ends the trial soon, when set; a try that is broken off so does not count.

    Raises:
        ArgusError: the lab's cameras cannot be run here; the message says what to install.
    """
    stop = stop or threading.Event()
    outcomes: list[Outcome] = []
    for kind in spec.kinds:
        faults = [fault for fault in spec.faults if kind in fault.kinds]
        if not faults or stop.is_set():
            continue
        with _Lab(spec, kind) as lab:
            if on_start is not None:
                on_start(lab.engine)
            say(f"{kind}: {spec.neighbours + 1} cameras, {spec.settle_s:g} s to learn what is usual")
            lab.settle(stop)
            for number, fault in enumerate(faults, 1):
                if stop.is_set():
                    break
                tries: list[Try] = []
                while len(tries) < spec.times and not stop.is_set():
                    which = f" ({len(tries) + 1} of {spec.times})" if spec.times > 1 else ""
                    say(f"{kind} {number}/{len(faults)} {fault.name}{which}: {fault.title}")
                    if (one := lab.try_out(fault, stop)) is not None:
                        tries.append(one)
                if not tries:
                    break
                outcome = Outcome.of(fault, kind, tries)
                outcomes.append(outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
    return outcomes


class _Ages:
    """How old the results of one camera were when they came, and when that was."""

    def __init__(self) -> None:
        self._at_s: list[float] = []
        self._age_s: list[float] = []

    def write(self, result: FrameResult) -> None:
        now_s = time.monotonic()
        self._age_s.append(now_s - (result.frame.received_s or now_s))
        self._at_s.append(now_s)

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Nothing is held."""

    @property
    def last_s(self) -> float:
        """When the last result came."""
        return self._at_s[-1] if self._at_s else float("-inf")

    def first_after(self, since_s: float) -> float | None:
        """When the first result after a moment came."""
        at = bisect_left(self._at_s, since_s)
        return self._at_s[at] if at < len(self._at_s) else None

    def between(self, begin_s: float, end_s: float) -> list[float]:
        """The ages of the results that came in between."""
        at = self._at_s
        return self._age_s[bisect_left(at, begin_s) : bisect_left(at, end_s)]


class _Lab:
    """The cameras, the engine that watches them, and one of them that fails."""

    def __init__(self, spec: TrialSpec, kind: CameraKind) -> None:
        self._kind = kind
        self._settle_s, self._window_s = spec.settle_s, spec.window_s
        self._good = [SyntheticCamera(f"lab-{n}", fps=spec.fps, busy=0.5) for n in range(spec.neighbours)]
        self._bad: LabCamera
        try:
            self._bad = RtspCamera(fps=10) if kind == "rtsp" else SyntheticCamera("lab-bad", fps=10)
        except BaseException:
            for camera in self._good:
                camera.close()
            raise
        self._quiet_since_s: float | None = None
        model = spec.model or ModelSpec.read({"path": "builtin:plaza"}, "lab")
        self.engine = Engine(model=model)
        self._ages = {BAD: _Ages()} | {f"cam{n}": _Ages() for n in range(spec.neighbours)}
        cameras: list[LabCamera] = [self._bad, *self._good]
        for name, watched in zip(self._ages, cameras, strict=True):
            wanted = CameraSpec(url=watched.url, fps=spec.fps, lost_after=LOST_AFTER_S)
            self.engine.add_camera(name, wanted)
            self.engine.add_pipeline(name, PipelineSpec(), camera=name, listener=self._ages[name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.engine.close()
        for camera in [self._bad, *self._good]:
            camera.close()

    @property
    def _state(self) -> CameraState:
        health = self.engine.cameras[BAD].health
        assert health is not None
        return health.state

    def settle(self, stop: threading.Event) -> None:
        """Wait until all is usual."""
        stop.wait(self._settle_s)

    def try_out(self, fault: Fault, stop: threading.Event) -> Try | None:
        """Let the bad camera fail in one way, and heal it; None where it was not seen through."""
        if self._quiet_since_s is None:
            self._quiet_since_s = self._quiet(stop)
        before = self._between(self._quiet_since_s, self._quiet_since_s + self._window_s)
        telling = Telling(fault, self._state)
        self._bad.begin(fault.name)
        began_s = time.monotonic()
        told, seen_s = self._watch(fault, telling, began_s, stop)
        ended_s = time.monotonic()
        self._bad.heal()
        healed_s = time.monotonic()
        if fault.name == "wrong-credentials":
            # What an operator does who has mended the password, for cameras that refuse are called seldom.
            self.engine.reconnect(BAD)
        back_s = self._wait_for_recovery(healed_s, stop)
        if stop.is_set():
            return None
        stop.wait(_CALM_S)
        # What is quiet after one fault is so before the next.
        self._quiet_since_s = self._quiet(stop)
        return Try(
            told=told,
            detect_s=None if seen_s is None else seen_s - began_s,
            recover_s=None if back_s is None else back_s - healed_s,
            before=before,
            during=self._between(began_s, ended_s),
            after=self._between(self._quiet_since_s, self._quiet_since_s + self._window_s),
        )

    def _quiet(self, stop: threading.Event) -> float:
        """Let the window pass in which nothing is wrong, and return when it began."""
        since_s = time.monotonic()
        stop.wait(self._window_s)
        return since_s

    def _between(self, begin_s: float, end_s: float) -> Span:
        """Return what came of the neighbours in that time, as far as it has passed."""
        ages_s = [ages.between(begin_s, end_s) for name, ages in self._ages.items() if name != BAD]
        return Span(min(end_s, time.monotonic()) - begin_s, ages_s)

    def _watch(
        self, fault: Fault, telling: Telling, began_s: float, stop: threading.Event
    ) -> tuple[CameraState, float | None]:
        """Return what was told of the bad camera while it failed, and when that was what it should be."""
        while not stop.is_set():
            now_s = time.monotonic()
            telling.hear(self._state, now_s)
            lasted_s = now_s - began_s
            seen = fault.expect is None or telling.seen_s is not None
            enough = seen or lasted_s > fault.within_s + _GIVE_UP_S
            if enough and lasted_s >= (fault.within_s if fault.expect is None else self._window_s):
                break
            stop.wait(_TICK_S)
        if fault.expect is None and telling.told == "online":
            return telling.told, self._ages[BAD].first_after(began_s)
        return telling.told, telling.seen_s

    def _wait_for_recovery(self, healed_s: float, stop: threading.Event) -> float | None:
        """Return when the bad camera was online and looked at again."""
        until = healed_s + RESUMED_S + _GIVE_UP_S
        while time.monotonic() < until and not stop.is_set():
            if self._state == "online":
                looked_s = self._ages[BAD].first_after(healed_s)
                if looked_s is not None:
                    return max(looked_s, time.monotonic())
            stop.wait(_TICK_S)
        return None
