"""Where the next page of a list begins, as a text that only the store understands.

It holds the place of the last item that was told, not a number of items: what is written meanwhile moves
nothing.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import msgspec

from argus.storage.protocol import BadCursor

_LONGEST: Final = 2048
_MOST: Final = 2**63


@dataclass(frozen=True, slots=True)
class Place:
    """Behind what a list goes on: the item's time, and what tells it from others of that time."""

    at_us: int
    tie: int | str


def cursor_of(kind: str, place: Place) -> str:
    """Return the cursor of a place in the list of a kind."""
    data = msgspec.json.encode([kind, place.at_us, place.tie])
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def place_of(kind: str, cursor: str | None, tie: type[int | str] = int) -> Place | None:
    """Return the place that a cursor stands for; None for None.

    Raises:
        BadCursor: no page of this kind's list gave it out.
    """
    if cursor is None:
        return None
    wrong = BadCursor(f"{cursor[:60]!r} is no cursor of a page of {kind}: give back the one that a page had")
    if len(cursor) > _LONGEST:
        raise wrong
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found, at_us, value = msgspec.json.decode(data, type=tuple[str, int, int | str])
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise wrong from error
    if found != kind or type(value) is not tie or not -_MOST <= at_us < _MOST:
        raise wrong
    if isinstance(value, int) and not -_MOST <= value < _MOST:
        raise wrong
    return Place(at_us, value)


def page_size(limit: int) -> int:
    """Return how many items a page has: at least one, at most 1,000."""
    return max(1, min(int(limit), 1000))
