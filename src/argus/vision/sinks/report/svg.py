"""Elements of SVG: built as a tree, so that what is written is well-formed whatever names say."""

from __future__ import annotations

import math
import re
from xml.etree.ElementTree import Element, tostring

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def el(tag: str, attributes: dict[str, str | float] | None = None, *children: Element | str) -> Element:
    """Return an element; numbers are written with two digits, a text child becomes its text.

    Raises:
        ValueError: a number is not finite.
    """
    element = Element(tag, {name: _text(value) for name, value in (attributes or {}).items()})
    for child in children:
        if isinstance(child, str):
            element.text = _text(child)
        else:
            element.append(child)
    return element


def picture(
    width: float, height: float, name: str, title: str, description: str, *children: Element, look: str = ""
) -> str:
    """Return an `<svg>` that screen readers can tell, `name` being unique in its page."""
    attributes: dict[str, str | float] = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "class": f"chart {look}".strip(),
    }
    root = el(
        "svg",
        attributes,
        el("title", {"id": f"{name}-title"}, title),
        el("desc", {"id": f"{name}-desc"}, description),
        *children,
    )
    return tostring(root, encoding="unicode")


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", value)
    if not math.isfinite(value):
        raise ValueError(f"an SVG attribute cannot be {value}")
    return f"{value:.2f}".rstrip("0").rstrip(".") if value != int(value) else str(int(value))
