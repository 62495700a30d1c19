"""What things are called in a cluster: DNS labels, also where nodes are not.

Source: Kubernetes, "Object Names and IDs" (RFC 1035 labels for Services, 63 characters for label values).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 52
"""Of an object whose pods carry its name and more in a label."""


def label(text: str) -> str:
    """Return a DNS label that begins with a letter; different texts of the same look get different ones."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not plain or not plain[0].isalpha():
        plain = f"n-{plain}".strip("-")
    if plain == text and len(plain) <= _LONGEST:
        return plain
    mark = hashlib.blake2b(text.encode(), digest_size=3).hexdigest()
    return f"{plain[: _LONGEST - 7].rstrip('-')}-{mark}"


def object_names(system: str, nodes: Iterable[str]) -> dict[str, str]:
    """Return the names of the nodes' objects: the system's name, then the node's."""
    return {node: label(f"{system}-{node}") for node in nodes}


def label_value(text: str) -> str:
    """Return a text as the value of a label: itself where it is a good one."""
    good = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", text)
    return text if good else label(text)
