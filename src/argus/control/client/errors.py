"""What a server's refusals are to whoever asked: our errors, with the server's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from argus.core.errors import ArgusError, SpecError
from argus.core.urls import mask_url


class ServerMissing(ArgusError, ConnectionError):
    """No control plane answers."""

    def __init__(self, url: str | None, reason: str = "") -> None:
        where = (
            "no control plane runs here" if url is None else f"no control plane answers at {mask_url(url)}"
        )
        super().__init__(
            f"{where}{f' ({reason})' if reason else ''}: start one with `argus up`, "
            "or name another with ARGUS_SERVER"
        )

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


class RequestRefused(ArgusError):
    """The server does not do what it was asked for."""

    def __init__(self, status: int, problem: dict[str, Any], remedies: Mapping[str, str] = {}) -> None:
        detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
        kind = str(problem.get("type", "")).rpartition(":")[2]
        remedy = remedies.get(kind) or problem.get("remedy")
        # A remedy that stands in the last line alone would be read as another fault.
        separator = "\n" if "\n" in detail else ": "
        super().__init__(f"{detail}{separator}{remedy}" if remedy and remedy not in detail else detail)
        self.status = status
        self.problem = problem
        """The problem document."""

    @property
    def faults(self) -> list[dict[str, str]]:
        """Faults of fields, each with `pointer` and `detail`."""
        return list(self.problem.get("errors", ()))


class RequestInvalid(RequestRefused, SpecError):
    """The request itself is wrong; changing it is the remedy."""

    exit_code = 2


class NotThere(RequestRefused, LookupError):
    """There is no such thing."""


class Overtaken(RequestRefused):
    """Somebody else has changed it meanwhile, or it exists already."""


class NotAllowed(RequestRefused, PermissionError):
    """The server asks for a key, or for another one."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


class ServerTroubled(RequestRefused, ConnectionError):
    """A part of the server does not answer; the same call may work later."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


def refusal(status: int, body: bytes, remedies: Mapping[str, str] = {}) -> RequestRefused:
    """Return the error that an answer means.

    Args:
        status: Of HTTP.
        body: The problem document.
        remedies: Those that are said in the place of its own, by the kind of the problem.
    """
    try:
        problem = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = None
    if not isinstance(problem, dict):
        text = " ".join(body[:300].decode("utf-8", "replace").split())
        problem = {"detail": f"what answers is no control plane of Argus (status {status}): {text}"}
    class_ = _CLASSES.get(status, ServerTroubled if status >= 500 else RequestRefused)
    return class_(status, problem, remedies)


_CLASSES: dict[int, type[RequestRefused]] = {
    400: RequestInvalid, 413: RequestInvalid, 414: RequestInvalid, 415: RequestInvalid, 416: RequestInvalid,
    422: RequestInvalid, 404: NotThere, 410: NotThere, 409: Overtaken, 412: Overtaken, 423: Overtaken,
    401: NotAllowed, 403: NotAllowed,
}  # fmt: skip
