"""Cutting an RTSP connection into answers and packets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from argus.vision.lab.interleaved import Interleaved, Unit

_PACKETS = st.builds(Unit, st.integers(0, 3), st.binary(max_size=300))
_ANSWERS = st.binary(max_size=40).map(
    lambda body: Unit(None, b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
)


@given(st.lists(_PACKETS | _ANSWERS, max_size=8), st.integers(1, 50))
def test_units_come_out_as_they_went_in_whatever_pieces_they_arrive_in(units: list[Unit], piece: int) -> None:
    flow = b"".join(unit.framed() for unit in units)
    cutter = Interleaved()
    cut = [unit for at in range(0, len(flow), piece) for unit in cutter.feed(flow[at : at + piece])]
    assert cut == units


def test_a_request_without_a_body_ends_with_its_empty_line() -> None:
    assert Interleaved().feed(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x00\x00\x02ab") == [
        Unit(None, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
        Unit(0, b"ab"),
    ]


def test_what_breaks_the_rules_passes_and_is_not_kept_for_ever() -> None:
    noise = b"x" * 100_000
    assert b"".join(unit.framed() for unit in Interleaved().feed(noise)) == noise
