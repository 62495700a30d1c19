"""One clip on its way: how far it reaches, and how much of it there is where no more will come.

What is cut out of is the engine's; when it is done, and what becomes of it, is `clipping`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from argus.core.frame import Frame
from argus.core.resources.pipeline import ClipSpec
from argus.stream.keeping import LONGEST_CLIP_S
from argus.vision.clips import Clip, ClipUnavailable

_NOTICEABLE_S: Final = 0.5
"""By so much a clip may end early without a word: frames and packets do not come at the same moment."""


class CameraNow(Protocol):
    """What is asked of a camera."""

    @property
    def latest(self) -> Frame | None:
        """Its newest frame."""
        ...


class Cutter(Protocol):
    """What is asked of `argus.vision.engine.footage.Footage`."""

    @property
    def cameras(self) -> Mapping[str, CameraNow]:
        """By name."""
        ...

    def cut(self, camera: str, start_s: float, end_s: float, path: Path) -> Clip:
        """Write a piece of what is kept as an MP4."""
        ...


@dataclass(slots=True, eq=False)
class ClipJob:
    """A clip that is not stored yet."""

    event: str
    """Id of its event."""
    key: str
    """What it will be kept under."""
    camera: str
    start_s: float
    """When the event began, in the camera's time."""
    end_s: float | None
    """None while the event goes on."""
    clip: ClipSpec
    wall_s: float
    """Monotonic time at which the event was raised."""
    time_s: float
    """The camera's time then."""
    tries: int = 0
    not_before_s: float = 0.0
    file: Path | None = None
    """Cut, and waiting for a store that takes it."""
    lack: str | None = None
    """What of it is not there, and why; of one that was cut."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever works on it."""

    @property
    def begin_s(self) -> float:
        """Where the clip begins, in the camera's time."""
        return max(0.0, self.start_s - self.clip.before)

    @property
    def until_s(self) -> float:
        """Where it ends, as far as that is known, likewise."""
        longest_s = self.start_s - self.clip.before + LONGEST_CLIP_S
        return longest_s if self.end_s is None else min(longest_s, self.end_s + self.clip.after)

    def cut(self, cutter: Cutter, path: Path, *, no_more: str | None = None) -> None:
        """Cut it; afterwards `file` and `lack` are known.

        Args:
            cutter: Has what is kept of the camera's stream.
            path: Where to.
            no_more: Why nothing more will come of the stream: what there is will do. None: it is waited for.

        Raises:
            ClipUnavailable: nothing of it is kept, or not all of it yet.
            OutputError: it cannot be written.
            UnknownName: the camera is not there.
        """
        try:
            lack = cutter.cut(self.camera, self.begin_s, self.until_s, path).missing
        except ClipUnavailable as error:
            come_to_s = error.come_to_s
            if no_more is None or come_to_s is None or come_to_s < self.begin_s:
                raise
            clip = cutter.cut(self.camera, self.begin_s, come_to_s, path)
            lack = self._lack(clip, no_more)
        self.file, self.lack, self.tries = path, lack, 0

    def _lack(self, clip: Clip, no_more: str) -> str | None:
        early_s = self.until_s - clip.end_s
        if self.end_s is None:
            ends = f"ends while the event goes on: {no_more}"
        elif early_s >= _NOTICEABLE_S:
            ends = f"ends {early_s:.1f} s early: {no_more}"
        else:
            return clip.missing
        return ends if clip.missing is None else f"{clip.missing}; {ends}"
