"""Extensions of other packages, found among what is really installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from argus.core.errors import PluginBroken, UnknownName
from argus.core.plugins import GROUPS, load_plugin, plugin_names

OURS = {"bytetrack": "argus.core.geometry:__doc__"}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that offers trackers, installed as pip would."""
    folder = tmp_path / "site"
    about = folder / "strange_trackers-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-trackers\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(
        "[argus.trackers]\nstrange = strange_trackers:TRACKER\nbroken = strange_trackers:NOTHING\n"
        "bytetrack = strange_trackers:TRACKER\n"
    )
    (folder / "strange_trackers.py").write_text("TRACKER = 'a strange tracker'\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "strange_trackers", raising=False)
    return folder


def test_an_installed_plugin_is_found_by_its_name(installed: Path) -> None:
    assert load_plugin("tracker", "strange", OURS) == "a strange tracker"


def test_listing_names_loads_nothing(installed: Path) -> None:
    assert plugin_names("tracker", OURS) == ["broken", "bytetrack", "strange"]
    assert "strange_trackers" not in sys.modules


def test_a_name_of_ours_stays_ours(installed: Path) -> None:
    assert load_plugin("tracker", "bytetrack", OURS) != "a strange tracker"


def test_an_unknown_name_lists_the_known_ones(installed: Path) -> None:
    with pytest.raises(
        UnknownName, match=r"unknown tracker 'strang'; did you mean 'strange'.*known: broken, bytetrack"
    ):
        load_plugin("tracker", "strang", OURS)


def test_a_plugin_that_cannot_be_loaded_names_its_package(installed: Path) -> None:
    with pytest.raises(PluginBroken, match=r"tracker 'broken' of strange-trackers 1\.2 cannot be loaded"):
        load_plugin("tracker", "broken", OURS)


def test_every_group_belongs_to_argus() -> None:
    assert all(group.startswith("argus.") for group in GROUPS.values())
    assert len(set(GROUPS.values())) == len(GROUPS)
