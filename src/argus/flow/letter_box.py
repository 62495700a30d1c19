"""The dead letters of a system as somebody outside of it has them, whether it runs or not.

Those in files are always there. Those that lie in a Redis are asked of the parts of the system that run
here (`letters`); where none does, the system's file says where they are.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING

from argus.core.errors import ArgusError
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.control import Control, RequestRefused, SystemNotRunning, running
from argus.flow.dead_letters import DeadLetters, LetterNotFound
from argus.flow.home import dead_of, last_status
from argus.flow.naming import whole
from argus.flow.qos import Durable
from argus.flow.status import DeadLetter

if TYPE_CHECKING:
    from argus.flow.channels.redis_dead_letters import RedisDeadLetters


class LetterBox:
    """Lists, reads, drops and replays."""

    def __init__(self, system: str) -> None:
        """Find what runs of a system, by its whole name."""
        self.system = system
        self._files = DeadLetters(dead_of(system))
        self._parts = [Control(name) for name in running() if whole(name) == system]
        last = None if self._parts else last_status(system)
        brokered = last is not None and any(link.transport == "redis" for link in last.links)
        script = last.script if brokered and last is not None else None
        self._brokered = None if script is None else _brokered(script, system)
        self.out_of_reach = brokered and self._brokered is None
        """True where there may be letters in a Redis, and nothing says where that is."""

    def list(self, link: str | None = None) -> builtins.list[DeadLetter]:
        """Return the letters of a link, or of all, the oldest first.

        Raises:
            ChannelDown: they are in a Redis that does not answer.
        """
        letters = self._files.list(link)
        for part in self._parts:
            letters += part.dead(link)
        if self._brokered is not None:
            letters += self._brokered.list(link)
        # Files are seen by all parts, and a letter by each.
        return sorted({(one.link, one.id): one for one in letters}.values(), key=lambda letter: letter.at)

    def gone(self, link: str | None = None) -> int:
        """Return how many letters had to make room for newer ones."""
        gone = self._files.gone(link) + (0 if self._brokered is None else self._brokered.gone(link))
        return max([gone, *(part.gone(link) for part in self._parts)])

    def read(self, letter: DeadLetter) -> bytes:
        """Return the message of a letter, as it lies on a wire.

        Raises:
            LetterDamaged: it is not whole.
            RequestRefused: whoever has it cannot give it.
        """
        try:
            return self._files.read(letter.link, letter.id)
        except LetterNotFound as error:
            why: ArgusError = error
        if self._brokered is not None:
            return self._brokered.read(letter.link, letter.id)
        for part in self._parts:
            try:
                return part.letter(letter.link, letter.id)
            except RequestRefused as error:
                why = error
        raise why

    def drop(self, letter: DeadLetter) -> None:
        """Let a letter go.

        Raises:
            LetterNotFound: it is gone already.
        """
        try:
            self._files.remove(letter.link, letter.id)
        except LetterNotFound:
            if self._brokered is not None:
                self._brokered.remove(letter.link, letter.id)
            elif not any(part.drop(letter.link, [letter.id]) for part in self._parts):
                raise

    def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Send letters again, to the parts that their links are in; return how many.

        Raises:
            SystemNotRunning: nothing runs that they could be sent to.
            RequestRefused: the part that they belong to does not run.
        """
        if not self._parts:
            raise SystemNotRunning(
                f"{self.system} does not run: letters are sent again to a system that does: "
                "start it with `argus flow run main.py`"
            )
        by_link: dict[str, builtins.list[str]] = {}
        for letter in letters:
            by_link.setdefault(letter.link, []).append(letter.id)
        return sum(self._replay(link, ids) for link, ids in by_link.items())

    def _replay(self, link: str, ids: Sequence[str]) -> int:
        """Send letters of one link again, to the first part that takes them."""
        why: RequestRefused | None = None
        for part in self._parts:
            try:
                if sent := part.replay(link, ids):
                    return sent
            except RequestRefused as error:
                why = error
        if why is not None:
            raise why
        return 0


def _brokered(script: str, system: str) -> RedisDeadLetters | None:
    """Return what a system that does not run has with its broker; None where its file does not tell."""
    from argus.flow.channels.redis_dead_letters import RedisDeadLetters
    from argus.flow.system import load_graph

    try:
        graph = load_graph(script, system)
    except ArgusError:
        return None
    control = graph.broker.control
    if control is None:
        return None
    return RedisDeadLetters(
        [
            RedisSpec(
                system=graph.name,
                link=link.id,
                sender=replica,
                qos=link.qos,
                control=control,
                data=graph.broker.data,
            )
            for link in graph.links
            if isinstance(link.qos, Durable)
            for replica in range(graph.node(link.source).replicas)
        ]
    )
