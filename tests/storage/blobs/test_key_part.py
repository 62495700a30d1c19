"""Names that people gave become parts of keys that any store takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.storage.blob_keys import checked_key, key_part


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Gate.MP4", "gate.mp4"),
        ("C:\\Videos\\Tor Süd.mp4", "tor-sud.mp4"),
        ("../../etc/passwd", "passwd"),
        ("my holiday (1).tar.gz", "my-holiday-1.tar.gz"),
        (".bashrc", "file.bashrc"),
        ("видео.mkv", "file.mkv"),
        ("", "file"),
        ("..", "file"),
        ("a..b", "a.b"),
        ("x" * 400 + ".webm", "x" * 133 + ".webm"),
        ("CON\0.jpg", "con.jpg"),
    ],
)
def test_the_nearest_part_keeps_the_extension(name: str, part: str) -> None:
    assert key_part(name) == part


@given(st.text(max_size=300))
def test_every_name_gives_a_part_of_a_key(name: str) -> None:
    part = key_part(name)
    assert checked_key(part) == part
    assert "/" not in part
    assert key_part(part) == part
