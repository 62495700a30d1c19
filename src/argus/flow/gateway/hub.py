"""What interfaces show: the newest of every topic, how the system does, and its params. No socket of its own.

The node's thread puts messages in; interfaces read from threads of theirs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from argus.core.errors import UnknownName
from argus.core.urls import MASK, mask_urls
from argus.flow.control import Control, RequestRefused, SystemNotRunning
from argus.flow.gateway.topic import Topic
from argus.flow.message import Message
from argus.flow.status import Change
from argus.flow.topics import topic_of

SOCKET: Final = "ARGUS_FLOW_SOCKET"
"""Names the control socket of the system that a node's process belongs to."""
_STATUS_S: Final = 0.4
"""However many ask, the system itself is asked so often."""


class Settings(Protocol):
    """What the hub is told of pictures; can be replaced while it runs."""

    @property
    def quality(self) -> int:
        """Of the JPEGs, 1..100."""
        ...

    @property
    def fps(self) -> float | None:
        """Pictures per second and topic at most."""
        ...


class Hub:
    """See the module. Safe from any thread."""

    def __init__(self, settings: Settings, socket: str | None = None, node: str = "") -> None:
        """Begin without topics.

        Args:
            settings: Of the pictures.
            socket: The system's control socket; None: as the environment says.
            node: What the gateway is called in its system.
        """
        self.settings = settings
        self._node = node
        self._socket = socket or os.environ.get(SOCKET)
        self._topics: dict[str, Topic] = {}
        self._listeners: tuple[Callable[[str], None], ...] = ()
        self._asking = threading.Lock()
        self._status: tuple[float, dict[str, Any]] = (float("-inf"), {})

    def put(self, message: Message) -> None:
        """Take a message; never waits for those who look."""
        name = topic_of(message)
        topic = self._topics.get(name)
        if topic is None:
            topic = Topic(name)
            self._topics = {**self._topics, name: topic}
        size = self._size_of(message.header.origin.source)
        topic.put(message.value, message.header, self.settings.fps, size)
        for listener in self._listeners:
            listener(name)

    def listen(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with a topic's name when a message came, in the node's thread: it must be quick.

        Returns:
            What ends that.
        """
        self._listeners = (*self._listeners, listener)

        def leave() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return leave

    @property
    def topics(self) -> Mapping[str, Topic]:
        """All topics that a message came of."""
        return self._topics

    def topic(self, name: str) -> Topic:
        """Return a topic.

        Raises:
            UnknownName: no message of it came yet; the known ones are listed.
        """
        try:
            return self._topics[name]
        except KeyError:
            raise UnknownName("topic", name, self._topics) from None

    def picture_of(self, name: str) -> str | None:
        """Return the topic whose pictures a topic's detections are of: the soonest of the same origin."""
        topic = self._topics[name]
        pictures = [t for t in self._topics.values() if t.kind == "picture" and t.source == topic.source]
        pictures.sort(key=lambda t: (t.hops, t.name))
        return pictures[0].name if pictures else None

    def listing(self) -> list[dict[str, Any]]:
        """Return what there is to see, by name."""
        return [self._entry(topic) for _, topic in sorted(self._topics.items())]

    def status(self) -> dict[str, Any]:
        """Return how the system does, passwords masked; at most a moment old.

        Raises:
            SystemNotRunning: this gateway belongs to no running system.
        """
        with self._asking:
            if time.monotonic() - self._status[0] > _STATUS_S:
                told = msgspec.to_builtins(self._control().status())
                self._status = time.monotonic(), masked(told)
            return self._status[1]

    def set(self, node: str, params: Mapping[str, Any]) -> Change:
        """Change params of a node; return what became of it, passwords masked.

        What the node itself makes of them is waited for, unless it is this gateway, which is asked meanwhile.

        Raises:
            RequestRefused: they are not valid; nothing has changed.
            SystemNotRunning: this gateway belongs to no running system.
        """
        for name, value in params.items():
            if isinstance(value, str) and MASK in value:
                raise RequestRefused(f"{node}: {name}: holds {MASK} where a password was: give it whole")
        change = self._control().set(node, params, wait=node != self._node)
        with self._asking:
            self._status = float("-inf"), {}
        return Change(params=masked(change.params), waiting=change.waiting)

    def _control(self) -> Control:
        if self._socket is None:
            raise SystemNotRunning(
                f"this gateway belongs to no running system ({SOCKET} is not set): "
                "start it with `argus flow run`"
            )
        return Control(path=self._socket)

    def _size_of(self, source: str) -> tuple[int, int] | None:
        for topic in self._topics.values():
            if topic.kind == "picture" and topic.source == source:
                return topic.size
        return None

    def _entry(self, topic: Topic) -> dict[str, Any]:
        width, height = topic.size or (None, None)
        silent_s = topic.silent_s
        return {
            "topic": topic.name,
            "kind": topic.kind,
            "source": topic.source,
            "over": self.picture_of(topic.name) if topic.kind == "detections" else None,
            "hops": topic.hops,
            "width": width,
            "height": height,
            "messages": topic.count,
            "rate": round(topic.rate, 2),
            "silent_s": round(silent_s, 2),
            "viewers": topic.watching,
        }


def masked(value: Any) -> Any:
    """Return a JSON value with the passwords of all addresses in it masked."""
    if isinstance(value, str):
        return mask_urls(value)
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
