"""Where Argus keeps what belongs to its user."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import SpecError
from argus.core.settings import read_settings


def test_the_variable_names_the_home(tmp_path: Path) -> None:
    settings = read_settings({"ARGUS_HOME": str(tmp_path)})
    assert (settings.home, settings.models, settings.downloads) == (
        tmp_path,
        tmp_path / "models",
        tmp_path / "downloads",
    )


def test_without_it_the_home_is_where_this_system_keeps_data() -> None:
    home = read_settings({}).home
    assert home.is_absolute()
    assert home.name == "argus"
    assert read_settings({"ARGUS_HOME": "  "}).home == home


def test_a_tilde_and_a_relative_path_become_absolute() -> None:
    assert read_settings({"ARGUS_HOME": "~/argus"}).home == Path.home() / "argus"
    assert read_settings({"ARGUS_HOME": "here"}).home == Path.cwd() / "here"


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match="this is a file, not a folder; name a folder or unset the variable"):
        read_settings({"ARGUS_HOME": str(tmp_path / "file")})
