"""Reading packets of a live stream in a thread of its own, so that whoever waits for one can be woken.

FFmpeg's reads cannot be interrupted from outside without harm to the stream, and a silent camera
holds one for as long as the time limit. Here only the thread is held: a reader that is no longer
wanted leaves at once, and the thread ends by itself with the next packet or the time limit.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from argus.vision.sources.containers import VideoInput
from argus.vision.sources.decoding import VideoPacket

_QUEUED: Final = 256
"""Packets that may wait; then reading stops and the network holds the sender back."""

_GOODBYE_S: Final = 0.5
"""How long `stop` waits for the thread; a flowing stream ends well within."""


class PacketPump:
    """The packets of a container, in order, none left out; owns the container and closes it."""

    def __init__(self, video: VideoInput) -> None:
        """Start reading."""
        self._video = video
        self._packets: deque[VideoPacket] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="argus-packets", daemon=True)
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """True once `wake` was called."""
        return self._stopping

    def get(self) -> VideoPacket | None:
        """Wait for the next packet and return it; None at the end of the stream or after `wake`.

        Raises:
            FFmpegError: reading failed; all packets before that have been returned.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self._ended or self._stopping)
            if self._stopping:
                return None
            if self._packets:
                packet = self._packets.popleft()
                self._changed.notify_all()
                return packet
            if self._error is not None:
                raise self._error
            return None

    def wake(self) -> None:
        """Make `get` return None, now and from now on, and let the thread end soon."""
        with self._changed:
            self._stopping = True
            self._packets.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """Let the thread end and close the container, waiting a moment for it."""
        self.wake()
        self._thread.join(_GOODBYE_S)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            for packet in self._video.container.demux(self._video.stream):
                with self._changed:
                    self._changed.wait_for(lambda: len(self._packets) < _QUEUED or self._stopping)
                    if self._stopping:
                        break
                    self._packets.append(packet)
                    self._changed.notify_all()
        except Exception as raised:  # noqa: BLE001 - handed to the reader, who raises it
            error = raised
        finally:
            self._video.container.close()
            del self._video  # and with it the codec, as soon as the decoder lets go of it too
            with self._changed:
                self._error = error
                self._ended = True
                self._changed.notify_all()
