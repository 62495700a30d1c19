"""A multipart body is cut into its parts, however it arrives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.errors import SourceUnreadable
from argus.vision.sources import multipart
from argus.vision.sources.multipart import MultipartParser

PARTS = st.lists(st.binary(min_size=1, max_size=50).filter(lambda b: b"--" not in b), min_size=1, max_size=5)


def body(
    parts: list[bytes], boundary: str = "frame", newline: bytes = b"\r\n", *, length: bool = True
) -> bytes:
    result = b""
    for part in parts:
        result += b"--" + boundary.encode() + newline + b"Content-Type: image/jpeg" + newline
        if length:
            result += b"Content-Length: " + str(len(part)).encode() + newline
        result += newline + part + newline
    return result


@given(parts=PARTS, cuts=st.lists(st.integers(0, 400)), newline=st.sampled_from([b"\r\n", b"\n"]))
def test_parts_with_a_length_come_out_whole_wherever_the_network_cuts(
    parts: list[bytes], cuts: list[int], newline: bytes
) -> None:
    data = body(parts, newline=newline)
    parser = MultipartParser("frame")
    edges = [0, *sorted(c for c in cuts if c < len(data)), len(data)]
    found = [part for a, b in itertools.pairwise(edges) for part in parser.feed(data[a:b])]
    assert found == parts


@pytest.mark.parametrize("boundary", ["frame", "--frame", '"frame"', "my-frame"])
def test_the_boundary_is_found_however_the_camera_names_it(boundary: str) -> None:
    parser = MultipartParser(boundary)
    name = boundary.strip('"').lstrip("-")
    assert parser.feed(body([b"one", b"two"], name)) == [b"one", b"two"]


def test_a_part_without_a_length_ends_at_the_next_boundary() -> None:
    parser = MultipartParser("frame")
    assert parser.feed(body([b"one", b"two", b"three"], length=False)) == [b"one", b"two"]
    assert parser.feed(b"--frame--\r\n") == [b"three"]
    assert parser.ended


def test_a_part_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "LARGEST", 1 << 20)
    parser = MultipartParser("frame")
    parser.feed(b"--other\r\n\r\n")
    with pytest.raises(SourceUnreadable, match=r"exceeds 1 MiB: the server does not send the boundary"):
        parser.feed(bytes((1 << 20) + 1))


def test_headers_that_never_end_are_refused() -> None:
    parser = MultipartParser("frame")
    parser.feed(b"--frame\r\n")
    with pytest.raises(SourceUnreadable, match="empty line"):
        for _ in range(100):
            parser.feed(b"x" * 1024)


def test_a_length_of_thousands_of_digits_is_one_that_never_comes() -> None:
    head = b"--frame\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
    assert MultipartParser("frame").feed(head + b"abc\r\n--frame") == []
