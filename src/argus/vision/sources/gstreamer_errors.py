"""What an error of GStreamer means for the user: decisions over its domain, code and text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from argus.core.errors import SourceError, SourceNotFound, SourceRefused, SourceUnreachable, SourceUnreadable
from argus.core.urls import mask_urls
from argus.vision.sources.refusals import refusal, wrong_transport

_RESOURCE: Final = "gst-resource-error-quark"
_STREAM: Final = "gst-stream-error-quark"
_CORE: Final = "gst-core-error-quark"

# GstResourceError
_NOT_FOUND: Final = 3
_NOT_AUTHORIZED: Final = 15
# GstStreamError
_FAILED: Final = 1
_CODEC_NOT_FOUND: Final = 6
# GstCoreError
_MISSING_PLUGIN: Final = 12

_REMEDY: Final = "check its power and network, then the address"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as GStreamer's bus brings it."""

    domain: str
    code: int
    text: str
    """For people, in the language of the process."""
    debug: str = ""
    """For developers: where in the library, and in the last line why."""
    status: int | None = None
    """What an RTSP or HTTP server answered, where it answered."""
    element: str = ""
    """Name of the element it came from."""

    @property
    def fact(self) -> str:
        """What went wrong, in few words and without secrets."""
        last = self.debug.strip().splitlines()[-1:] or [""]
        # A first line alone says only where: `file.c(1): function (): /GstPipeline:…`.
        said = last[0] if last[0] and ".c(" not in last[0] else self.text
        match = re.search(r"\(([^()]+)\)\W*$", said)
        inner = match[1] if match and match[1] not in {"Generic error", "-1", "-5"} else said
        return mask_urls(inner.strip().rstrip("."))


def of_opening(failure: Failure, shown: str) -> SourceError:
    """Return the error for a failure before the first picture."""
    if failure.status is not None and failure.status >= 400:
        return refusal(shown, failure.status, failure.fact)
    remote = "://" in shown and not shown.startswith("file:")
    if failure.domain == _RESOURCE:
        if failure.code == _NOT_FOUND and not remote:
            return SourceNotFound(f"{shown} is not there: check the path")
        if failure.code == _NOT_AUTHORIZED:
            return SourceRefused(
                f"{shown} refuses the credentials: give them as user:password@ before the host, "
                "with %25 for a percent sign"
            )
        return SourceUnreachable(f"{shown} does not answer ({failure.fact}): {_REMEDY}")
    if failure.domain == _CORE and failure.code == _MISSING_PLUGIN:
        return SourceUnreadable(
            f"{shown} needs a part of GStreamer that is not installed ({failure.fact}): "
            "see which package brings it, for example gstreamer1.0-libav"
        )
    if failure.domain == _STREAM and failure.code == _CODEC_NOT_FOUND and "GstRTSPSrc" in failure.debug:
        return wrong_transport(shown)  # so it calls it: there are pictures, and no way to them
    if failure.domain == _STREAM and failure.code != _FAILED:
        return SourceUnreadable(f"{shown} cannot be decoded ({failure.fact}): see if a player opens it")
    if remote:
        return SourceUnreachable(f"{shown} gives nothing ({failure.fact}): {_REMEDY}")
    return SourceUnreadable(f"{shown} gives no picture ({failure.fact}): see if a player opens it")


def of_reading(failure: Failure, shown: str) -> SourceError:
    """Return the error for a failure in the midst of a stream: whatever it was, it may work again later."""
    return SourceUnreachable(f"{shown} broke off ({failure.fact}): check its power and network")
