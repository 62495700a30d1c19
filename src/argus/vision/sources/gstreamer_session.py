"""One running pipeline of GStreamer: pictures out of it, news from its bus, and an end that never hangs.

No main loop runs: whoever reads asks the bus between two pictures. What pipelines consist of is
`gstreamer_assembly`; what their errors mean is `gstreamer_errors`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from argus.vision.sources.gstreamer_binding import GStreamer
from argus.vision.sources.gstreamer_decoders import codec_of, is_hardware
from argus.vision.sources.gstreamer_errors import Failure

_GOODBYE_S: Final = 0.5
"""How long `stop` waits; a pipeline that answers is down well within."""
_KEPT_FRESH: Final = {"drop": True, "max-buffers": 1}


@dataclass(frozen=True, slots=True)
class DecoderInUse:
    """What decodes, as the running pipeline shows it."""

    element: str
    codec: str

    @property
    def hardware(self) -> bool:
        """True where its buffers are few: they belong to a device."""
        return is_hardware(self.element)


class Session:
    """A pipeline and the appsink in it, once it is known. `pull` and `hear` belong to one thread."""

    def __init__(self, gstreamer: GStreamer, pipeline: Any) -> None:
        """Take over a pipeline that does not run yet."""
        self._gstreamer = gstreamer
        self._gst = gstreamer.gst
        self.pipeline = pipeline
        self._bus = pipeline.get_bus()
        # A pipeline that is dropped while it runs takes the process down; so a session that nobody stopped
        # stops with its last reference, or with the interpreter.
        self._shut_down = weakref.finalize(self, pipeline.set_state, self._gst.State.NULL)
        self.sink: Any = None
        self.warnings: list[str] = []
        """What went wrong without an end, oldest first; taken and cleared by whoever reads."""
        self.failure: Failure | None = None
        """The first error, which ends the stream."""
        self.ended = False
        """True once the stream came to its proper end."""

    def start(self) -> bool:
        """Let it run; return True where it says itself that it is live. Failures come as news."""
        gst = self._gst
        # Only on its way to a pause does a pipeline say that it cannot be held.
        live = self.pipeline.set_state(gst.State.PAUSED) == gst.StateChangeReturn.NO_PREROLL
        self.pipeline.set_state(gst.State.PLAYING)
        return bool(live)

    def pull(self, wait_s: float) -> Any:
        """Return the next sample, or None where none came in time or no more will come."""
        wait_ns = int(wait_s * self._gst.SECOND)
        if self.sink is None or self.sink.is_eos():
            self._look_at_bus(wait_ns)
            return self.sink.try_pull_sample(0) if self.sink is not None else None
        return self.sink.try_pull_sample(wait_ns)

    def hear(self) -> None:
        """Bring `failure`, `ended` and `warnings` up to date."""
        self._look_at_bus(0)

    def keep_fresh(self) -> None:
        """From now on keep the newest picture only."""
        for name, value in _KEPT_FRESH.items():
            self.sink.set_property(name, value)

    def duration_s(self) -> float | None:
        """Return how long the recording is, None where it has no known length."""
        known, length_ns = self.pipeline.query_duration(self._gst.Format.TIME)
        return length_ns / self._gst.SECOND if known and length_ns > 0 else None

    def decoder(self) -> DecoderInUse | None:
        """Return what decodes the video, None where nothing does."""
        for element, kind in self._elements():
            pad = element.get_static_pad("sink")
            caps = pad.get_current_caps() if pad is not None else None
            if caps is not None and "Decoder" in kind and "Bin" not in kind:
                codec = codec_of(caps.get_structure(0).get_name())
                if codec is not None:
                    return DecoderInUse(element.get_factory().get_name(), codec)
        return None

    def in_bursts(self) -> bool:
        """Return whether the stream comes as files of some seconds each, as HLS and DASH do."""
        return any("Adaptive" in kind for _, kind in self._elements())

    def _elements(self) -> Iterator[tuple[Any, str]]:
        """Yield each element and what it says that it is, such as `Codec/Demuxer/Adaptive`."""
        elements = self.pipeline.iterate_recurse()
        while True:
            result, element = elements.next()
            if result == self._gst.IteratorResult.RESYNC:  # one came or went: from the first again
                elements.resync()
                continue
            if result != self._gst.IteratorResult.OK:
                return
            factory = element.get_factory()
            yield element, factory.get_metadata("klass") if factory is not None else ""

    def stop(self) -> None:
        """Shut it down and wait a moment for that; a driver that hangs keeps a thread, not the caller."""
        self.pipeline = self.sink = None
        if not self._shut_down.alive:
            return  # also at the interpreter's own end, when no thread starts any more
        stopping = threading.Thread(target=self._shut_down, name="argus-gstreamer-stop", daemon=True)
        stopping.start()
        stopping.join(_GOODBYE_S)

    def _look_at_bus(self, wait_ns: int) -> None:
        kinds = self._gst.MessageType
        while True:
            message = self._bus.timed_pop_filtered(wait_ns, kinds.ERROR | kinds.EOS | kinds.WARNING)
            wait_ns = 0
            if message is None:
                return
            if message.type == kinds.EOS:
                self.ended = True
            elif message.type == kinds.WARNING:
                error, debug = message.parse_warning()
                self.warnings.append(_failure(message, error, debug, None).fact)
            elif self.failure is None:
                error, debug = message.parse_error()
                self.failure = _failure(message, error, debug, message.parse_error_details())


def _failure(message: Any, error: Any, debug: str | None, details: Any) -> Failure:
    status: int | None = None
    for name in ("rtsp-status-code", "http-status-code"):
        if details is not None and details.has_field(name):
            status = int(details.get_value(name))
    element = message.src.get_name() if message.src is not None else ""
    return Failure(error.domain, error.code, error.message, debug or "", status, element)
