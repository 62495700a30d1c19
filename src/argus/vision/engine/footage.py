"""The last seconds of an engine's cameras as they were sent, and pieces cut out of them.

What is kept lies in the camera's stream (`argus.vision.clips.ring`); where a clip begins and ends among
packets is `argus.vision.clips.cutting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from argus.vision.clips.clip import Clip
from argus.vision.clips.cutting import cut
from argus.vision.clips.ring import MOST_BYTES
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.cameras import Cameras

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine


class Footage:
    """That of one engine. Safe from any thread."""

    def __init__(self, engine: Engine, cameras: Cameras) -> None:
        """Keep nothing yet."""
        self._engine = engine
        self._cameras = cameras

    @property
    def cameras(self) -> Mapping[str, EngineCamera]:
        """The engine's cameras, by name."""
        return self._engine.cameras

    def keep(self, camera: str, seconds: float, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep the last seconds of a camera's compressed stream, for clips; 0 ends it.

        Begins with the next key frame, or with the very first where `add_camera(keep_s=…)` says it. Costs
        no decoding. A clip can be cut of what is not older: keep what comes before an event, the longest
        event itself, what comes after it, and some seconds for good measure.

        Args:
            camera: Its name.
            seconds: How many; a stream that several cameras share keeps as many as the most demanding wants.
            most_bytes: Memory at most; what is oldest is given up for it.

        Raises:
            UnknownName: there is no such camera.
        """
        with self._engine.changing:
            stream = self._cameras.stream_of(camera)
            self._cameras.kept[camera] = (seconds, most_bytes)
            stream.ring.keep(camera, seconds, most_bytes)

    def cut(self, camera: str, start_s: float, end_s: float, path: Path) -> Clip:
        """Write a piece of what is kept as an MP4; returns when it is written, so not for a lane's thread.

        Args:
            camera: Its name.
            start_s: `Frame.time_s` of the first picture; the clip begins at the key frame at or before it, or
                where what is kept of the connection begins.
            end_s: Likewise of the last; one more packet is taken.
            path: Where to; the file appears there when it is whole.

        Raises:
            ClipUnavailable: nothing of it is kept, or not all of it yet: then it says how far.
            OutputError: it cannot be written.
            UnknownName: there is no such camera.
        """
        stream, shift_s = self._cameras.stream_of(camera), self._cameras.get(camera).shift_s
        pieces = [replace(piece, base_s=piece.base_s + shift_s) for piece in stream.ring.pieces()]
        return cut(pieces, start_s, end_s, path, camera)
