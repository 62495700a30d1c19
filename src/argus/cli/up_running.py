"""A control plane in a terminal: in the foreground with what it has to tell, in the background, and its end.

What people read goes to stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog
import typer

from argus.cli.applying import documents_of
from argus.cli.remedies import REMEDIES
from argus.cli.tables import say
from argus.control.client import Client
from argus.control.lock import read_note
from argus.control.runtime.homes import keeper_remark
from argus.control.runtime.local import shut_down
from argus.control.serve import Wish, home_text, serve
from argus.core.errors import ArgusError
from argus.core.logging import configure_logging
from argus.core.settings import Settings

if TYPE_CHECKING:
    from argus.core.resources.resource import Draft

_START_S: Final = 60.0
_END_S: Final = 45.0


def in_foreground(
    wish: Wish,
    drafts: Sequence[Draft],
    *,
    leave_running: bool = False,
    greeting: Callable[[str], str] = lambda _: "Ctrl-C ends it; see `argus status` in another terminal",
    for_s: float | None = None,
) -> None:
    """Run a control plane until Ctrl-C or SIGTERM; then end what it has started, unless that is to go on.

    Args:
        wish: How.
        drafts: What to apply when it answers.
        leave_running: Whether what it has started goes on after it.
        greeting: Given its URL, returns what is said when all is applied.
        for_s: Seconds after which it is ended; None: never.
    """
    if leave_running:  # its stderr is a log that nobody watches: what it did and why belongs there
        configure_logging("info")
    teller = _Teller(wish, drafts, greeting, quiet=leave_running, for_s=for_s)
    asyncio.run(_until_signalled(wish, teller))
    if not leave_running:
        say("ending what runs")
        asyncio.run(shut_down(wish.settings))
    if teller.failure is not None:
        raise teller.failure


def in_background(wish: Wish, drafts: Sequence[Draft], keep: Sequence[str] = ()) -> None:
    """Start a control plane that goes on without us, or add to the one that runs.

    Raises:
        ArgusError: it does not come up; the message is what it said.
    """
    note = read_note(wish.settings)
    if note is None:
        log = wish.settings.logs / "control.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        process = _spawn(wish, log, keep)
        until = time.monotonic() + _START_S
        while (note := read_note(wish.settings)) is None:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise ArgusError(f"the control plane does not come up: {_last_words(log)}")
            time.sleep(0.02)
        say(f"Argus is up at {note.url} (pid {note.pid}); its log is {home_text(log)}")
    else:
        say(f"Argus is up already at {note.url} (pid {note.pid})")
    _say_remark(wish.settings)
    with Client(note.url, wish.key, remedies=REMEDIES) as client:
        _apply(client, drafts)
    say("see `argus status`, `argus get alerts --watch`; `argus down` ends it")


def end_all(settings: Settings, *, workers: bool) -> None:
    """End the control plane of a home, and its workers."""
    note = read_note(settings)
    if note is not None:
        _end_process(note.pid)
    ended = asyncio.run(shut_down(settings)) if workers else False
    if note is None and not ended:
        say("nothing runs")
    else:
        say(
            "Argus is down; resources and results stay"
            if workers
            else "the control plane is down; workers go on"
        )


def _end_process(pid: int) -> None:
    """End a control plane; return when nothing of it is left, not when it has said that it ends."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(_END_S * 1000):
            raise ArgusError(f"the control plane (pid {pid}) does not end: kill -9 {pid} would")
    finally:
        os.close(pidfd)


class _Teller:
    """Applies what files declare when the API answers, and says what happens from then on; in a thread."""

    def __init__(
        self,
        wish: Wish,
        drafts: Sequence[Draft],
        greeting: Callable[[str], str],
        *,
        quiet: bool,
        for_s: float | None,
    ) -> None:
        self.failure: Exception | None = None
        self.stop = asyncio.Event()
        self._wish = wish
        self._drafts = drafts
        self._greeting = greeting
        self._quiet = quiet
        self._for_s = for_s
        self._loop: asyncio.AbstractEventLoop | None = None

    def ready(self, url: str, _: object) -> None:
        self._loop = asyncio.get_running_loop()
        if self._for_s is not None:
            self._loop.call_later(self._for_s, self.stop.set)
        threading.Thread(target=self._tell, args=(url,), name="argus-teller", daemon=True).start()

    def _tell(self, url: str) -> None:
        client = Client(url, self._wish.key, remedies=REMEDIES)
        try:
            if not self._quiet:
                say(f"Argus is up at {url}; it keeps everything in {home_text(self._wish.settings.home)}")
                _say_remark(self._wish.settings)
            _apply(client, self._drafts)
            if not self._quiet:
                say(self._greeting(url))
                said: set[str] = set()
                for alert in client.stream("alerts"):
                    # One comes again when its clip is there, or when somebody has seen to it.
                    if alert["id"] not in said:
                        said.add(alert["id"])
                        _say_alert(alert)
        except ArgusError as error:
            if not self.stop.is_set():
                self.failure = error
                assert self._loop is not None
                self._loop.call_soon_threadsafe(self.stop.set)


async def _until_signalled(wish: Wish, teller: _Teller) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, teller.stop.set)
    await serve(wish, on_ready=teller.ready, stop=teller.stop)


def _apply(client: Client, drafts: Sequence[Draft]) -> None:
    if not drafts:
        return
    for item in client.apply(documents_of(drafts)):
        resource = item["resource"]
        say(f"{resource['kind'].lower()}/{resource['metadata']['name']} {item['outcome']}")


def _say_remark(settings: Settings) -> None:
    """Say what people should know of what runs already."""
    if remark := keeper_remark(settings.run):
        typer.secho(f"! {remark}", err=True, fg=typer.colors.YELLOW)


def _say_alert(alert: dict[str, Any]) -> None:
    from argus.cli.resource_tables import clock

    colours = {"critical": typer.colors.RED, "high": typer.colors.RED, "medium": typer.colors.YELLOW}
    who = f"{alert.get('class_name') or ''} {alert.get('object_id') or ''}".strip()
    text = f"{clock(alert['at'])}  {alert['severity']}  {alert['rule']}  {alert['camera']}  {who}".rstrip()
    message = f"  {alert['message']}" if alert.get("message") else ""
    typer.secho(f"{text}{message}", err=True, fg=colours.get(alert["severity"]))


def _spawn(wish: Wish, log: Any, keep: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "argus", "up", "--leave-running"]
    command += ["--host", wish.host, "--port", str(wish.port)]
    # By the environment: a command line can be read by everybody on the machine.
    told = {"ARGUS_STORE": wish.store, "ARGUS_RESULTS": wish.results, "ARGUS_BLOBS": wish.blobs}
    urls = {variable: value for variable, value in told.items() if value is not None}
    env = {**os.environ, **urls, "ARGUS_HOME": str(wish.settings.home)}
    command += [f"--keep={text}" for text in keep]
    if wish.allow_private:
        command.append("--allow-private")
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, env=env
        )


def _last_words(log: Any) -> str:
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    structlog.get_logger().debug("control.log", lines=lines[-20:])
    return " | ".join(lines[-3:]).removeprefix("error: ") or f"it said nothing; see {log}"
