"""What a server's refusal means for the user: one wording for every protocol that speaks HTTP's codes."""

from __future__ import annotations

from argus.core.errors import SourceError, SourceNotFound, SourceRefused, SourceUnreachable, SourceUnreadable


def wrong_transport(shown: str) -> SourceError:
    """Return the error for a server that does not send over TCP, or UDP, as it was asked to."""
    return SourceUnreadable(
        f"{shown} answers, but does not send its pictures that way: "
        "set `transport` of the camera to the other one, `udp` or `tcp`"
    )


def refusal(shown: str, code: int, reason: str) -> SourceError:
    """Return the error for a status code of HTTP or RTSP.

    Args:
        shown: The address without its secrets.
        code: The status, 400 or above; others too where an answer is of no use.
        reason: What the server says about it.
    """
    if code == 401:
        return SourceRefused(
            f"{shown} refuses the credentials (401): give them as user:password@ before the host, "
            "with %25 for a percent sign"
        )
    if code == 403:
        return SourceRefused(f"{shown} is forbidden (403): use another user, or allow this one to see it")
    if code in {404, 410}:
        return SourceNotFound(f"{shown} is not there ({code}): the server answers, the path is wrong")
    if code >= 500 or code in {408, 429}:
        return SourceUnreachable(f"{shown} fails ({reason}): look at the server, then try again")
    return SourceUnreadable(f"{shown} gives no stream ({reason}): check the address")
