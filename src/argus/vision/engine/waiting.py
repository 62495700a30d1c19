"""Waiting until recordings have been looked at to their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.member import Member


def all_over(cameras: Iterable[EngineCamera], members: Iterable[Member], timeout_s: float) -> bool:
    """Return whether all cameras are over, and all that came of them was looked at, within so many seconds.

    Args:
        cameras: One that never ends is waited for.
        members: The pipelines that look at them.
        timeout_s: Infinite waits for ever.
    """
    until = time.monotonic() + timeout_s

    def left_s() -> float:
        return min(max(0.0, until - time.monotonic()), threading.TIMEOUT_MAX)

    return all(camera.over.wait(left_s()) for camera in cameras) and all(
        member.feed.wait_over(left_s()) for member in members
    )
