"""Records on their way to a writer: in order, none lost while it refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.storage.records import EventRecord, Record
from argus.stream.journal import Journal
from argus.stream.promises import Promises
from argus.stream.scribe import Scribe
from tests.stream.parts import BEGAN, RememberingWriter, until


@pytest.fixture
def writer() -> RememberingWriter:
    return RememberingWriter()


@pytest.fixture
def scribe(writer: RememberingWriter, tmp_path: Path) -> Iterator[Scribe]:
    scribe = Scribe(writer, Journal(tmp_path / "open"), Promises(tmp_path / "clips"))
    yield scribe
    scribe.close(1.0)


def _record(id_: str, *, open_: bool = False) -> EventRecord:
    return EventRecord(id=id_, type="zone.entered", camera="gate", open=open_, started_at=BEGAN)


def _ids(writer: RememberingWriter) -> list[str]:
    return [record.id for record in writer.of(EventRecord)]


def test_records_come_in_the_order_in_which_they_came(scribe: Scribe, writer: RememberingWriter) -> None:
    names = [str(number) for number in range(1000)]
    for name in names:
        scribe.take(lambda name=name: [_record(name)])  # type: ignore[misc]
    scribe.close()
    assert _ids(writer) == names


def test_what_cannot_be_written_is_written_when_it_can_be(scribe: Scribe, writer: RememberingWriter) -> None:
    writer.full.set()
    scribe.take(lambda: [_record("a")])
    until(lambda: scribe.problem)
    scribe.take(lambda: [_record("b")])
    assert scribe.stuck_s(100.0) == 0
    assert scribe.stuck_s(131.0) == 31
    writer.full.clear()
    until(lambda: _ids(writer) == ["a", "b"])
    assert scribe.stuck_s(132.0) == 0


def test_an_entry_that_cannot_be_made_is_no_harm_to_the_others(
    scribe: Scribe, writer: RememberingWriter
) -> None:
    def broken() -> list[Record]:
        raise ValueError("a defect")

    scribe.take(broken)
    scribe.take(lambda: [_record("a")])
    until(lambda: _ids(writer) == ["a"])


def test_what_the_last_worker_left_open_is_ended_first(writer: RememberingWriter, tmp_path: Path) -> None:
    Journal(tmp_path / "open").note([_record("killed", open_=True)])
    scribe = Scribe(writer, Journal(tmp_path / "open"), Promises(tmp_path / "clips"))
    scribe.take(lambda: [_record("new", open_=True)])
    scribe.close()
    assert [(record.id, record.open) for record in writer.of(EventRecord)] == [
        ("killed", False),
        ("new", True),
    ]
    left = Journal(tmp_path / "open").left()
    assert [record.id for record in left] == ["new"]


def test_closing_while_nothing_can_be_written_takes_no_longer_than_allowed(
    scribe: Scribe, writer: RememberingWriter
) -> None:
    writer.full.set()
    scribe.take(lambda: [_record("a")])
    until(lambda: scribe.problem)
    scribe.close(timeout_s=0.2)
    assert _ids(writer) == []
