"""What is done to packets on their way."""

from __future__ import annotations

import struct

from argus.vision.lab.packets import CLOCK_HZ, damaged, lost, shifted


def _rtp(timestamp: int = 1000, payload: bytes = bytes(200)) -> bytes:
    return struct.pack(">BBHII", 0x80, 96, 7, timestamp, 0xABCD) + payload


def test_a_share_of_the_packets_is_lost_and_reports_are_not() -> None:
    edit = lost(0.25)
    kept = [edit(0, _rtp()) for _ in range(2000)]
    assert 400 < kept.count(None) < 600
    assert all(packet in (None, _rtp()) for packet in kept)
    assert all(edit(1, b"report") == b"report" for _ in range(100))


def test_a_damaged_packet_keeps_its_length_its_header_and_the_begin_of_its_payload() -> None:
    edit = damaged(1.0)
    harmed = edit(0, _rtp())
    assert harmed is not None
    assert harmed != _rtp()
    assert (len(harmed), harmed[: 12 + 16]) == (len(_rtp()), _rtp()[: 12 + 16])


def test_sets_of_parameters_are_too_short_to_be_damaged() -> None:
    short = _rtp(payload=bytes(30))
    assert damaged(1.0)(0, short) == short


def test_the_clock_of_packets_and_of_reports_is_set_ahead_and_wraps() -> None:
    edit = shifted(3600.0)
    late = edit(0, _rtp(timestamp=2**32 - 1))
    assert late is not None
    assert struct.unpack(">I", late[4:8])[0] == 3600 * CLOCK_HZ - 1
    assert (late[:4], late[8:]) == (_rtp()[:4], _rtp()[8:])
    report = struct.pack(">BBHIIIIII", 0x80, 200, 6, 0xABCD, 5000, 77, 1000, 3, 4)
    ahead = edit(1, report)
    assert ahead is not None
    assert struct.unpack(">BBHIIIIII", ahead) == (
        0x80,
        200,
        6,
        0xABCD,
        5000 + 3600,
        77,
        1000 + 3600 * CLOCK_HZ,
        3,
        4,
    )


def test_what_is_no_packet_of_ours_passes_as_it_is() -> None:
    for edit in (lost(1.0), damaged(1.0), shifted(3600.0)):
        assert edit(0, b"short") == b"short"
        assert edit(1, b"\x80\xc9" + bytes(30)) == b"\x80\xc9" + bytes(30)
