"""The dead letters of a system as somebody outside of it has them, whether it runs or not.

Those in files are always there. Those that lie in a Redis are asked of the parts of the system that run
here, as only they know where it is (`letters`).
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from argus.core.errors import ArgusError
from argus.flow.control import Control, RequestRefused, SystemNotRunning, running
from argus.flow.dead_letters import DeadLetters, LetterNotFound
from argus.flow.home import dead_of, last_status
from argus.flow.naming import whole
from argus.flow.status import DeadLetter


class LetterBox:
    """Lists, reads, drops and replays."""

    def __init__(self, system: str) -> None:
        """Find what runs of a system, by its whole name."""
        self.system = system
        self._files = DeadLetters(dead_of(system))
        self._parts = [Control(name) for name in running() if whole(name) == system]

    @property
    def out_of_reach(self) -> bool:
        """True where there may be letters in a Redis, and nothing runs that could be asked for them."""
        last = None if self._parts else last_status(self.system)
        return last is not None and any(link.transport == "redis" for link in last.links)

    def list(self, link: str | None = None) -> builtins.list[DeadLetter]:
        """Return the letters of a link, or of all, the oldest first."""
        found = {letter.id: letter for letter in self._files.list(link)}
        for part in self._parts:
            found.update({letter.id: letter for letter in part.dead(link)})
        return sorted(found.values(), key=lambda letter: letter.at)

    def gone(self, link: str | None = None) -> int:
        """Return how many letters had to make room for newer ones."""
        return max([self._files.gone(link), *(part.gone(link) for part in self._parts)])

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
            if not any(part.drop(letter.link, [letter.id]) for part in self._parts):
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
