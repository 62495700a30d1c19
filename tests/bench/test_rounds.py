"""Contenders in processes of their own: what they say is heard, and what they leave behind goes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from argus.vision.bench.contenders import Work
from argus.vision.bench.rounds import Entry, measure

LEAVES_A_FILE = """#!/bin/sh
mktemp >/dev/null
echo '{"frames": 10, "wall_s": 2.0, "cpu_s": 1.0}'
"""


def test_what_a_contender_leaves_in_the_folder_of_temporary_files_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, python = tmp_path / "temporary", tmp_path / "python"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    python.write_text(LEAVES_A_FILE)
    python.chmod(0o755)
    scores = measure([Entry("it", "any", Work("m", "v", 10), python=str(python))], 2, lambda _: None)
    assert scores["it"].fps == 5
    assert list(temporary.iterdir()) == []
