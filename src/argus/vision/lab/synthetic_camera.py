"""A live camera of the lab without any network: pictures of the plaza at their own pace, and faults on them.

It runs in this process and is opened there as `lab:NAME`. The camera with a real network and a real
encoder is `rtsp_camera`.
"""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal, Self

from pydantic import ValidationError

from argus.core.errors import SourceError, SourceNotFound, SourceRefused, SourceUnreachable, SpecError
from argus.core.frame import Image
from argus.vision.lab.effects import EFFECTS
from argus.vision.lab.faults import fault_named
from argus.vision.lab.film import film_of
from argus.vision.pictures import ArrayPicture
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, note_problem, thinned
from argus.vision.sources.timing import FrameClock

SCHEME: Final = "lab:"
_JUMP_S: Final = 3600.0
_DAMAGED: Final = 4
"""With the fault `corrupt`, one picture of so many is damaged."""

_running: dict[str, SyntheticCamera] = {}
_registering = threading.Lock()


def open_lab(url: str, options: SourceOptions) -> ReadSource:
    """Open `lab:NAME`, a `SyntheticCamera` that runs in this process.

    Raises:
        SourceNotFound: none of that name runs.
        SourceRefused: its fault is `wrong-credentials`.
        SourceUnreachable: its fault is `drop` or `stall`.
    """
    name = url.removeprefix(SCHEME)
    with _registering:
        camera = _running.get(name)
        known = ", ".join(sorted(_running)) or "none"
    if camera is None:
        raise SourceNotFound(
            f"{url} is not there: lab cameras live in the process that made them; running here: {known}"
        )
    return camera.open(options)


class SyntheticCamera:
    """See `LabCamera`; runs from here on, whether anybody watches or not."""

    kind: Literal["synthetic"] = "synthetic"

    def __init__(
        self,
        name: str,
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 10.0,
        people: int = 5,
        busy: float = 1.0,
        seed: int = 7,
    ) -> None:
        """Draw what it sees, unless another camera has drawn the same, and switch it on.

        Args:
            name: Its address is `lab:NAME`; chooses where in the film it begins, too.
            width: Columns of the picture.
            height: Rows.
            fps: Pictures per second.
            people: How many come and go; 0 leaves the square empty.
            busy: Part of every minute in which anybody is there.
            seed: Chooses the square and the people.

        Raises:
            SpecError: a value is out of range, or a camera of that name runs already.
        """
        if not 0 <= busy <= 1:
            raise SpecError(f"busy {busy:g}: give a part of the time, 0 to 1")
        try:
            self._film = film_of(width, height, fps, people, seed)
        except ValidationError as error:
            facts = "; ".join(f"{one['loc'][0]}={one['input']}: {one['msg']}" for one in error.errors())
            raise SpecError(f"lab camera {name!r}: {facts}") from None
        self.name = name
        self._size = (width, height)
        self._fps = fps
        self._busy = busy
        # Cameras of one film each begin elsewhere in it, and not all in one moment.
        self._place = zlib.crc32(name.encode())
        self._began_s = time.monotonic() - self._place % 997 / 997 / fps
        self._changed = threading.Condition()
        self._fault: str | None = None
        self._fault_at = 0
        """The number of the picture with which the fault began."""
        self._on = True
        with _registering:
            if name in _running:
                raise SpecError(f"a lab camera {name!r} runs already: close it, or choose another name")
            _running[name] = self

    @property
    def url(self) -> str:
        """What `open_source` and a `CameraSpec` are given."""
        return f"{SCHEME}{self.name}"

    def begin(self, fault: str) -> None:
        """Fail so from now on; see `LabCamera.begin`."""
        name = fault_named(fault, self.kind).name
        with self._changed:
            self._fault, self._fault_at = name, self._number(time.monotonic())
            self._changed.notify_all()

    def heal(self) -> None:
        """Be as before."""
        with self._changed:
            self._fault = None
            self._changed.notify_all()

    def close(self) -> None:
        """Switch it off; whoever reads it gets `SourceUnreachable`. Idempotent."""
        with _registering:
            if _running.get(self.name) is self:
                del _running[self.name]
        with self._changed:
            self._on = False
            self._changed.notify_all()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def open(self, options: SourceOptions) -> ReadSource:
        """Return what `open_source` gives for its address; see `open_lab` for the errors."""
        with self._changed:
            self._changed.wait_for(lambda: self._fault != "stall" or not self._on, options.timeout_s)
            if self._fault == "stall":
                raise SourceUnreachable(
                    f"{self.url} does not answer within {options.timeout_s:g} s: its fault is 'stall'"
                )
            if (problem := self._problem()) is not None:
                raise problem
            width, height = self._size
            if self._fault == "resolution":
                height, width = self._picture(0).shape[:2]
        info = SourceInfo(
            name=options.name or self.url,
            kind=self.kind,
            live=True,
            width=width,
            height=height,
            fps=self._fps,
        )
        counters = SourceCounters()
        return ReadSource(_Reader(self, counters), thinned(info, options), counters, options)

    def next_after(self, number: int, wanted: threading.Event) -> tuple[int, Image | None, float] | None:
        """Wait for the first picture behind `number` whose time has come; pictures missed are gone.

        Returns:
            Its number, the picture (None where it arrives damaged) and the camera's own clock in seconds;
            None once `wanted` is set no more.

        Raises:
            SourceUnreachable: the camera broke off.
        """
        with self._changed:
            while wanted.is_set():
                if (problem := self._problem(broken_off=True)) is not None:
                    raise problem
                now_s = time.monotonic()
                newest = self._number(now_s)
                if self._fault == "stall":
                    self._changed.wait()
                elif newest > number:
                    damaged = self._fault == "corrupt" and newest % _DAMAGED == 0
                    stamp_s = newest / self._fps + (_JUMP_S if self._fault == "clock-jump" else 0.0)
                    return newest, None if damaged else self._picture(newest), stamp_s
                else:
                    self._changed.wait(self._began_s + (number + 1) / self._fps - now_s)
        return None

    def wake(self) -> None:
        """Let every `next_after` look again whether it is wanted."""
        with self._changed:
            self._changed.notify_all()

    def _number(self, now_s: float) -> int:
        return math.floor((now_s - self._began_s) * self._fps)

    def _picture(self, number: int) -> Image:
        if self._fault == "freeze":
            number = self._fault_at
        picture = self._film.at(number + self._place, self._busy)
        effect = EFFECTS.get(self._fault or "")
        return picture if effect is None else effect(picture, number)

    def _problem(self, *, broken_off: bool = False) -> SourceError | None:
        if not self._on:
            return SourceUnreachable(f"{self.url} was switched off")
        if self._fault == "drop":
            fact = "broke off" if broken_off else "does not answer (Connection refused)"
            return SourceUnreachable(f"{self.url} {fact}: its fault is 'drop'")
        if self._fault == "wrong-credentials":
            if broken_off:
                return SourceUnreachable(f"{self.url} ended the connection: its fault is 'wrong-credentials'")
            return SourceRefused(
                f"{self.url} refuses the credentials (401): its fault is 'wrong-credentials'"
            )
        return None


class _Reader:
    def __init__(self, camera: SyntheticCamera, counters: SourceCounters) -> None:
        self._camera = camera
        self._counters = counters
        self._clock = FrameClock(0.1)
        self._wanted = threading.Event()
        self._wanted.set()
        self._number = -1

    def read(self) -> Sequence[Shot] | None:
        following = self._camera.next_after(self._number, self._wanted)
        if following is None:
            return None
        self._number, picture, stamp_s = following
        if picture is None:
            note_problem(self._counters, "a picture was decoded with errors and left out")
            return []
        time_s = self._clock.time_s(stamp_s)
        return [Shot(ArrayPicture(picture), time_s, datetime.now(UTC), received_s=time.monotonic())]

    def interrupt(self) -> None:
        self._wanted.clear()
        self._camera.wake()

    def free(self) -> None:
        """Nothing is held."""
