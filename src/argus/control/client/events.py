"""Server-sent events as a client reads them, and streams of them that outlive their connection.

Source: HTML Living Standard, section 9.2.6.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import httpx

from argus.control.client.asking import Asker
from argus.control.client.errors import ServerMissing, ServerTroubled

_FIRST_S: Final = 0.25
_LONGEST_S: Final = 5.0


class ServerEvent(NamedTuple):
    """One event."""

    name: str
    data: str
    id: str
    """Of the last event that had one; empty: none had."""


class Place:
    """How far a client has read a stream."""

    def __init__(self, last: str = "") -> None:
        """Begin after an event."""
        self.last = last

    def read(self, lines: Iterable[str]) -> Iterator[ServerEvent | None]:
        """Yield events as their lines come; None at each sign of life that is none."""
        name, id_ = "", None
        data: list[str] = []
        for line in lines:
            if line == "":
                if id_ is not None:
                    self.last = id_
                yield ServerEvent(name or "message", "\n".join(data), self.last) if data else None
                name, data, id_ = "", [], None
            elif not line.startswith(":"):
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                match field:
                    case "event":
                        name = value
                    case "data":
                        data.append(value)
                    case "id" if "\0" not in value:
                        id_ = value


def follow(
    asker: Asker,
    path: str,
    params: Mapping[str, Any],
    place: Place,
    *,
    patience_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ServerEvent]:
    """Yield the events of a stream without end; where it breaks off it is asked for again, where it was.

    Args:
        asker: Asks.
        path: Of the stream.
        params: Of its query.
        place: Where to begin; says how far this has come.
        patience_s: How long a server may be gone; None: for ever, once it has answered.
        sleep: Waits.

    Raises:
        ServerMissing: nobody answers at the start, or for longer than `patience_s`.
        RequestRefused: the server says no.
    """
    answered, gone_since, wait_s = False, None, _FIRST_S
    while True:
        try:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": place.last} if place.last else {})
            with asker.stream(path, params=params, headers=headers) as response:
                answered, gone_since = True, None
                for event in place.read(response.iter_lines()):
                    wait_s = _FIRST_S
                    if event is not None:
                        yield event
        except httpx.HTTPError:
            pass  # it broke off
        except (ServerMissing, ServerTroubled):
            gone_since = gone_since or time.monotonic()
            if not answered or (patience_s is not None and time.monotonic() - gone_since > patience_s):
                raise
        sleep(wait_s)
        wait_s = min(_LONGEST_S, wait_s * 2)
