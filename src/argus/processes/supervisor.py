"""Keeps processes running: starts them, hears how they are, starts them again, ends them in good order.

One thread does it all. What happens to a single process is `charge`; what a process sees of it is `line`.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from argus.core.errors import ArgusError, UnknownName
from argus.processes.charge import Charge, Wish
from argus.processes.house import House
from argus.processes.rounds import Rounds
from argus.processes.spec import ProcessSpec, ProcessStatus
from argus.processes.words import Tell, encoded


class NameTaken(ArgusError, ValueError):
    """A process of that name is there already, if only to be removed; another name is the remedy."""

    exit_code = 2


class SupervisorClosed(ArgusError, RuntimeError):
    """The supervisor has been closed and starts nothing any more."""


class Supervisor:
    """Processes in somebody's charge. Safe from any thread.

    None of them outlives this process, however it ends. Callbacks are called in the supervisor's thread,
    which looks after nobody meanwhile: they must be quick. They may call everything here; what would wait
    elsewhere returns at once there.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[str, dict[str, Any]], None] = lambda *_: None,
        on_end: Callable[[str, str], None] = lambda *_: None,
        on_change: Callable[[ProcessStatus], None] = lambda *_: None,
    ) -> None:
        """Begin without processes.

        Args:
            on_message: Called with the name of a process and what it told (`Line.tell`, `Line.on_beat`).
            on_end: Called with name and reason after a process was reaped, and before it is started again.
            on_change: Called with every new status.
        """
        self._changed = threading.Condition()
        self._charges: dict[str, Charge] = {}
        self._statuses: dict[str, ProcessStatus] = {}
        self._closing = False
        self._rounds = Rounds("argus-supervisor", on_oversleep=self._overslept)
        self._house = House(self._rounds, on_message=on_message, on_end=on_end, on_change=on_change)
        self._rounds.start()
        # A program that forgets to close ends its processes in good order all the same.
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, spec: ProcessSpec) -> None:
        """Start a process and keep it running; returns before it runs.

        Raises:
            NameTaken: there is one of that name.
            SupervisorClosed: it is too late.
        """
        with self._changed:
            self._expect_open()
            if spec.name in self._charges:
                raise NameTaken(
                    f"process {spec.name} is there already: remove it first, or take another name"
                )
            charge = Charge(spec, self._house, self._note)
            self._charges[spec.name] = charge
            self._statuses[spec.name] = charge.status
        self._rounds.post(charge.begin)

    def remove(self, name: str, *, wait: bool = True) -> None:
        """Let a process end and forget it; returns when it is gone.

        Args:
            name: Its name, which is free again when it is gone.
            wait: False returns at once; the last `on_change` of it comes when it is gone.

        Raises:
            UnknownName: there is none of that name.
        """
        charge = self._charge(name)
        if not self._wish(charge, "be gone") or self._rounds.is_here or not wait:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._charges.get(name) is not charge)

    def restart(self, name: str) -> None:
        """Let a process end and start it again, also one that is over; returns at once.

        Raises:
            UnknownName: there is none of that name.
            SupervisorClosed: it is too late.
        """
        charge = self._charge(name)
        with self._changed:
            self._expect_open()
        self._wish(charge, "start again")

    def condemn(self, name: str, reason: str) -> None:
        """Kill a process for a reason that the caller has found, as if it were stuck; returns at once.

        It says where it is before, if it can; the restart policy decides what follows. Nothing happens where
        it does not run, or is on its way out.

        Raises:
            UnknownName: there is none of that name.
        """
        charge = self._charge(name)
        self._rounds.post(lambda: charge.condemn(reason))

    def tell(self, name: str, message: dict[str, Any]) -> bool:
        """Tell a process something (`Line.on_message`); never waits.

        Returns:
            False where it does not run; messages are not kept for its next start.

        Raises:
            UnknownName: there is none of that name.
            TypeError: the message holds what JSON cannot say.
            ValueError: it is too large.
        """
        charge = self._charge(name)
        data = encoded(Tell(message))
        return self.status(name).pid is not None and self._rounds.post(lambda: charge.tell(data))

    def status(self, name: str) -> ProcessStatus:
        """Return how a process is doing.

        Raises:
            UnknownName: there is none of that name.
        """
        with self._changed:
            try:
                return self._statuses[name]
            except KeyError:
                raise UnknownName("process", name, self._statuses) from None

    def statuses(self) -> tuple[ProcessStatus, ...]:
        """Return how all are doing, in the order they were added."""
        with self._changed:
            return tuple(self._statuses.values())

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all are over, for so long at most; return whether they are. With none, they are."""
        with self._changed:
            return self._changed.wait_for(self._all_over, timeout_s)

    def close(self) -> None:
        """End all processes, side by side, and return when they have ended; idempotent.

        Each is asked to drain and killed after its `drain_s`.
        """
        with self._changed:
            first, self._closing = not self._closing, True
        if first:
            atexit.unregister(self.close)
            self._rounds.post(self._close)
        self._rounds.join()

    def _charge(self, name: str) -> Charge:
        with self._changed:
            try:
                return self._charges[name]
            except KeyError:
                raise UnknownName("process", name, self._charges) from None

    def _wish(self, charge: Charge, wish: Wish) -> bool:
        return self._rounds.post(lambda: charge.wish(wish))

    def _expect_open(self) -> None:
        if self._closing:
            raise SupervisorClosed("the supervisor is closed: make another one")

    def _all_over(self) -> bool:
        return all(status.over for status in self._statuses.values())

    def _note(self, charge: Charge) -> None:
        """Hear from a charge that it has changed; in the supervisor's thread."""
        with self._changed:
            name = charge.spec.name
            if charge.gone:
                self._charges.pop(name, None)
                self._statuses.pop(name, None)
                log = charge.spec.log
                if log is not None and all(other.spec.log != log for other in self._charges.values()):
                    self._house.close_log(log)
            else:
                self._statuses[name] = charge.status
            self._changed.notify_all()
        self._house.changed(charge.status)
        self._leave_when_over()

    def _close(self) -> None:
        for charge in tuple(self._charges.values()):
            charge.wish("stop")
        self._leave_when_over()

    def _leave_when_over(self) -> None:
        with self._changed:
            over = self._closing and self._all_over()
        if over:
            self._house.close()
            self._rounds.stop()

    def _overslept(self) -> None:
        now_s = time.monotonic()
        for charge in tuple(self._charges.values()):
            charge.oversleep(now_s)
