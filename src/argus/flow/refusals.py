"""Messages that `loop` failed with: refused, counted, and said, but not a hundred times a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from argus.core.late_logging import LateLogger
from argus.flow.channels.protocol import Delivery
from argus.flow.gathering import Part
from argus.flow.meters import Meters
from argus.flow.wire import MessageDamaged

_AGAIN_S: Final = 10.0
_REMEMBERED: Final = 100


class Refusals:
    """Those of one node; used by one thread."""

    def __init__(self, log: LateLogger, meters: Meters) -> None:
        """Begin with none."""
        self._log, self._meters = log, meters
        self._said: dict[str, float] = {}

    def refuse(self, parts: Sequence[Part], reason: str, error: BaseException | None = None) -> list[Part]:
        """Refuse a message, or the parts of a set.

        Args:
            parts: They, with where they came in.
            reason: For people; its last line says what happened.
            error: What was raised.

        Returns:
            Those that come again.
        """
        self._meters.failed += 1
        said = reason.strip().splitlines()[-1]
        now_s = time.monotonic()
        if now_s - self._said.get(said, -_AGAIN_S) >= _AGAIN_S:
            if len(self._said) > _REMEMBERED:
                self._said.clear()
            self._said[said] = now_s
            self._log.error("node.loop_failed", message=_id(parts[0][1]), error=said, exc_info=error)
        return [part for part in parts if part[0].receiver.refuse(part[1], reason)]


def _id(delivery: Delivery) -> str:
    try:
        return delivery.header.id
    except MessageDamaged:
        return ""
