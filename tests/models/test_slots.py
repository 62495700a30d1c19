"""Room for inferences, lent and given back, whatever became of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays
from argus.vision.models.engines.slots import SlotPool

SHAPE = (1, 8, 8)


class SlowRequest:
    """An inference that ends when it is let."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.waited_for = threading.Event()
        self.runs = False

    def pictures(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        assert not self.runs, "drawn on while it is looked at"
        return np.zeros((*shape, 3), np.uint8)

    def start(self, extras: Mapping[str, NDArray[Any]]) -> None:
        assert not self.runs
        self.runs = True

    def ready(self, timeout_s: float) -> bool:
        return self.go_on.wait(timeout_s)

    def wait(self) -> Arrays:
        self.waited_for.set()
        self.go_on.wait()
        self.runs = False
        return [np.zeros(1)]


def test_room_that_is_given_back_unread_is_lent_again_when_nothing_runs_in_it() -> None:
    request = SlowRequest()
    pool = SlotPool([request], "slow", lambda: None)
    slot = pool.acquire(SHAPE)
    slot.start()
    giving_back = threading.Thread(target=slot.release)
    giving_back.start()
    request.waited_for.wait(5)
    request.go_on.set()
    pool.acquire(SHAPE).start()
    giving_back.join()
    pool.close()


def test_room_that_somebody_needs_is_given_back_by_them_alone() -> None:
    request = SlowRequest()
    pool = SlotPool([request], "slow", lambda: None)
    slot = pool.acquire(SHAPE)
    slot.start()
    lent: list[object] = []
    needing = threading.Thread(target=lambda: lent.append(pool.acquire(SHAPE)))
    needing.start()
    request.waited_for.wait(5)
    giving_back = threading.Thread(target=slot.release)
    giving_back.start()
    giving_back.join(0.05)
    assert giving_back.is_alive()
    request.go_on.set()
    needing.join()
    giving_back.join()
    assert len(lent) == 1
