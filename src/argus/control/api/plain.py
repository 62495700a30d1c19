"""JSON as it is taken from others: strict, so that what is taken can be kept in every store and told again.

Refused are what parsers disagree on (doubled keys, NaN, Infinity), what databases cannot keep (NUL, halves of
surrogate pairs, integers beyond 64 bits), and what is nested to hurt.

Source: RFC 8259, section 4 and 6 to 9; RFC 7493 (I-JSON).
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from argus.core.errors import SpecError

DEEPEST: Final = 64
"""Lists and objects within each other, at most."""
_LEAST, _MOST = -(2**63), 2**63 - 1


class NotJson(SpecError):
    """This is no JSON, or none that means one thing only."""


def parse_json(data: bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        NotJson: it is none.
        SpecError: it holds something that cannot be kept; see `expect_plain`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"the text is not UTF-8: byte {error.start} fits nowhere") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise NotJson(f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise SpecError(f"the text: nested more than {DEEPEST} deep") from None
    expect_plain(value)
    return value


def expect_plain(value: Any, at: str = "") -> None:
    """Check that every store can keep a value.

    Args:
        value: Objects, lists and scalars.
        at: Path to it, `spec.zones`.

    Raises:
        SpecError: it cannot be; the message names the place.
    """
    # A loop with a list of its own: what is nested to hurt shall not find our stack.
    todo: list[tuple[str, Any, int]] = [(at, value, 0)]
    while todo:
        place, one, depth = todo.pop()
        if isinstance(one, dict | list | tuple) and depth >= DEEPEST:
            raise SpecError(f"{place[:80]}…: nested more than {DEEPEST} deep")
        if isinstance(one, dict):
            for key, inner in one.items():
                _expect_text(str(key), place)
                todo.append((f"{place}.{key}" if place else str(key), inner, depth + 1))
        elif isinstance(one, list | tuple):
            todo.extend(
                (f"{place}.{i}" if place else str(i), inner, depth + 1) for i, inner in enumerate(one)
            )
        elif isinstance(one, str):
            _expect_text(one, place)
        elif isinstance(one, float) and not math.isfinite(one):
            raise SpecError(f"{place or 'the value'}: {one} is no number that can be kept")
        elif isinstance(one, int) and not _LEAST <= one <= _MOST:
            raise SpecError(f"{place or 'the value'}: this integer has more than 64 bits")


def _expect_text(text: str, place: str) -> None:
    if text.isascii():
        wrong = "\0" in text
    else:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise SpecError(f"{place or 'the text'}: holds half of a surrogate pair") from None
        wrong = "\0" in text
    if wrong:
        raise SpecError(f"{place or 'the text'}: holds the character NUL")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotJson(f"the key {double[:80]!r} stands twice in one object")
    return made


def _constant(name: str) -> Any:
    raise NotJson(f"{name} is no number of JSON")


def _integer(text: str) -> int:
    if len(text) > 20:
        raise NotJson(f"the integer {text[:20]}… has more than 64 bits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson(f"the number {text[:20]} is too large")
    return value
