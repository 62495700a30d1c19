"""Messages that were given up."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.errors import OutputError
from argus.flow.codec import Encoder, decode
from argus.flow.dead_letters import DeadLetters, LetterDamaged, LetterNotFound
from argus.flow.message import Header, Origin
from argus.flow.wire import unlay

LINK = "camera.mask->fusion.left"


def packed(index: int, size: int = 100) -> bytes:
    header = Header(f"cam/1/{index}", Origin("cam", index, index / 30, 0))
    return bytes(Encoder().encode(header, np.full(size, index % 256, np.uint8)).to_bytes())


def only(folder: Path) -> Path:
    [path] = folder.rglob("*.letter")
    return path


def test_a_letter_says_what_failed_and_keeps_the_message(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    id_ = letters.bury(LINK, packed(7, 5000), "Traceback …\nValueError: no\n", 3)
    [letter] = DeadLetters(tmp_path).list(LINK)
    assert (letter.id, letter.link, letter.tries, letter.message) == (id_, LINK, 3, "cam/1/7")
    assert letter.reason == "Traceback …\nValueError: no\n"
    assert letter.at.endswith("+00:00")
    data = letters.read(LINK, id_)
    assert letter.size == len(data)
    assert (decode(*unlay(memoryview(data)))[1] == np.full(5000, 7, np.uint8)).all()


def test_letters_are_listed_per_link_or_all_the_oldest_first(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    for index, link in enumerate(["a->b", "b->c", "a->b"]):
        letters.bury(link, packed(index), "no", 1)
    assert [letter.message for letter in letters.list("a->b")] == ["cam/1/0", "cam/1/2"]
    assert [letter.message for letter in letters.list()] == ["cam/1/0", "cam/1/1", "cam/1/2"]
    assert letters.list("c->d") == []


def test_where_nothing_ever_failed_there_is_nothing(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "not there")
    assert letters.list() == []
    assert letters.gone() == 0
    assert not (tmp_path / "not there").exists()


def test_a_letter_that_was_removed_is_gone(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    id_ = letters.bury(LINK, packed(0), "no", 1)
    letters.remove(LINK, id_)
    assert letters.list() == []
    with pytest.raises(LetterNotFound, match="there is no dead letter"):
        letters.read(LINK, id_)
    with pytest.raises(LetterNotFound):
        letters.remove(LINK, id_)


def test_the_same_message_buried_again_is_one_letter(tmp_path: Path) -> None:
    """As its reader can be killed between the letter and the word that it is done."""
    letters = DeadLetters(tmp_path)
    letters.bury(LINK, packed(0), "first", 3)
    letters.bury(LINK, packed(1), "other", 3)
    letters.bury(LINK, packed(0), "second", 4)
    assert [(letter.message, letter.reason) for letter in letters.list()] == [
        ("cam/1/1", "other"),
        ("cam/1/0", "second"),
    ]


def test_bytes_that_are_no_message_are_kept_as_well(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    for data in (b"", b"line\nline\n\n", bytes(range(256))):
        assert letters.read(LINK, letters.bury(LINK, data, "damaged", 1)) == data
    assert [letter.message for letter in letters.list()] == ["", "", ""]


@pytest.mark.parametrize(
    "link", ["../../etc->x", "..", "", "/", "a/b->c\\d", "a" * 500, "ünïcødé->x", "a\0b"]
)
def test_no_name_of_a_link_leaves_the_folder_or_meets_another(tmp_path: Path, link: str) -> None:
    letters = DeadLetters(tmp_path / "dead")
    id_ = letters.bury(link, packed(0), "no", 1)
    letters.bury(link + "b", packed(1), "no", 1)
    assert letters.list(link)[0].link == link
    assert len(letters.list(link)) == 1
    assert len(letters.read(link, id_)) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dead"]
    assert only(tmp_path / "dead" / path_of(tmp_path / "dead", link)).is_file()


def path_of(folder: Path, link: str) -> str:
    [name] = {
        path.parent.name for path in folder.rglob("*.letter") if DeadLetters(folder)._of(link) == path.parent
    }
    return name


@pytest.mark.parametrize("id_", ["../x", "/etc/passwd", "", ".", "..", "a/b"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, id_: str) -> None:
    letters = DeadLetters(tmp_path / "dead")
    letters.bury("a->b", packed(0), "no", 1)
    (tmp_path / "dead" / "x.letter").write_bytes(b"not yours")
    with pytest.raises(LetterNotFound):
        letters.read("a->b", id_)
    with pytest.raises(LetterNotFound):
        letters.remove("a->b", id_)
    assert (tmp_path / "dead" / "x.letter").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: b"",
        lambda raw: raw[:20],
        lambda raw: raw[:-1],
        lambda raw: raw + b"more",
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: b"\xff\xfe" + raw,
        lambda raw: b"{}\n" + raw,
    ],
    ids=["empty", "cut in the line", "cut in the message", "longer", "a bit", "no text", "another line"],
)
def test_a_damaged_letter_is_listed_as_damaged_and_can_only_be_removed(tmp_path: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    letters = DeadLetters(tmp_path)
    id_ = letters.bury(LINK, packed(0), "no", 1)
    letters.bury(LINK, packed(1), "whole", 1)
    path = next(tmp_path.rglob(f"{id_}.letter"))
    path.write_bytes(spoil(path.read_bytes()))
    damaged, whole = letters.list(LINK)
    assert (damaged.id, damaged.link) == (id_, LINK)
    assert "the letter is damaged" in damaged.reason
    assert whole.reason == "whole"
    with pytest.raises(LetterDamaged, match="remove it"):
        letters.read(LINK, id_)
    letters.remove(LINK, id_)
    assert [letter.reason for letter in letters.list()] == ["whole"]


def test_beyond_a_number_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, most=3)
    with capture_logs() as events:
        for index in range(5):
            letters.bury(LINK, packed(index), "no", 1)
    assert [letter.message for letter in letters.list(LINK)] == ["cam/1/2", "cam/1/3", "cam/1/4"]
    assert DeadLetters(tmp_path).gone(LINK) == 2
    assert [(event["event"], event["count"]) for event in events] == [("flow.dead_letters_gone", 1)] * 2


def test_beyond_a_size_the_oldest_go_but_the_newest_stays(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, most_bytes=25_000)
    for index in range(4):
        letters.bury(LINK, packed(index, 10_000), "no", 1)
    assert [letter.message for letter in letters.list()] == ["cam/1/2", "cam/1/3"]
    letters.bury(LINK, packed(9, 100_000), "no", 1)
    assert [letter.message for letter in letters.list()] == ["cam/1/9"]
    assert letters.gone() == 4


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "dead").write_bytes(b"a file where the folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        DeadLetters(tmp_path / "dead").bury(LINK, packed(0), "no", 1)


def test_a_disk_that_is_full_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = DeadLetters(tmp_path)

    def full(fd: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            letters.bury(LINK, packed(0), "no", 1)
    assert letters.list() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_writer_left_unfinished_is_cleared_away_later(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    letters.bury(LINK, packed(0), "no", 1)
    folder = only(tmp_path).parent
    old, new = folder / ".20200101T000000.000000Z-aa.1", folder / ".20990101T000000.000000Z-bb.2"
    for path in (old, new):
        path.write_bytes(b"half a let")
    os.utime(old, (time.time() - 3600,) * 2)
    letters.bury(LINK, packed(1), "no", 1)
    assert not old.exists()
    assert new.exists(), "another process may be writing it"
    assert len(letters.list()) == 2


def _bury_many(folder: Path, first: int) -> None:
    letters = DeadLetters(folder, most=50)
    for index in range(first, first + 50):
        letters.bury(LINK, packed(index), "no", 1)


def test_several_processes_bury_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_bury_many, args=(tmp_path, 1000 * i)) for i in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    letters = DeadLetters(tmp_path)
    assert len(letters.list()) == 50
    assert letters.gone() == 50
    assert all(letters.read(LINK, letter.id) for letter in letters.list())
