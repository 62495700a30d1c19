"""Who uses which request of a network: lent, started, read, given back.

Outputs are read in place, without a copy, so a request stays taken until its reader is done. A
reader who never comes must not block the others: when every request is taken, the oldest one
that nobody is reading is finished, its outputs are copied to its holder, and it is lent anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.errors import ModelUnavailable
from argus.vision.models.engines.protocol import Arrays, Request


class _State(Enum):
    DRAWING = "drawing"
    RUNNING = "running"
    READING = "reading"
    DETACHED = "detached"  # finished for somebody else's sake; the outputs were copied
    RELEASED = "released"


class SlotPool:
    """A network whose requests are lent out; what engines share."""

    def __init__(self, requests: Sequence[Request], description: str, free: Callable[[], None]) -> None:
        """Lend `requests`; `free` is called once, when the pool is closed and nothing runs any more."""
        self._idle = list(requests)
        self._lent: dict[_Lent, None] = {}
        self._change = threading.Condition()
        self._closed = False
        self._free = free
        self._description = description
        self._depth = len(requests)

    @property
    def depth(self) -> int:
        """How many inferences in flight keep the engine busy."""
        return self._depth

    @property
    def description(self) -> str:
        """Engine, precision and device in words."""
        return self._description

    def acquire(self, shape: tuple[int, int, int]) -> _Lent:
        """Return room for one inference; waits while all of it is being drawn on or read."""
        with self._change:
            while True:
                if self._closed:
                    raise ModelUnavailable("the model was closed: load it again to use it")
                if self._idle:
                    slot = _Lent(self, self._idle.pop(), shape)
                    self._lent[slot] = None
                    return slot
                oldest = next((s for s in self._lent if s.state is _State.RUNNING), None)
                if oldest is None:
                    self._change.wait()
                    continue
                oldest.state = _State.READING
                break
        oldest.detach()
        return self.acquire(shape)

    def close(self) -> None:
        """Let what runs finish, then free the engine; idempotent."""
        with self._change:
            if self._closed:
                return
            self._closed = True
            running = [s for s in self._lent if s.state is _State.RUNNING]
            for slot in running:
                slot.state = _State.READING
        for slot in running:
            slot.detach()
        with self._change:
            while any(s.state is _State.READING for s in self._lent):
                self._change.wait()
            self._idle.clear()
        self._free()


class _Lent:
    """One use of a request; see `Slot`."""

    def __init__(self, pool: SlotPool, request: Request, shape: tuple[int, int, int]) -> None:
        self.state = _State.DRAWING
        self._pool = pool
        self._request: Request | None = request
        self._canvas = request.pictures(shape)
        self._copies: Arrays = []
        self._error: ModelUnavailable | None = None
        self._mine = False  # READING by the holder itself, not by somebody who needs the room

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """The (B, H, W, 3) canvas."""
        return self._canvas

    def start(self, extras: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Begin the inference."""
        assert self._request is not None
        self._request.start(extras or {})
        with self._pool._change:
            self.state = _State.RUNNING

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether `outputs` would return, or raise, at once."""
        with self._pool._change:
            request = self._request if self.state is _State.RUNNING or self._mine else None
        # Where somebody needs the room, the copy is there soon.
        return request is None or request.ready(timeout_s)

    def outputs(self) -> Arrays:
        """Wait for the outputs; they are valid until `release`."""
        with self._pool._change:
            if self.state is _State.RUNNING or self._mine:
                self.state, self._mine = _State.READING, True
                request = self._request
            else:
                # Somebody needs the room and is copying: the copy is what we get.
                while self.state is _State.READING and not self._copies and self._request is not None:
                    self._pool._change.wait()
                request = None
        if request is not None:
            return request.wait()
        if self._error is not None:
            raise self._error
        if self.state is _State.RELEASED:
            raise ModelUnavailable("the outputs were given back already: read them before `release`")
        return self._copies

    def detach(self) -> None:
        """Wait for the outputs, keep copies of them, and give the request back."""
        assert self._request is not None
        copies: Arrays = []
        error: ModelUnavailable | None = None
        try:
            copies = [np.array(output) for output in self._request.wait()]
        except ModelUnavailable as failure:
            error = failure
        with self._pool._change:
            self._copies, self._error = copies, error
            self._give_back(_State.DETACHED)

    def release(self) -> None:
        """Give the room back, once nothing runs in it; idempotent."""
        with self._pool._change:
            while self.state is _State.READING and not self._mine:  # somebody who needs the room is copying
                self._pool._change.wait()
            request = self._request if self.state is _State.RUNNING else None
            if request is not None:
                self.state, self._mine = _State.READING, True
        if request is not None:  # started, and never read
            with suppress(ModelUnavailable):
                request.wait()
        with self._pool._change:
            self._give_back(_State.RELEASED)

    def _give_back(self, state: _State) -> None:
        request, self._request = self._request, None
        self.state, self._mine = state, False
        self._pool._lent.pop(self, None)
        if request is not None and not self._pool._closed:
            self._pool._idle.append(request)
        self._pool._change.notify_all()
