"""Asking a running system, from the same machine and the same user.

One request and one answer per line of JSON over a Unix socket that only its user may open. What is
answered is `argus.flow.local`'s.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from argus.core.errors import ArgusError, did_you_mean
from argus.flow.naming import meant
from argus.flow.status import Change, DeadLetter, SystemStatus

_ANSWER_S = 30.0
_HERE_S = 2.0
"""How long a system may take to say that it is there, which no work of its own keeps it from."""
_BEGIN_S = 20.0
"""How long who asks a system that is starting waits for it."""


class SystemNotRunning(ArgusError):
    """No system of that name runs here."""


class SystemSilent(SystemNotRunning):
    """Somebody listens where a system of that name would, and says nothing."""


class RequestRefused(ArgusError, ValueError):
    """The system could not do what it was asked for."""

    exit_code = 2


def folder() -> Path:
    """Return where the sockets of this user's systems are: short, as a socket's path must be."""
    home = os.environ.get("ARGUS_HOME", "")
    mark = f"-{hashlib.blake2b(home.encode(), digest_size=4).hexdigest()}" if home else ""
    path = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"argus-{os.getuid()}{mark}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise ArgusError(f"{path} belongs to somebody else: set XDG_RUNTIME_DIR to a folder of yours")
    return path


def running() -> list[str]:
    """Return the names of the systems that run here; one that is stopped by a signal is left out."""
    return _here()[0]


def _here() -> tuple[list[str], list[str]]:
    """Return the names of the systems that run here, and of those that are here and do not answer."""
    names: list[str] = []
    silent: list[str] = []
    for path in sorted(folder().glob("*.sock")):
        try:
            _ask(path, {"op": "ping"}, _HERE_S)
        except (SystemSilent, BlockingIOError):
            silent.append(path.stem)
        except (ArgusError, OSError):
            continue
        else:
            names.append(path.stem)
    return names, silent


class Control:
    """Asks one system."""

    def __init__(self, system: str | None = None, *, path: str | None = None) -> None:
        """Choose a system by name or by its socket.

        Args:
            system: Its name, or that of a part of it as `argus flow run --only` starts one (`yard.camera`);
                what the name begins with is enough where one alone begins so. None: the only one that runs.
            path: Of the socket.

        Raises:
            SystemNotRunning: there is none.
            SystemUnclear: there are several to choose from.
        """
        self.path = folder() / f"{_chosen(system)}.sock" if path is None else Path(path)

    def status(self) -> SystemStatus:
        """Return how it is doing."""
        return msgspec.convert(self._ask("status"), SystemStatus)

    def set(self, node: str, params: Mapping[str, Any], *, wait: bool = True) -> Change:
        """Change params of a node in all of its replicas.

        Args:
            node: Its name.
            params: Names and values.
            wait: False does not wait for what the node makes of values that are valid.

        Raises:
            RequestRefused: there is no such node or param, a value is not valid, or the node cannot take it;
                nothing has changed.
        """
        for name, value in params.items():
            if isinstance(value, float) and not math.isfinite(value):  # in JSON it would be nothing at all
                raise RequestRefused(
                    f"{node}: {name}: {value} cannot be set while it runs: give a finite number"
                )
        return msgspec.convert(self._ask("set", node=node, params=dict(params), wait=wait), Change)

    def dead(self, link: str | None = None) -> list[DeadLetter]:
        """Return the dead letters of a link, or of all, the oldest first."""
        return msgspec.convert(self._ask("dead", link=link), list[DeadLetter])

    def letter(self, link: str, id: str) -> bytes:  # noqa: A002 - it is one
        """Return the message of a dead letter, as it lies on a wire."""
        return base64.b64decode(self._ask("letter", link=link, ids=[id]))

    def gone(self, link: str | None = None) -> int:
        """Return how many dead letters had to make room for newer ones."""
        return int(self._ask("gone", link=link))

    def drop(self, link: str, ids: Sequence[str] | None = None) -> int:
        """Let dead letters of a link go (None: all of them); return how many."""
        return int(self._ask("drop", link=link, ids=None if ids is None else list(ids)))

    def replay(self, link: str, ids: Sequence[str] | None = None) -> int:
        """Send dead letters of a link again (None: all of them); return how many."""
        return int(self._ask("replay", link=link, ids=None if ids is None else list(ids)))

    def stop(self) -> None:
        """Let it drain and end; returns at once."""
        self._ask("stop")

    def _ask(self, op: str, **details: Any) -> Any:
        return _ask(self.path, {"op": op, **details})


def _chosen(system: str | None) -> str:
    """Return the full name of the system that is meant."""
    if system is not None and (folder() / f"{system}.sock").exists():
        return system
    known, silent = _here()
    found = meant(system, known)
    if found is not None:
        return found
    if known:
        near = did_you_mean(str(system), known)
        raise SystemNotRunning(f"no system {system} runs here{near}; there is {', '.join(known)}")
    if asleep := [name for name in silent if name.startswith(system or "")]:
        raise SystemSilent(
            f"{' and '.join(asleep)} is here and does not answer: stopped, or busy: let it go on, or end it"
        )
    which = f" {system}" if system else ""
    raise SystemNotRunning(f"no system{which} runs here: start one with `argus flow run main.py`")


class ControlServer:
    """Answers; one thread per asker, as they are few and slow to go."""

    def __init__(self, system: str, answer: Callable[[dict[str, Any]], Any] | None = None) -> None:
        """Listen.

        Args:
            system: Its name.
            answer: Returns what a request asks for; an `ArgusError` becomes the asker's. None: who asks waits
                for `begin`.

        Raises:
            ArgusError: a system of that name runs already, or is stopped.
        """
        self.path = folder() / f"{system}.sock"
        self._answer = answer
        self._begun = threading.Event()
        if answer is not None:
            self._begun.set()
        if self.path.exists():
            try:
                _ask(self.path, {"op": "ping"})
            except (SystemSilent, BlockingIOError):  # stopped by Ctrl-Z, say: it will go on
                raise RequestRefused(
                    f"a system named {system} is here already and does not answer, as it is stopped or busy: "
                    "let it go on or end it, or give this one another name"
                ) from None
            except (ArgusError, OSError):
                self.path.unlink(missing_ok=True)
            else:
                raise RequestRefused(
                    f"a system named {system} runs already: stop it, or give this one another name"
                )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(str(self.path))
        except OSError as error:
            self._socket.close()
            raise ArgusError(
                f"{self.path}: cannot be listened at: {error.strerror or error}: the path of a "
                "socket has about 100 letters at most: set XDG_RUNTIME_DIR to a short folder of yours"
            ) from error
        self.path.chmod(0o600)
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._accept, name="argus-flow-control", daemon=True)
        self._thread.start()

    def begin(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        """Answer by this from now on."""
        self._answer = answer
        self._begun.set()

    def close(self) -> None:
        """Listen no longer; idempotent."""
        self._begun.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(1.0)
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Around it all: at its end the stream tries once more to say what nobody waits for.
        with (
            contextlib.suppress(OSError, ValueError),
            connection,
            connection.makefile("rwb") as stream,
        ):
            for line in stream:
                stream.write(msgspec.json.encode(self._reply(line)) + b"\n")
                stream.flush()

    def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(line)
            if request["op"] == "ping":
                return {"ok": "pong"}
            if not self._begun.wait(_BEGIN_S):
                return {"error": f"{self.path.stem} is still starting: ask again in a moment"}
            if self._answer is None:
                return {"error": f"{self.path.stem} could not begin: see what it printed"}
            return {"ok": self._answer(request)}
        except ArgusError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - whoever asks must not end the system
            structlog.get_logger().exception("flow.request_failed")
            return {"error": repr(error)}


def _ask(path: Path, request: Mapping[str, Any], within_s: float | None = None) -> Any:
    within_s = within_s or _ANSWER_S
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(within_s)
            connection.connect(str(path))
            with connection.makefile("rwb") as stream:
                stream.write(msgspec.json.encode(request) + b"\n")
                stream.flush()
                line = stream.readline()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise SystemNotRunning(f"no system runs at {path.name}: see `argus flow run --help`") from error
    except TimeoutError as error:
        raise SystemSilent(
            f"the system at {path.name} has not answered for {within_s:g} s: it is stopped, or busy"
        ) from error
    except ConnectionError as error:
        raise SystemNotRunning(f"the system at {path.name} is ending") from error
    if not line.endswith(b"\n"):  # it may be killed in the middle of a word
        raise SystemNotRunning(f"the system at {path.name} is ending")
    answer = msgspec.json.decode(line)
    if "error" in answer:
        raise RequestRefused(answer["error"])
    return answer["ok"]
