"""What the process of a node hears from its supervisor: that it shall begin, change, or come to an end.

New params wait here until the node takes them, between two calls of `loop`; its verdict is the answer. What
the supervisor's side makes of answers is `verdicts`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from argus.core.urls import mask_url
from argus.flow.graph import NodeSpec
from argus.flow.loading import FunctionNode, NodeBroken, settable, validated
from argus.flow.node import Node
from argus.processes.line import Line


class Changes:
    """Heard in the line's thread, taken in the node's."""

    def __init__(self, node: Node, spec: NodeSpec, line: Line) -> None:
        """Begin with none."""
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._node = node
        self._name = spec.name
        self._line = line
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._wanted: deque[tuple[int, dict[str, Any]]] = deque()
        self._before: tuple[int, Any] | None = None
        """The last change that was taken, and the params before it."""
        self.stop: Callable[[], None] = _nothing
        """Called when the node shall come to an end."""
        self.finish: Callable[[], None] = _nothing
        """Called when its inputs have ended and everything was had."""
        self.end_inputs: Callable[[], None] = _nothing
        """Called when nothing more will be sent to it."""

    def hear(self, message: dict[str, Any]) -> None:
        """Take a message of the supervisor; called in the line's thread."""
        if "go" in message:
            self._go.set()
        elif "set" in message:
            self._want(message["id"], message["set"])
        elif "undo" in message:
            self._undo(message["undo"])
        elif message.get("over"):
            self.end_inputs()
        elif message.get("finish") or message.get("drain"):
            (self.finish if message.get("finish") else self.stop)()
            self._go.set()
            os.eventfd_write(self.wake, 1)

    def wait_for_go(self, stopping: Callable[[], bool]) -> None:
        """Wait until those who take from a producer are there, so that they miss nothing of its beginning."""
        while not self._go.wait(0.25) and not stopping():
            pass

    def settle(self) -> None:
        """Let the node have what was asked for, and say what it makes of it; called in the node's thread."""
        while self._wanted:
            with self._lock:
                if not self._wanted:
                    return
                number, values = self._wanted.popleft()
                if not self._wanted:
                    os.eventfd_read(self.wake)
            self._take(number, values)

    def _take(self, number: int, values: dict[str, Any]) -> None:
        kept = self._node.params
        try:
            wanted = self._checked(values)
        except NodeBroken as error:  # what was valid beside params that have changed meanwhile
            self._line.tell({"answer": number, "error": str(error)})
            return
        before, after = plain(kept), plain(wanted)
        self._node.params = wanted
        changed = frozenset(name for name, value in after.items() if not _same(before.get(name), value))
        try:
            if changed:
                self._node.on_params(changed)
        except Exception as error:
            self._node.params = kept
            self._node.log.exception("node.params_not_taken", changed=sorted(changed))
            said = str(error) or type(error).__name__
            self._line.tell({"answer": number, "error": f"node {self._name}: {said}"})
        else:
            self._before = (number, kept)
            self._line.tell({"answer": number, "ok": shown(self._node.params)})

    def _want(self, number: int, values: dict[str, Any]) -> None:
        """Keep values for the node, or answer what is wrong with them."""
        try:
            self._checked(values)
        except NodeBroken as error:
            self._line.tell({"answer": number, "error": str(error)})
            return
        with self._lock:
            # Written first: whoever finds new params can read it empty.
            os.eventfd_write(self.wake, 1)
            self._wanted.append((number, values))

    def _undo(self, number: int) -> None:
        """Take a change back that another replica did not take."""
        with self._lock:
            waiting = [change for change in self._wanted if change[0] != number]
            if len(waiting) < len(self._wanted):
                self._wanted = deque(waiting)
                if not waiting:
                    os.eventfd_read(self.wake)
                return
        if self._before is not None and self._before[0] == number:
            self._want(0, plain(self._before[1]))

    def _checked(self, values: dict[str, Any]) -> Any:
        """Return the params with other values.

        Raises:
            NodeBroken: they are not valid.
        """
        current = self._node.params
        if isinstance(self._node, FunctionNode):
            known = settable(self._node)
            strange = sorted(set(values) - set(known))
            if strange:
                takes = ", ".join(sorted(known)) or "nothing"
                raise NodeBroken(f"node {self._name}: takes no {', '.join(strange)}: it takes {takes}")
            return {**(current or {}), **values}
        if self._node.Params is None:
            raise NodeBroken(f"node {self._name}: has no params")
        return validated(self._node.Params, {**plain(current), **values}, self._name)


def _nothing() -> None:
    """Begin with nobody to stop."""


def plain(params: Any) -> dict[str, Any]:
    """Return params as names and values."""
    if params is None:
        return {}
    if isinstance(params, dict):
        return params
    dumped: dict[str, Any] = params.model_dump(mode="json", fallback=str)
    return dumped


def shown(params: Any) -> dict[str, Any]:
    """Return params as others may see them: no passwords, and what is no JSON as text."""
    return {
        name: mask_url(value) if isinstance(value, str) and "://" in value else _sayable(value)
        for name, value in plain(params).items()
    }


def _same(before: Any, after: Any) -> bool:
    """Return whether a param has not changed; of an array, say, `==` alone does not tell."""
    if before is after:
        return True
    try:
        return bool(before == after)
    except ValueError:
        return False


def _sayable(value: Any) -> Any:
    """Return what JSON can say of a value: a function's defaults, as all of its params, may be anything."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return ascii(value)
