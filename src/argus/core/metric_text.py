"""The text form of metrics: one line a sample, written and read. Knows no metric's meaning.

Source: Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are written."""

_ESCAPES: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
_TO_ESCAPE: Final = re.compile(r'[\\"\n]')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_LABEL: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)', re.ASCII)
_NAMED: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]?Inf", re.ASCII)
_TIMESTAMP: Final = re.compile(r"-?\d+", re.ASCII)
_LONGEST_VALUE: Final = 1000
_LONGEST_LINE: Final = 16_384


def is_label(name: str) -> bool:
    """Return whether a label may be called so."""
    return _NAME.fullmatch(name) is not None and not name.startswith("__")


def clean(value: str) -> str:
    """Return a label's value as it can be written: no half characters, not endless."""
    return value[:_LONGEST_VALUE].encode("utf-8", "replace").decode()


def sample(name: str, labels: Labels, value: float) -> str:
    """Return one line without its end."""
    inner = joined(labels)
    return f"{name}{{{inner}}} {number(value)}" if inner else f"{name} {number(value)}"


def joined(labels: Labels) -> str:
    """Return labels as they stand between braces."""
    return ",".join([f'{key}="{escaped(text)}"' for key, text in labels])


def escaped(text: str) -> str:
    r"""Return a label's value between its quotes: `\`, `"` and line ends escaped."""
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], text)


def help_line(name: str, text: str) -> str:
    """Return the line that says what a metric means."""
    return f"# HELP {name} " + text.replace("\\", r"\\").replace("\n", r"\n")


def number(value: float) -> str:
    """Return a value as it is written: whole numbers without a point."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    whole = int(value)
    return str(whole) if whole == value and abs(whole) < 1 << 53 else repr(float(value))


def split_sample(line: str) -> tuple[str, str, float] | None:
    """Return name, text between the braces and value of a line; None where it says no sample.

    Nothing is known of the text between the braces until `read_labels` has read it.
    """
    if len(line) > _LONGEST_LINE:
        return None
    head, brace, rest = line.partition("{")
    if brace:
        inner, brace, rest = rest.rpartition("}")
        if not brace:
            return None
    else:
        head, _, rest = line.partition(" ")
        inner = ""
    name, words = head.strip(), rest.split()
    if len(words) == 2 and _TIMESTAMP.fullmatch(words[1]):
        del words[1]
    if len(words) != 1 or not _NUMBER.fullmatch(words[0]) or not _NAMED.fullmatch(name):
        return None
    return name, inner, float(words[0])


def split_le(inner: str) -> tuple[str, str | None]:
    """Return labels without a last one called `le`, and its value; quotes within values are escaped."""
    rest, found, le = inner.rpartition(',le="')
    if not found and inner.startswith('le="'):
        rest, found, le = "", "le", inner[4:]
    if not found or not le.endswith('"') or '"' in le[:-1]:
        return inner, None
    return rest, le[:-1]


def read_number(text: str) -> float | None:
    """Return a number as it is written in a text of metrics; None: it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def read_labels(text: str) -> dict[str, str] | None:
    """Return the labels of a text between braces; None where it says none."""
    labels: dict[str, str] = {}
    at, text = 0, text.strip()
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None or match[1] in labels:
            return None
        labels[match[1]] = _ESCAPED.sub(_unescaped, match[2])
        at = match.end()
    return labels


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1] if match[1] in '\\"' else match[0]


def in_order(labels: Mapping[str, str], declared: tuple[str, ...]) -> Labels:
    """Return labels as they are written: the declared ones as declared, then others by name."""
    others = sorted(labels.keys() - set(declared))
    return tuple((name, labels[name]) for name in (*declared, *others) if name in labels)
