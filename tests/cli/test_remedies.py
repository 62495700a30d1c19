"""Whoever uses commands is advised in commands, whatever the server advises those who speak HTTP."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

import argus.control.api
from argus.cli.remedies import REMEDIES
from argus.control.client import Client, NotAllowed
from tests.cli.conftest import Argus
from tests.control.api.harness import World, listening

HTTP = re.compile(
    r"\b(GET|HEAD|POST|PUT|PATCH|DELETE|HTTP|JSON|YAML)\b|/api/|/readyz|/docs|Content-Type|Bearer|Upload-|\{\""
)
NEVER_MET = {"no-length", "no-offset", "not-http", "not-json", "not-text", "not-valid", "wrong-type"}
"""Kinds that commands give no reason for, or (`not-valid`) not the one whose remedy speaks so."""


def problems() -> Iterator[tuple[str, str]]:
    """Yield kind and remedy of every problem that the API's sources name."""
    for found in pkgutil.iter_modules(argus.control.api.__path__):
        module = importlib.import_module(f"argus.control.api.{found.name}")
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and len(call.args) > 1:
                given = [word.value for word in call.keywords if word.arg == "remedy"]
                if call.func.id == "_Answer":
                    given = call.args[2:]
                kind = call.args[1]
                if call.func.id in {"Problem", "_Answer"} and isinstance(kind, ast.Constant) and given:
                    yield str(kind.value), words(given[0], module)


def words(expression: ast.expr, module: ModuleType) -> str:
    if isinstance(expression, ast.Name):
        return str(getattr(module, expression.id, ""))
    return ast.unparse(expression)


def test_every_remedy_that_speaks_of_requests_has_one_that_speaks_of_commands() -> None:
    found = list(problems())
    speaking = {kind for kind, remedy in found if HTTP.search(remedy)}
    assert {"key-missing", "not-found", "store-unavailable"} < speaking
    assert speaking - set(REMEDIES) - NEVER_MET == set()


def test_no_remedy_is_of_a_problem_that_there_is_not() -> None:
    assert set(REMEDIES) - dict(problems()).keys() - {"elsewhere"} == set()


def test_remedies_of_commands_speak_of_no_requests() -> None:
    assert [remedy for remedy in REMEDIES.values() if HTTP.search(remedy)] == []


def test_without_the_key_a_command_says_which_variable_and_a_program_gets_the_servers_words(
    argus: Argus, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with listening(World(tmp_path_factory.mktemp("home"), key="opens-it")) as live:
        monkeypatch.delenv("ARGUS_API_KEY", raising=False)
        said = argus("get", "cameras", "--server", live.url).err
        assert "set ARGUS_API_KEY to the key" in said
        assert "Authorization" not in said
        with Client(live.url) as client, pytest.raises(NotAllowed, match="Authorization: Bearer"):
            client.list("cameras")


def test_while_the_store_is_gone_a_command_says_which_command_tells_more(
    argus: Argus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with listening(World(tmp_path_factory.mktemp("home"))) as live:
        live.world.store.fail("the database is gone")
        said = argus("get", "cameras", "--server", live.url).err
    assert said == (
        "error: the database is gone: try again in a moment; `argus status` says what does not answer\n"
    )
