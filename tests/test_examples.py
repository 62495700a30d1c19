"""Every example runs as its README says, prints something, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/README.md"))


def program(folder: Path) -> Path:
    """Return the one program of an example; their names differ, so that all can be type-checked at once."""
    (only,) = folder.glob("*.py")
    return only


PRINTED = {
    "02-zones-and-alerts": ("zone.entered restricted", "line.crossed door", "ALERT  high: zone restricted")
}
"""What must be among what an example prints."""


def run(folder: Path, working_in: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(program(folder))],
        cwd=working_in,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_examples_are_numbered_without_a_gap() -> None:
    assert [int(folder.name[:2]) for folder in FOLDERS] == list(range(1, len(FOLDERS) + 1))
    assert len(FOLDERS) >= 4


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_runs_and_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    printed = run(folder, tmp_path)
    assert printed.strip()
    assert [words for words in PRINTED.get(folder.name, ()) if words not in printed] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_says_how_it_is_run(folder: Path) -> None:
    assert f"python examples/{folder.name}/{program(folder).name}" in (folder / "README.md").read_text(
        encoding="utf-8"
    )
