"""Which bytes a `Range` asks for. Pure.

Source: RFC 9110, section 14. One range is served; of several the whole is, as it allows.
"""

from __future__ import annotations

import re
from typing import Final

_ONE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class Unsatisfiable(ValueError):
    """The range lies beyond the end."""


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last; None: all of them.

    Args:
        header: As it came.
        size: Bytes that there are.

    Raises:
        Unsatisfiable: there are no such bytes.
    """
    match = _ONE.fullmatch(header.strip().replace(" ", "")) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        count = int(match[2])
        if count == 0 or size == 0:
            raise Unsatisfiable
        return max(0, size - count), size
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, min(last + 1, size)
