"""Which packets make a clip: from the key frame before its start to the one after its end, of one connection.

Decisions over what `ring` has kept; the file is written by `muxing`, or by `encoding` where packets cannot
be shown as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from argus.vision.clips.clip import Clip, ClipUnavailable
from argus.vision.clips.encoding import write_encoded
from argus.vision.clips.muxing import copied, write_copied
from argus.vision.clips.order import in_doubt, in_order_of_showing
from argus.vision.clips.stretch import Kept, Piece
from argus.vision.sources.bitstream import Role, role_reader

_REORDERED: Final = 16
"""Packets within which one may come that is shown earlier: as many as a decoder may hold."""
_SLACK_S: Final = 0.001
"""Times are sums of floats; a picture on the very moment counts as there."""


@dataclass(frozen=True, slots=True)
class _Span:
    """What one connection can give of a clip."""

    piece: Piece
    first: int
    last: int
    """Numbers of the first and the last packet to take."""
    start_s: float
    end_s: float
    """Times of the first and the last picture."""

    def overlap_s(self, start_s: float, end_s: float) -> float:
        return min(self.end_s, end_s) - max(self.start_s, start_s)


def cut(pieces: Sequence[Piece], start_s: float, end_s: float, path: Path, camera: str) -> Clip:
    """Write the pictures from `start_s` to `end_s`; see `argus.vision.engine.footage.Footage.cut`.

    Args:
        pieces: What is kept, the oldest connection first.
        start_s: Time of a frame, seconds of the stream.
        end_s: Likewise.
        path: Where to.
        camera: Its name, for messages.

    Raises:
        ClipUnavailable: nothing of it is kept, or not yet.
        OutputError: it cannot be written.
    """
    if not end_s >= start_s:
        raise ClipUnavailable(f"camera {camera}: a clip from {start_s:g} s to {end_s:g} s has no length")
    spans = [span for piece in pieces if (span := _span(piece, start_s, end_s)) is not None]
    if not spans:
        raise ClipUnavailable(
            f"camera {camera}: nothing of its stream is kept: keep some seconds of it, and wait for its "
            "first key frame"
        )
    newest = spans[-1]
    if newest.piece.current and newest.end_s < end_s - _SLACK_S:
        raise ClipUnavailable(
            f"camera {camera}: its stream has come to {newest.end_s:.2f} s, and the clip lasts to "
            f"{end_s:.2f} s: ask again later",
            come_to_s=newest.end_s,
        )
    span = max(spans, key=lambda one: one.overlap_s(start_s, end_s))
    if span.overlap_s(start_s, end_s) < -_SLACK_S:
        kept = ", ".join(f"{begin:.2f} s to {end:.2f} s" for begin, end in map(_whole, pieces))
        raise ClipUnavailable(
            f"camera {camera}: nothing from {start_s:.2f} s to {end_s:.2f} s is kept, only {kept}: "
            "cut clips sooner, or keep more seconds"
        )
    packets = _taken(span, end_s)
    write = write_copied if copied(span.piece.form.codec) else write_encoded
    written = write(span.piece, packets, path)
    times = [span.piece.time_s(packet.pts) for packet in packets]
    return Clip(
        path,
        start_s=min(times),
        end_s=max(times),
        codec=written.codec,
        packets=written.pictures,
        bytes=path.stat().st_size,
        encoded=written.encoded,
        missing=_missing(span, spans, start_s, end_s),
    )


def _span(piece: Piece, start_s: float, end_s: float) -> _Span | None:
    """Return what a connection has of a clip, or is nearest to it; None where it has no key frame."""
    packets = piece.packets
    entries = _entries(piece)
    if not entries:
        return None
    first = entries[0]
    for number in entries[1:]:
        if piece.time_s(packets[number].pts) > start_s + _SLACK_S:
            break
        first = number
    begin = packets[first].pts
    last = _last(piece, first, end_s)
    shown = [packet.pts for packet in packets[first : last + 1] if packet.pts >= begin]
    return _Span(piece, first, last, piece.time_s(begin), piece.time_s(max(shown)))


def _taken(span: _Span, end_s: float) -> list[Kept]:
    """Return the packets to take, with stamps at which they are shown."""
    piece = span.piece
    if in_doubt(piece):
        # Only now is it known what is shown when, and so which is the last.
        some = piece.packets[span.first : span.last + 1 + _REORDERED]
        piece = replace(piece, packets=in_order_of_showing(piece, some))
        taken = piece.packets[: _last(piece, 0, end_s) + 1]
    else:
        taken = piece.packets[span.first : span.last + 1]
    # What is shown before the first key frame is made from what is not here.
    return [packet for packet in taken if packet.pts >= taken[0].pts]


def _whole(piece: Piece) -> tuple[float, float]:
    """Return the times of the first and the last picture that are kept."""
    stamps = [packet.pts for packet in piece.packets]
    return piece.time_s(min(stamps)), piece.time_s(max(stamps))


def _last(piece: Piece, first: int, end_s: float) -> int:
    """Return the number of the last packet to take: the first past the end, or what is shown before it."""
    packets = piece.packets
    last, beyond = first, None
    for number in range(first, len(packets)):
        if piece.time_s(packets[number].pts) <= end_s + _SLACK_S:
            last = number
        elif beyond is None:
            beyond = number
    last = last if beyond is None else max(last, beyond)
    most = max(packet.pts for packet in packets[first : last + 1])
    for number in range(last + 1, min(len(packets), last + 1 + _REORDERED)):
        if packets[number].pts < most:
            last = number
    return last


def _entries(piece: Piece) -> list[int]:
    """Return the numbers of the packets at which a clip may begin."""
    keys = [number for number, packet in enumerate(piece.packets) if packet.key]
    if piece.form.mould is None:
        return keys
    context = piece.form.mould.codec_context
    role_of = role_reader(piece.form.codec, intra_only=False, extradata=context.extradata)
    if role_of is None:
        return keys
    # Some that are marked as key frames only begin a slow refresh: the first pictures would be half grey.
    whole = [number for number in keys if role_of(piece.packets[number].data) is Role.ENTRY]
    return whole or keys


def _missing(span: _Span, spans: Sequence[_Span], start_s: float, end_s: float) -> str | None:
    """Return what of a clip is not there, in words."""
    said = []
    interval_s = float(span.piece.form.interval * span.piece.form.time_base)
    at = next(number for number, one in enumerate(spans) if one is span)
    if span.start_s > start_s + interval_s:
        if span.piece.trimmed:
            why = "what came before was given up"
        elif at > 0:
            why = "the camera was connected again then"
        else:
            why = "nothing was kept before"
        said.append(f"begins at {span.start_s:.2f} s: {why}")
    if span.end_s < end_s - _SLACK_S:
        said.append(f"ends at {span.end_s:.2f} s: the stream ended or broke off then")
    return "; ".join(said) or None
