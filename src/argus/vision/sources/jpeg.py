"""Single pictures from the network, decoded to planes where they are JPEG."""

from __future__ import annotations

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from argus.core.errors import SourceUnreadable
from argus.core.frame import Picture
from argus.vision.pictures import PlanarPicture
from argus.vision.sources.folders import decode_picture, is_cut_off


class PictureDecoder:
    """Decodes pictures one after the other; keeps FFmpeg's JPEG decoder open between them."""

    def __init__(self) -> None:
        self._codec = _codec()

    def decode(self, data: bytes) -> Picture:
        """Return the picture that `data` holds.

        Raises:
            SourceUnreadable: it is cut off, damaged or of an unknown kind.
        """
        if not data.startswith(b"\xff\xd8"):
            return decode_picture(data, "the picture")
        if is_cut_off(data):
            raise SourceUnreadable("a picture is cut off")
        try:
            frames = self._codec.decode(av.Packet(data))
        except (av.error.FFmpegError, MemoryError) as error:
            self._codec = _codec()
            raise SourceUnreadable("a picture cannot be decoded") from error
        if not frames or frames[-1].is_corrupt:
            raise SourceUnreadable("a picture was decoded with errors and left out")
        return PlanarPicture(frames[-1])


def _codec() -> VideoCodecContext:
    codec = av.CodecContext.create("mjpeg", "r")
    codec.thread_type = "NONE"  # with threads a picture would come out some pictures late
    return codec
