"""Asking a system that runs, from outside of it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from argus.flow import control
from argus.flow.control import (
    Control,
    ControlServer,
    RequestRefused,
    SystemNotRunning,
    SystemSilent,
    folder,
    running,
)


@pytest.mark.parametrize("said", [b"", b'{"ok": "half of a le', b'{"ok": 1}'])
def test_a_system_that_is_killed_while_it_answers_is_said_to_be_ending(said: bytes) -> None:
    name = f"t-cut-{os.getpid()}"
    path = folder() / f"{name}.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer_and_die() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        dying = threading.Thread(target=answer_and_die)
        dying.start()
        try:
            with pytest.raises(SystemNotRunning, match="is ending"):
                Control(name).letter("a->b", "1")
        finally:
            dying.join()
            path.unlink()


def test_a_system_that_is_stopped_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"t-stopped-{os.getpid()}"
    path = folder() / f"{name}.sock"
    monkeypatch.setattr(control, "_ANSWER_S", 0.05)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        try:
            with pytest.raises(RequestRefused, match="is here already and does not answer"):
                ControlServer(name)
            assert path.exists()
        finally:
            path.unlink()
    ControlServer(name).close()


def test_who_does_not_wait_for_the_answer_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    gone, answered = threading.Event(), threading.Event()

    def answer(_: object) -> str:
        gone.wait(5.0)
        serving.append(threading.current_thread())
        answered.set()
        return "late"

    serving: list[threading.Thread] = []
    server = ControlServer(f"t-impatient-{os.getpid()}", answer)
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(server.path))
            asking.sendall(b'{"op": "status"}\n')
        gone.set()
        assert answered.wait(5.0)
        serving[0].join(5.0)
    finally:
        server.close()
    assert raised == []


def test_a_system_that_is_stopped_keeps_nobody_from_the_others_for_long_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(control, "_HERE_S", 0.05)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder() / "asleep.sock"))
        listening.listen()
        with pytest.raises(SystemSilent, match=r"^asleep is here and does not answer"):
            Control()
        awake = ControlServer("zealous", lambda _: "yes")
        try:
            assert running() == ["zealous"]
            assert Control().path == awake.path
        finally:
            awake.close()


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_param_that_json_would_make_none_is_refused(value: float) -> None:
    with pytest.raises(RequestRefused, match=r"tracker: patience: (inf|nan) cannot be set while it runs"):
        Control(path="/nowhere").set("tracker", {"patience": value})
