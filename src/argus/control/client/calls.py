"""What all calls of a client share: how it asks, and how names stand in paths."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from argus.control.client.asking import Asker

Json = dict[str, Any]
Items = list[Json]
PAGE = 500
"""Items of a list that are asked for at a time."""


class Calls:
    """Some of the calls of a `Client`, which is all of them together."""

    _asker: Asker

    def _object(self, method: str, path: str, **more: Any) -> Json:
        told: Json = self._asker.json(method, path, **more)
        return told


def part(name: str) -> str:
    """Return a name as a part of a path."""
    return quote(name, safe="")
