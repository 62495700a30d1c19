"""Params on their way to the replicas of nodes, and what these say to them.

A change holds when every replica that runs has taken it; where one refuses, the others take it back. What
becomes of params in a node's process is `changes`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from argus.flow.control import RequestRefused
from argus.flow.status import Change

VERDICT_S: Final = 5.0
"""How long replicas have to say what they make of a change; whoever is at work longer takes it afterwards."""

Tell = Callable[[str, dict[str, Any]], bool]


class _Asked:
    """One replica that was told of a change."""

    def __init__(self, node: str, source: str, params: dict[str, Any]) -> None:
        self.node, self.source, self.params = node, source, params
        self.said = threading.Event()
        self.answer: dict[str, Any] = {}


class Verdicts:
    """Those of one system. Safe from any thread."""

    def __init__(self, tell: Tell) -> None:
        """Begin with nothing changed.

        Args:
            tell: Tells a process something; returns False where it does not run.
        """
        self._tell = tell
        self._lock = threading.Lock()
        self._numbers = 0
        self._asked: dict[int, _Asked] = {}
        self._set: dict[str, dict[str, Any]] = {}
        """Params that were changed since the start, by node."""

    def set(
        self, node: str, sources: Sequence[str], params: Mapping[str, Any], wait_s: float = VERDICT_S
    ) -> Change:
        """Change params in all replicas of a node.

        Args:
            node: Its name.
            sources: Its replicas.
            params: Names and values.
            wait_s: Seconds that they have to say what they make of it, all together.

        Raises:
            RequestRefused: a value is not valid, or a replica cannot take it; nothing has changed.
        """
        values = dict(params)
        with self._lock:
            before = self._set.get(node, {})
            self._set[node] = {**before, **values}
        told = {number: self._ask(number, node, source, values) for number, source in self._numbered(sources)}
        until_s = time.monotonic() + wait_s
        waiting, refused, current = [], "", None
        for asked in told.values():
            if asked is None or not asked.said.wait(max(0.0, until_s - time.monotonic())):
                continue
            refused = refused or str(asked.answer.get("error", ""))
            current = asked.answer.get("ok", current)
        if refused:
            for number, asked in told.items():
                if asked is not None and "error" not in asked.answer:
                    self._tell(asked.source, {"undo": number})
                self._forget(number)
            with self._lock:
                self._set[node] = before
            raise RequestRefused(refused)
        for (number, asked), source in zip(told.items(), sources, strict=True):
            if asked is None or not asked.said.is_set():
                waiting.append(source)
            else:
                self._forget(number)
        return Change(params=current or values, waiting=tuple(waiting))

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take an answer of a replica."""
        with self._lock:
            asked = self._asked.get(message["answer"])
            if asked is None:
                return
            asked.answer = dict(message)
            if "error" in message:
                # Where nobody waits for it any more, its successor must not get it at least.
                changed = self._set.get(asked.node, {})
                self._set[asked.node] = {k: v for k, v in changed.items() if asked.params.get(k) != v}
        asked.said.set()

    def tell_successor(self, node: str, source: str) -> None:
        """Set what was set while it ran in who takes the place of a replica."""
        with self._lock:
            values = dict(self._set.get(node, {}))
            mine = [number for number, asked in self._asked.items() if asked.source == source]
        for number in mine:
            self._forget(number)
        if values:
            self._tell(source, {"set": values, "id": 0})

    def _numbered(self, sources: Sequence[str]) -> list[tuple[int, str]]:
        with self._lock:
            first = self._numbers + 1
            self._numbers += len(sources)
        return [(first + at, source) for at, source in enumerate(sources)]

    def _ask(self, number: int, node: str, source: str, values: dict[str, Any]) -> _Asked | None:
        """Tell a replica of a change; return None where it does not run."""
        asked = _Asked(node, source, values)
        with self._lock:
            self._asked[number] = asked
        if self._tell(source, {"set": values, "id": number}):
            return asked
        self._forget(number)
        return None

    def _forget(self, number: int) -> None:
        with self._lock:
            self._asked.pop(number, None)
