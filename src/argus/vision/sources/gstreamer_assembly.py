"""Pipelines of GStreamer for an address: RTSP put together from what a camera offers, all else from text."""

from __future__ import annotations

import re
import threading
from typing import Any, Final

from argus.core.errors import SourceUnreadable, SpecError
from argus.core.resources.camera import Decoder
from argus.core.urls import MASK, mask_url, mask_urls
from argus.vision.sources.gstreamer_binding import ELEMENT_PACKAGES, GStreamer, MissingGStreamer
from argus.vision.sources.gstreamer_decoders import (
    ENCODINGS,
    SINK,
    DecoderElement,
    decoders_for,
    tail_text,
)
from argus.vision.sources.gstreamer_session import Session
from argus.vision.sources.options import SourceOptions

# UDP packets that overtake each other are put in order within this time; TCP keeps order itself.
_LATENCY_MS: Final = {"tcp": 0, "udp": 200}
_SECRET = re.compile(
    r"((?:[\w-]*-)?(?:pw|pass\w*|token|secret|key|auth\w*)=)(?:\"[^\"]*\"|\S+)", re.IGNORECASE
)


class DecoderFailed(Exception):
    """A decoder is there and does not work with this stream; another one may."""


class RtspAssembly:
    """`rtspsrc`, and behind it what unpacks and decodes the video stream that the camera offers.

    The camera's offer comes in a thread of GStreamer; what was found lies in the attributes, for the
    thread that opens.
    """

    def __init__(self, gstreamer: GStreamer, url: str, options: SourceOptions, attempt: int) -> None:
        """Put the pipeline together, not running yet.

        Args:
            gstreamer: Loaded.
            url: With its credentials.
            options: As for every source.
            attempt: How many decoders were tried before and failed.

        Raises:
            MissingGStreamer: the element for RTSP is not installed.
        """
        self._gst = gstreamer.gst
        self._error = gstreamer.error
        self._decoder = options.decoder
        self._elements = gstreamer.elements()
        self._attempt = attempt
        self._shown = mask_url(url)
        self.offered: list[str] = []
        """Kinds of stream the camera has, such as `video`."""
        self.problem: Exception | None = None
        self.decoders: list[DecoderElement] = []
        self.flowing = threading.Event()
        """Set once a packet came."""
        self._chosen: int | None = None
        source = self._gst.ElementFactory.make("rtspsrc", "source")
        if source is None:
            raise MissingGStreamer("GStreamer has no element rtspsrc here", ELEMENT_PACKAGES)
        source.set_property("location", url)
        source.set_property("latency", _LATENCY_MS[options.transport])
        source.set_property("tcp-timeout", int(options.timeout_s * 1e6))
        source.set_property("timeout", int(options.timeout_s * 1e6))
        self._gst.util_set_object_arg(source, "protocols", options.transport)
        # The camera's own clock alone, as FFmpeg takes it: arrival times would blur what tracking measures.
        self._gst.util_set_object_arg(source, "buffer-mode", "none")
        # Cameras sign their certificates themselves; FFmpeg looks at none either.
        self._gst.util_set_object_arg(source, "tls-validation-flags", "0")
        self._source = source
        self._handlers = [
            source.connect("select-stream", self._selected),
            source.connect("pad-added", self._appeared),
        ]
        pipeline = self._gst.Pipeline.new(None)
        pipeline.add(source)
        self.session = Session(gstreamer, pipeline)

    def let_go(self) -> None:
        """Hear no more of the source: handlers would keep it alive."""
        for handler in self._handlers:
            self._source.disconnect(handler)
        self._handlers = []
        self._source = None

    @property
    def may_try_another(self) -> bool:
        """True where another decoder is left after this attempt."""
        return self._attempt + 1 < len(self.decoders)

    def _selected(self, _: Any, number: int, caps: Any) -> bool:
        """Say whether the camera shall send this stream: the first video, nothing else."""
        kind = caps.get_structure(0).get_string("media") or "data"
        self.offered.append(kind)
        if kind != "video" or self._chosen is not None:
            return False
        self._chosen = number
        return True

    def _appeared(self, _: Any, pad: Any) -> None:
        try:
            self._attach(pad)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that opens
            self.problem = error

    def _attach(self, pad: Any) -> None:
        structure = pad.get_current_caps().get_structure(0)
        if self.session.sink is not None or structure.get_string("media") != "video":
            return
        name = structure.get_string("encoding-name") or "unknown"
        chain = self._chain(f"identity name=entry silent=true ! {self._text(name.upper())}")
        # Ghost pads of the parser's own choosing would be those of elements that link later.
        entry = self._gst.GhostPad.new("sink", chain.get_by_name("entry").get_static_pad("sink"))
        chain.add_pad(entry)
        entry.add_probe(self._gst.PadProbeType.BUFFER | self._gst.PadProbeType.BUFFER_LIST, self._came)
        sink = chain.get_by_name(SINK)
        self.session.pipeline.add(chain)
        chain.sync_state_with_parent()
        pad.link(entry)
        self.session.sink = sink

    def _chain(self, text: str) -> Any:
        try:
            return self._gst.parse_bin_from_description(text, False)
        except self._error as error:
            fact = str(getattr(error, "message", error)).strip().rstrip(".")
            if self.may_try_another:
                raise DecoderFailed(fact) from error
            if self.decoders and self.decoders[-1].hardware:
                name = self.decoders[-1].name
                raise SourceUnreadable(
                    f"{self._shown} is nothing that {name} decodes ({fact}): use `decoder: gstreamer`"
                ) from error
            raise MissingGStreamer(
                f"{self._shown} cannot be unpacked here ({fact})", ELEMENT_PACKAGES
            ) from error

    def _came(self, *_: Any) -> Any:
        self.flowing.set()
        return self._gst.PadProbeReturn.REMOVE

    def _text(self, name: str) -> str:
        encoding = ENCODINGS.get(name)
        if encoding is None:
            return f"decodebin ! {tail_text()}"
        self.decoders = decoders_for(encoding, self._decoder, self._elements)
        if not self.decoders:
            raise no_decoder(self._shown, encoding.codec, self._decoder)
        chosen = self.decoders[min(self._attempt, len(self.decoders) - 1)]
        return f"{encoding.unpack} ! {chosen.text} name=decoder ! {tail_text()}"


def no_decoder(shown: str, codec: str, decoder: Decoder) -> Exception:
    """Return the error for a stream that nothing here decodes as the user wants it."""
    if decoder in {"cuda", "vaapi", "hardware"}:
        return SourceUnreadable(
            f"{shown} is encoded as {codec}, which no hardware decoder of GStreamer takes here: "
            "see `argus doctor`, or leave the choice with `decoder: gstreamer`"
        )
    return MissingGStreamer(
        f"{shown} is encoded as {codec}, and GStreamer has no decoder for that here", ELEMENT_PACKAGES
    )


def session_of_uri(gstreamer: GStreamer, uri: str, options: SourceOptions) -> Session:
    """Return a pipeline that reads an address by whatever elements suit it.

    Raises:
        MissingGStreamer: GStreamer's base elements are not installed.
    """
    turns = "videoflip" in gstreamer.elements()
    session = _parsed(gstreamer, f"uridecodebin name=source ! {tail_text(upright=turns)}")
    source = session.pipeline.get_by_name("source")
    source.set_property("uri", uri)
    source.set_property("caps", gstreamer.gst.Caps.from_string("video/x-raw(ANY)"))
    source.set_property("expose-all-streams", False)
    source.set_property("force-sw-decoders", options.decoder == "software")
    return session


def session_of_text(gstreamer: GStreamer, text: str, shown: str) -> Session:
    """Return the pipeline that a user wrote; without an appsink of its own it gets ours.

    Raises:
        SpecError: GStreamer does not understand it, or its appsink is not called `sink`.
    """
    if "appsink" not in text:
        text = f"{text} ! {tail_text()}"
    try:
        session = _parsed(gstreamer, text)
    except gstreamer.error as error:
        fact = mask_urls(str(getattr(error, "message", error))).strip().rstrip(".")
        raise SpecError(f"{shown} is no pipeline: {fact}; try it with gst-launch-1.0") from error
    if session.sink is None:
        session.stop()
        raise SpecError(f"{shown} has no place to take frames from: write `appsink name={SINK}`")
    return session


def _parsed(gstreamer: GStreamer, text: str) -> Session:
    gst = gstreamer.gst
    element = gst.parse_launch(text)
    if not isinstance(element, gst.Pipeline):
        pipeline = gst.Pipeline.new(None)
        pipeline.add(element)
        element = pipeline
    session = Session(gstreamer, element)
    session.sink = element.get_by_name(SINK)
    return session


def shown_pipeline(text: str) -> str:
    """Return a pipeline as it may be shown: secrets in addresses and properties masked."""
    return _SECRET.sub(rf"\g<1>{MASK}", mask_urls(text))
