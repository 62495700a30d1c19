"""One door for everything that yields frames: the form of the address chooses the kind of source.

Kinds that other packages bring are found by scheme in the entry-point group `argus.sources`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import unquote

from argus.core.errors import UnknownName
from argus.core.paths import expanded, is_folder, is_there
from argus.core.plugins import load_plugin, plugin_names
from argus.core.resources.camera import Decoder
from argus.core.urls import quote_user, scheme_of
from argus.vision.sources.options import Opener, SourceOptions
from argus.vision.sources.protocol import Source

_OWN_TEXT: Final = frozenset({"gst", "file", "synthetic", "lab"})
"""Schemes whose addresses name no server and nobody's password."""
_BUILTIN: Final = {
    "rtsp": "argus.vision.sources.streams:open_rtsp",
    "rtsps": "argus.vision.sources.streams:open_rtsp",
    "http": "argus.vision.sources.http:open_http",
    "https": "argus.vision.sources.http:open_http",
    "snapshot+http": "argus.vision.sources.snapshots:open_snapshots",
    "snapshot+https": "argus.vision.sources.snapshots:open_snapshots",
    "synthetic": "argus.vision.sources.synthetic:open_synthetic",
    "lab": "argus.vision.lab.synthetic_camera:open_lab",
    "gst": "argus.vision.sources.gstreamer:open_gstreamer",
    "file": "argus.vision.sources.opening:open_file_url",
}


def open_source(
    source: str | Path | int,
    *,
    fps: float | None = None,
    name: str | None = None,
    timeout_s: float = 10.0,
    loop: bool = False,
    transport: Literal["tcp", "udp"] = "tcp",
    interval_s: float = 1.0,
    verify_tls: bool = True,
    decoder: Decoder = "auto",
) -> Source:
    """Open a source of frames and read as far as its first picture.

    Args:
        source: A file, a folder of pictures, a picture, `/dev/videoN` or the number N, or an address:
            `rtsp(s)://`, `http(s)://` (MJPEG, HLS, a picture asked for again and again, or a file),
            `snapshot+http(s)://`, `synthetic:plaza?…`, or a scheme that a plugin brings.
        fps: See `SourceOptions`, as for all that follow.
        name: Likewise.
        timeout_s: Likewise.
        loop: Likewise.
        transport: Likewise.
        interval_s: Likewise.
        verify_tls: Likewise.
        decoder: Likewise.

    Raises:
        SourceNotFound: there is nothing at that path or address.
        SourceRefused: credentials are missing or wrong.
        SourceUnreachable: the server does not answer.
        SourceUnreadable: it holds no picture that can be decoded.
        SpecError: an option or the scheme of the address makes no sense.
    """
    return open_with(
        source,
        SourceOptions(
            fps=fps,
            name=name,
            timeout_s=timeout_s,
            loop=loop,
            transport=transport,
            interval_s=interval_s,
            verify_tls=verify_tls,
            decoder=decoder,
        ),
    )


def open_with(source: str | Path | int, options: SourceOptions) -> Source:
    """Open a source with options that were put together before; see `open_source`."""
    if isinstance(source, int):
        return _open_device(f"/dev/video{source}", options)
    text = str(source)
    scheme = None if isinstance(source, Path) or is_path(text) else scheme_of(text)
    if scheme is None:
        return open_path(Path(text), options)
    try:
        opener = cast("Opener", load_plugin("source", scheme, _BUILTIN))
    except UnknownName:
        raise UnknownName("kind of source", scheme, known_schemes()) from None
    return opener(text if scheme in _OWN_TEXT else quote_user(text), options)


def known_schemes() -> list[str]:
    """Return every scheme that `open_source` knows, those of plugins included."""
    return plugin_names("source", _BUILTIN)


def open_path(path: Path, options: SourceOptions) -> Source:
    """Open what lies at a path: a device, a folder, a picture or a video."""
    from argus.vision.sources.files import expect_file, open_file
    from argus.vision.sources.folders import PICTURES, open_folder, open_image

    path = expanded(path)
    if path.is_relative_to("/dev") and path.name.startswith("video"):
        return _open_device(str(path), options)
    expect_file(path)
    if is_folder(path):
        return open_folder(path, options)
    if path.suffix.lower() in PICTURES:
        return open_image(path, options)
    return open_file(path, options)


def open_file_url(url: str, options: SourceOptions) -> Source:
    """Open `file:///path`."""
    return open_path(Path(unquote(url.removeprefix("file:").removeprefix("//"))), options)


def is_path(text: str) -> bool:
    """Return whether something lies at a path; an address of any length may be asked about."""
    return is_there(Path(text))


def _open_device(path: str, options: SourceOptions) -> Source:
    from argus.vision.sources.webcams import open_webcam

    return open_webcam(path, options)
