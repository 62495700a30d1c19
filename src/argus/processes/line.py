"""A supervised program's own end: says that it is alive, ready or at work, and hears when to end.

Whoever runs under a supervisor takes its `Line` from the environment once, early and in the main thread.
Little is imported here, for it is paid at every start.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import select
import signal
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from argus.processes import traces
from argus.processes.words import (
    LARGEST,
    VARIABLE,
    Beat,
    Drain,
    Ear,
    Failed,
    FromChild,
    Hello,
    Ready,
    Tell,
    ToChild,
    encoded,
)

BEAT_S: Final = 0.5
_ALONE_S: Final = 1.0
_GOODBYE_S: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1


class Line:
    """Speaks with the supervisor. `enter` and `leave` are for one thread, the rest is safe from any.

    Callbacks are called in the line's thread, which also beats: one that does not come back looks like a
    program that is stuck.
    """

    def __init__(self, end: socket.socket) -> None:
        """Begin; see `from_environment`, which is how programs get one."""
        self.draining = threading.Event()
        """Set when the program shall come to an end."""
        self.on_beat: Callable[[], dict[str, Any] | None] | None = None
        """Gives a message that goes with every beat; called in the line's thread."""
        self._on_message: Callable[[dict[str, Any]], None] | None = None
        self._on_drain: Callable[[], None] | None = None
        self._end = end
        self._end.setblocking(False)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._busy_ns = 0
        self._lock = threading.Lock()
        self._unsent = bytearray()
        self._heard: deque[dict[str, Any]] = deque()
        self._pid = os.getpid()
        self._ready = False
        self._drain = False
        self._alone = False
        self._thread = threading.Thread(target=self._run, name="argus-line", daemon=True)

    @classmethod
    def from_environment(cls) -> Line | None:
        """Return the line to the supervisor that started this program; None where nobody did.

        In the main thread it also lets SIGTERM set `draining`; before `ready` there is nothing to drain, and
        SIGTERM raises `SystemExit`. The program will not outlive its supervisor.
        """
        ends = os.environ.pop(VARIABLE, "")
        try:
            end, dump = map(int, ends.split(","))
            os.fstat(dump)
            line_end = socket.socket(fileno=end)
        except (ValueError, OSError):
            # Nobody's, or that of a program between the supervisor and us, which has closed it.
            return None
        for fd in (end, dump):
            os.set_inheritable(fd, False)
        _die_with_parent(line_end)
        traces.install(dump)
        line = cls(line_end)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: line._on_sigterm())
        # A supervisor's thread that blocks signals hands that on to what it starts.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, traces.DUMP_SIGNAL})
        line._say(Hello(threading.main_thread().ident or 0))
        line._thread.start()
        atexit.register(line._finish, _GOODBYE_S)
        return line

    @property
    def on_message(self) -> Callable[[dict[str, Any]], None] | None:
        """Called in the line's thread with every message; what came before it was set waits for it."""
        return self._on_message

    @on_message.setter
    def on_message(self, hear: Callable[[dict[str, Any]], None] | None) -> None:
        self._on_message = hear
        self._rouse()

    @property
    def on_drain(self) -> Callable[[], None] | None:
        """Called once in the line's thread after `draining` was set, also where that was before."""
        return self._on_drain

    @on_drain.setter
    def on_drain(self, hear: Callable[[], None] | None) -> None:
        self._on_drain = hear
        self._rouse()

    def ready(self) -> None:
        """Say that the program does what it is for, from now on."""
        self._ready = True
        self._say(Ready())

    def tell(self, message: dict[str, Any]) -> bool:
        """Say something to whoever uses the supervisor; never waits.

        Returns:
            False where it is lost, because a supervisor that does not listen has left too much unsent.

        Raises:
            TypeError: it holds what JSON cannot say.
            ValueError: it is too large.
        """
        return self._say(Tell(message))

    def failed(self, reason: str) -> None:
        """Say why the program is about to end, before it does; waits until it is said."""
        self._say(Failed(reason))
        self._finish(_GOODBYE_S)

    def enter(self) -> None:
        """Note that a call begins that must come back; see `ProcessSpec.hang_after_s`."""
        self._busy_ns = time.monotonic_ns()

    def leave(self) -> None:
        """Note that it has come back."""
        self._busy_ns = 0

    def _run(self) -> None:
        words = Ear(ToChild)
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        next_beat = time.monotonic() + BEAT_S
        while True:
            poll.register(self._end, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            events = dict(poll.poll(max(0.0, next_beat - time.monotonic()) * 1000))
            if self._wake in events:
                os.eventfd_read(self._wake)
            if self._end.fileno() in events:
                self._flush()
                if not self._listen(words):
                    break
            self._serve()
            if time.monotonic() >= next_beat:
                self._beat()
                next_beat = time.monotonic() + BEAT_S
        self._leave_alone()

    def _listen(self, words: Ear) -> bool:
        """Take what the supervisor has said; return whether it is still there."""
        try:
            data = self._end.recv(256 * 1024)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for word in words.hear(data):
            if isinstance(word, Drain):
                self._drain = True
            else:
                self._heard.append(word.message)
        return bool(data)

    def _serve(self) -> None:
        """Hand on what was heard."""
        if self._drain and not self.draining.is_set():
            self.draining.set()
            self._heard.append({"drain": True})
        if self.draining.is_set() and self._on_drain is not None:
            on_drain, self._on_drain = self._on_drain, None
            _guarded(on_drain)
        while self._heard and (hear := self._on_message) is not None:
            _guarded(hear, self._heard.popleft())

    def _beat(self) -> None:
        if self._unsent:
            return  # beats that wait for a supervisor that does not listen are none
        since = self._busy_ns
        self._say(Beat((time.monotonic_ns() - since) / 1e9 if since else None))
        if self.on_beat is not None:
            message = _guarded(self.on_beat)
            if message is not None:
                _guarded(self._say, Tell(message))

    def _leave_alone(self) -> None:
        # Only where the kernel has not ended us: the supervisor lives and has closed the line, or a program
        # stands between it and us.
        self._drain = True
        self._serve()
        time.sleep(_ALONE_S)
        os._exit(1)

    def _say(self, word: FromChild) -> bool:
        data = encoded(word)
        with self._lock:
            if len(self._unsent) + len(data) > LARGEST:
                return False
            self._unsent += data
        self._flush()
        if self._unsent:
            self._rouse()
        return True

    def _flush(self) -> None:
        with self._lock:
            while self._unsent:
                try:
                    sent = self._end.send(memoryview(self._unsent)[: 1024 * 1024], socket.MSG_NOSIGNAL)
                except BlockingIOError:
                    return
                except OSError:
                    self._unsent.clear()
                    return
                del self._unsent[:sent]

    def _finish(self, within_s: float) -> None:
        """Send what waits, for so long at most."""
        until = time.monotonic() + within_s
        poll = select.poll()
        poll.register(self._end, select.POLLOUT)
        while self._unsent and (left_s := until - time.monotonic()) > 0:
            poll.poll(left_s * 1000)
            self._flush()

    def _on_sigterm(self) -> None:
        if os.getpid() != self._pid:
            # A copy of the program (`multiprocessing`) has no line's thread that would let it drain.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        if not self._ready:
            raise SystemExit(128 + signal.SIGTERM)
        # Not `Event.set`: it would wait for a lock that the main thread, which runs this, may hold.
        self._drain = True
        self._rouse()

    def _rouse(self) -> None:
        os.eventfd_write(self._wake, 1)


def _die_with_parent(end: socket.socket) -> None:
    """Let the kernel end this process with the thread that started it, also where Python is stuck."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    poll = select.poll()
    poll.register(end, 0)
    if poll.poll(0):  # hung up: it was gone before we asked
        os._exit(1)


def _guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except Exception:  # noqa: BLE001 - the line goes on, or the supervisor would end the program as stuck
        traceback.print_exc()
        return None
