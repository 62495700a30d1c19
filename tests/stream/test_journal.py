"""What was open when a worker was killed is ended by the next one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from argus.storage.records import EventRecord, TrackRecord
from argus.stream.journal import Journal
from tests.stream.parts import BEGAN


def _event(id_: str = "a", *, open_: bool = True) -> EventRecord:
    return EventRecord(id=id_, type="zone.entered", camera="gate", open=open_, started_at=BEGAN)


def _left(path: Path) -> list[tuple[str, bool]]:
    journal = Journal(path)
    left = [(record.id, record.open) for record in journal.left()]
    journal.close()
    return left


def test_what_is_open_is_left_to_the_next_one_as_ended(tmp_path: Path) -> None:
    Journal(tmp_path / "open").note([_event("a"), _event("b")])
    assert _left(tmp_path / "open") == [("a", False), ("b", False)]


def test_what_has_ended_is_forgotten_when_it_is_on_its_way(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "open")
    journal.note([_event("a"), _event("b")])
    ended = _event("a", open_=False)
    journal.note([ended])
    journal.forget([ended])
    assert _left(tmp_path / "open") == [("b", False)]


def test_an_end_that_was_noted_and_not_put_is_left_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "open")
    journal.note([_event("a")])
    journal.note([msgspec.structs.replace(_event("a", open_=False), ended_at=BEGAN)])
    assert [record.ended_at for record in Journal(tmp_path / "open").left()] == [BEGAN]  # type: ignore[union-attr]


def test_events_that_are_over_at_once_are_not_noted(tmp_path: Path) -> None:
    Journal(tmp_path / "open").note([_event("a", open_=False)])
    assert _left(tmp_path / "open") == []


def test_an_event_and_its_track_have_one_id_and_are_two(tmp_path: Path) -> None:
    track = TrackRecord(id="a", camera="gate", object_id=1, open=True, first_seen=BEGAN)
    Journal(tmp_path / "open").note([_event("a"), track])
    assert len(_left(tmp_path / "open")) == 2


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_file_that_was_cut_off_costs_its_last_line_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "open"
    journal = Journal(path)
    journal.note([_event("a")])
    journal.note([_event("b")])
    os.truncate(path, path.stat().st_size - cut)
    assert ("a", False) in _left(path)


def test_a_file_of_rubbish_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "open").write_bytes(b"\x00\xff{}\n[1]\n" * 100)
    assert _left(tmp_path / "open") == []


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "open")
    for number in range(10_000):
        journal.note([_event(str(number))])
        journal.forget([_event(str(number), open_=False)])
    journal.note([_event("last")])
    assert (tmp_path / "open").stat().st_size < 2 << 20
    assert _left(tmp_path / "open") == [("last", False)]


def test_a_folder_that_cannot_be_written_costs_the_journal_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "open")
    journal.note([_event("a")])
    assert [record.id for record in journal.left()] == ["a"]


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("written", [0, 30])
def test_what_has_ended_while_the_disk_was_full_is_not_ended_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: bool, written: int
) -> None:
    """Else the next worker would keep it as it was before, without its end."""
    journal = Journal(tmp_path / "open")
    journal.note([_event("a"), _event("b")])
    write = os.write
    ended = _event("a", open_=False)
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", lambda fd, data: write(fd, data[:written]) if written else _full())
        journal.note([ended])
        journal.forget([ended])
    if closed:
        journal.close()
    else:
        journal.note([_event("c")])
    assert _left(tmp_path / "open") == [("b", False)] + [("c", False)] * (not closed)
