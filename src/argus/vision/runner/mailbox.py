"""The newest frame of a live source: a slow reader loses frames, never time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from argus.core.frame import Frame
from argus.vision.sources.protocol import Source


class Newest:
    """Iterates over the newest frame of a live source, each at most once.

    A thread decodes at the source's own pace into a single slot; a frame still there when the
    next one comes is dropped and counted. Iterate once; raises what broke the source.
    """

    def __init__(self, source: Source) -> None:
        self.dropped = 0
        self._source = source
        self._slot: Frame | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._decode, name="argus-decode", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frame whenever there is one that was not yielded yet."""
        while True:
            with self._changed:
                while self._slot is None and not self._ended:
                    self._changed.wait()
                frame, self._slot = self._slot, None
                if frame is None:
                    if self._error is not None:
                        raise self._error
                    return
            yield frame

    def close(self) -> None:
        """End the decoding and wait for it; idempotent."""
        self._source.close()
        self._thread.join()

    def _decode(self) -> None:
        error: BaseException | None = None
        try:
            for frame in self._source:
                with self._changed:
                    self.dropped += self._slot is not None
                    self._slot = frame
                    self._changed.notify()
        except BaseException as raised:  # noqa: BLE001 - raised again in the reader
            error = raised
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify()
