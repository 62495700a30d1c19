"""What goes over the line comes out as it went in, whatever comes between."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.processes import words
from argus.processes.words import Beat, Drain, Ear, Failed, FromChild, Hello, Ready, Tell, ToChild, encoded

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.one_of(
    st.builds(Hello, st.integers(0, 2**63)),
    st.just(Ready()),
    st.builds(Beat, st.none() | st.floats(0, 1e6)),
    st.builds(Failed, st.text()),
    st.builds(Tell, st.dictionaries(st.text(), JSON, max_size=3)),
)


def heard(data: bytes, cuts: list[int]) -> tuple[list[Any], Ear]:
    ear = Ear(FromChild)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [word for a, b in pairwise(edges) for word in ear.hear(data[a:b])], ear


@given(st.lists(WORDS, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_words_come_out_as_they_went_in_however_they_are_cut(said: list[FromChild], cuts: list[int]) -> None:
    got, ear = heard(b"".join(map(encoded, said)), cuts)
    assert got == said
    assert ear.garbled == 0


@given(st.binary(max_size=200), st.lists(st.integers(0, 2000), max_size=8))
def test_after_garbage_the_next_line_is_understood(garbage: bytes, cuts: list[int]) -> None:
    got, _ = heard(garbage + b"\n" + encoded(Failed("why")), cuts)
    assert got[-1] == Failed("why")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET / HTTP/1.1",
        b'{"type":"beat"}',
        b'{"type":"beat","busy_s":"long"}',
        b'{"type":"drain"}',
        b"[1]",
        b"{" * 100_000,
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"type":"tell","message":[]}',
        b'{"type":"failed","reason":"\xff"}',
    ],
    ids=range(11),
)
def test_what_is_not_a_word_is_counted_and_skipped(line: bytes) -> None:
    got, ear = heard(line + b"\n" + encoded(Ready()), [])
    assert (got, ear.garbled) == ([Ready()], 1)


def test_a_line_without_end_takes_no_more_memory_than_the_largest_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(words, "LARGEST", 1000)
    ear = Ear(FromChild)
    for _ in range(100):
        assert ear.hear(b"x" * 300) == []
        assert len(ear._data) <= 1300
    assert ear.hear(b"x\n" + encoded(Ready())) == [Ready()]
    assert ear.garbled == 1


def test_a_message_too_large_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "LARGEST", 1000)
    with pytest.raises(ValueError, match="message of 2038 bytes"):
        encoded(Tell({"blob": "x" * 2000}))


def test_the_child_is_told_to_drain() -> None:
    assert Ear(ToChild).hear(encoded(Drain())) == [Drain()]
