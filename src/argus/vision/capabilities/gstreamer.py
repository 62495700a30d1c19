"""GStreamer: whether its source works in this process, and what decodes there."""

from __future__ import annotations

from collections.abc import Iterator

from argus.core.errors import MissingExtra
from argus.vision.capabilities.finding import Finding

_CODECS = ("H264", "H265", "JPEG", "AV1")


def look_at_gstreamer() -> Iterator[Finding]:
    """Yield GStreamer with the first decoder of each kind that would be tried."""
    from argus.vision.sources.gstreamer_binding import ELEMENT_PACKAGES, MissingGStreamer, load_gstreamer
    from argus.vision.sources.gstreamer_decoders import ENCODINGS, decoders_for

    try:
        gstreamer = load_gstreamer()
    except MissingExtra as error:
        yield Finding(
            "extras",
            "gstreamer",
            "missing",
            f"not installed: {error.fact}" if isinstance(error, MissingGStreamer) else str(error),
            remedy=f"sudo apt-get install {error.packages}" if isinstance(error, MissingGStreamer) else None,
            data={"installed": False, "version": None},
        )
        return
    available = gstreamer.elements()
    decoders = {
        ENCODINGS[name].codec: [each.name for each in decoders_for(ENCODINGS[name], "auto", available)]
        for name in _CODECS
    }
    missing = [codec for codec in ("h264", "hevc") if not decoders[codec]]
    if "rtspsrc" not in available:
        missing.insert(0, "rtspsrc")
    first = ", ".join(f"{codec} by {names[0]}" for codec, names in decoders.items() if names)
    yield Finding(
        "extras",
        "gstreamer",
        "missing" if missing else "ok",
        f"{gstreamer.version}: {first or 'decodes nothing'}"
        + (f"; no {', '.join(missing)}" if missing else ""),
        remedy=f"sudo apt-get install {ELEMENT_PACKAGES}" if missing else None,
        data={"installed": True, "version": gstreamer.version, "decoders": decoders},
    )
