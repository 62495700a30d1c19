"""In which order pictures are shown, for streams whose container does not say.

AVI and raw streams count packets, not pictures: where pictures are sent in another order than they are shown,
their stamps are wrong. Only a decoder knows better: what it gives out first is shown first.
"""

from __future__ import annotations

from collections.abc import Sequence

import av
import av.error

from argus.vision.clips.stretch import Kept, Piece


def in_doubt(piece: Piece) -> bool:
    """Return whether stamps may tell the order of sending, where that is another one than that of showing."""
    return piece.form.reorders and len({packet.pts - packet.dts for packet in piece.packets}) == 1


def in_order_of_showing(piece: Piece, packets: Sequence[Kept]) -> list[Kept]:
    """Return the packets, in the order they came, with stamps at which they are shown.

    Args:
        piece: What they are.
        packets: Some of them; the first is a key frame.
    """
    order = _decoded_order(piece, packets)
    stamps = sorted(packet.pts for packet in packets)
    place = {number: at for at, number in enumerate(order)}
    return [packet._replace(pts=stamps[place[number]]) for number, packet in enumerate(packets)]


def _decoded_order(piece: Piece, packets: Sequence[Kept]) -> list[int]:
    """Return the numbers of the packets in the order in which their pictures come out of the decoder."""
    codec = decoder_of(piece)
    order: list[int] = []
    for number, packet in enumerate([*packets, None]):
        coded = None
        if packet is not None:
            coded = av.Packet(packet.data)
            coded.pts = coded.dts = number
        try:
            order += [frame.pts for frame in codec.decode(coded) if frame.pts is not None]
        except (av.error.FFmpegError, MemoryError):
            continue
    order = list(dict.fromkeys(order))
    # One that gives no picture, being damaged, stays about where it was.
    for number in sorted(set(range(len(packets))) - set(order)):
        order.insert(min(number, len(order)), number)
    return order


def decoder_of(piece: Piece) -> av.VideoCodecContext:
    """Return a decoder for a piece's packets."""
    codec = av.CodecContext.create(piece.form.codec, "r")
    assert isinstance(codec, av.VideoCodecContext)
    mould = piece.form.mould
    if mould is not None and mould.codec_context.extradata:
        codec.extradata = mould.codec_context.extradata
    codec.thread_type = "SLICE"
    return codec
