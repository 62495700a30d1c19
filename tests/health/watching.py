"""A camera's day in a second: pictures handed to a monitor at times that are only named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import cast

import cv2
import numpy as np

from argus.core.frame import Frame, Image
from argus.core.resources.camera import HealthSpec
from argus.vision.health import HealthMonitor, HealthPicture
from argus.vision.pictures import ArrayPicture
from argus.vision.results import Alert, Event
from argus.vision.synthetic import Plaza

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MONOTONIC_S = 5_000.0
FPS = 5


class Watch:
    """A monitor, the clock it lives by, and all that it told with the second at which it did."""

    def __init__(self, spec: HealthSpec | None = None, *, lost_after_s: float = 5.0) -> None:
        self.monitor = HealthMonitor(spec or HealthSpec(), "gate", lost_after_s=lost_after_s)
        self.time_s = 0.0
        self.events: list[tuple[float, Event]] = []
        self.alerts: list[Alert] = []
        self.pictures: list[HealthPicture] = []
        self._index = 0
        self.monitor.connecting(*self.now)

    @property
    def now(self) -> tuple[float, datetime]:
        return MONOTONIC_S + self.time_s, START + timedelta(seconds=self.time_s)

    def show(self, pictures: Iterable[Image], *, fps: float = FPS) -> None:
        """Give pictures at a steady pace."""
        for picture in pictures:
            now_s, at = self.now
            shown = ArrayPicture(picture)
            self.monitor.frame(Frame(shown, "gate", self._index, self.time_s, at), now_s, at)
            self._index += 1
            self.wait(1 / fps)

    def wait(self, seconds: float) -> None:
        """Let time pass without pictures, told of as the engine does."""
        until_s = self.time_s + seconds
        while self.time_s < until_s - 1e-9:
            self.time_s = min(self.time_s + 0.25, until_s)
            self.monitor.tick(*self.now)
            self.note()

    def break_off(self, reason: str = "connection reset") -> None:
        """Tell that the stream broke."""
        self.monitor.disconnected(*self.now, reason)
        self.note()

    def note(self) -> None:
        """Write down what the monitor told."""
        change = self.monitor.take()
        self.events += [(self.time_s, event) for event in change.events]
        self.alerts += change.alerts
        self.pictures += change.pictures

    def told(self, *, after_s: float = 0.0) -> list[str]:
        """Return `type phase` of what was told later than a second."""
        return [f"{e.type.removeprefix('camera.')} {e.phase}" for t, e in self.events if t > after_s]

    def told_at(self, what: str, *, after_s: float = 0.0) -> float:
        """Return when something like `dark start` was first told."""
        return next(
            t for t, e in self.events if t > after_s and f"{e.type.removeprefix('camera.')} {e.phase}" == what
        )


@lru_cache(maxsize=4)
def scene(seconds: float, *, night: bool = False, people: int = 6) -> tuple[Image, ...]:
    """Return the plaza at `FPS`, small enough to be drawn quickly."""
    plaza = Plaza(320, 180, FPS, people=people, vehicles=1 if people else 0, night=night)
    return tuple(plaza.render(i)[0] for i in range(round(seconds * FPS)))


def grain(picture: Image, index: int, sigma: float = 2.0) -> Image:
    """Return the picture with a sensor's noise on it."""
    noise = np.random.default_rng(index).standard_normal(picture.shape, np.float32) * sigma
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def black(picture: Image) -> Image:
    return np.full_like(picture, 3)


def soft(picture: Image) -> Image:
    return cast("Image", cv2.GaussianBlur(picture, (0, 0), 5 * picture.shape[1] / 640))


def aside(picture: Image, part: float = 0.2) -> Image:
    """Return the picture moved to the right by part of its width."""
    return np.roll(picture, round(part * picture.shape[1]), axis=1)


def dimmer(part: float) -> Callable[[Image], Image]:
    return lambda picture: cast("Image", cv2.convertScaleAbs(picture, alpha=part))


def hand(picture: Image, index: int, part: float = 1.2, bgr: tuple[int, int, int] = (110, 135, 190)) -> Image:
    """Return the picture behind something with a soft edge, folds and a sensor's noise on it."""
    height, width = picture.shape[:2]
    y, x = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    hidden = (x < part - 0.08 * np.abs(np.sin(y * 4 * np.pi))).astype(np.float32)
    veil = cv2.GaussianBlur(hidden, (0, 0), width * 0.012)[..., None]
    folds = 0.75 + 0.25 * y + 0.1 * np.sin(y * 4 * np.pi) * np.cos(x * 5)
    skin = np.array(bgr, np.float32) * folds[..., None]
    return grain((picture * (1 - veil) + skin * veil).astype(np.uint8), index, 1.5)
