"""What the documentation says is true: Python runs, commands exist, files are read, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from argus.cli.main import app
from argus.core.resources.files import read_pipeline, read_resources

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
)
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
COMMAND = typer.main.get_command(app)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    body: str
    tested: bool
    """False where `<!-- no-test … -->` stands right above it."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for fence in FENCE.finditer(text):
        above = text[: fence.start()].rstrip().rpartition("\n")[2]
        body = re.sub(f"^{fence['indent']}", "", fence["body"], flags=re.MULTILINE)
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(page, line, fence["language"], body, not above.lstrip().startswith("<!-- no-test"))


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def having(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.tested]


def commands_in(block: Block) -> list[list[str]]:
    """Return the words of each `argus …` in a block of shell, without what is around it."""
    commands = []
    for line in block.body.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>()"):
                if words[:1] == ["argus"] and len(words) > 1:
                    commands.append(words[1:])
                words = []
            else:
                words.append(word)
    return commands


COMMANDS = [(str(block), words) for block in having("sh", "console", "bash") for words in commands_in(block)]
COMMANDS += [
    ("Makefile", shlex.split(line.replace("$(PEERS)/bin/python", sys.executable)))
    for line in re.findall(r"^\t\$\(BIN\)/argus (.+)$", MAKEFILE, re.MULTILINE)
]


def parse(words: list[str]) -> None:
    """Read a command line as `argus` would, without running it."""
    command: Any = COMMAND
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if words and {"--help", "-h", "--version"} & set(words):
        assert set(words) <= known | {"--help", "-h"}
        return
    assert not hasattr(command, "commands") or getattr(command, "invoke_without_command", False), (
        f"no such command: {' '.join(words)}"
    )
    context = command.make_context("argus", list(words))
    # A group that works without a command would take any word for one until it is run.
    assert not getattr(context, "_protected_args", []), f"no such command: {' '.join(words)}"


def test_the_documentation_has_something_to_test() -> None:
    assert len(having("python")) >= 3
    assert len(COMMANDS) >= 20
    assert len(having("yaml")) >= 5


@pytest.mark.parametrize("block", having("python"), ids=str)
def test_python_in_the_documentation_runs(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = compile("\n" * block.line + block.body, str(block.page), "exec")
    exec(code, {"__name__": "__main__"})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("place", "words"), COMMANDS, ids=[f"{p}-{' '.join(w)[:60]}" for p, w in COMMANDS])
def test_commands_in_the_documentation_exist_with_their_options(place: str, words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize(
    "words",
    [["run", "a.mp4", "--no-such-option"], ["fly"], ["run", "a.mp4", "--fps", "many"], ["bench", "all"]],
)
def test_the_check_of_commands_notices_what_does_not_exist(words: list[str]) -> None:
    # typer keeps the class of its usage errors to itself
    with pytest.raises(Exception, match=r"(?i)no such|valid number"):
        parse(words)


@pytest.mark.parametrize("block", having("yaml"), ids=str)
def test_pipeline_files_in_the_documentation_are_read(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "argus.yaml"
    file.write_text(block.body, encoding="utf-8")
    if re.search(r"^(pipelines|cameras|apiVersion)\b", block.body, re.MULTILINE):
        environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block.body), "x")
        read_resources(file, environment=environment)
    else:
        read_pipeline(file)


LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    missing = [link for link in LINK.findall(prose) if not (page.parent / link).exists()]
    assert missing == []


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {page for page in PAGES if ROOT / "docs" in page.parents and "decisions" not in page.parts} - {
        index
    }
    assert sorted(str(page.relative_to(ROOT)) for page in pages if page.resolve() not in linked) == []
