"""The command line as a person uses it, in this process: arguments in, exit code and text out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from argus.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Argus = Callable[..., Done]


@pytest.fixture
def argus(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Argus:
    """Run `argus` with the given arguments."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["argus", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run
