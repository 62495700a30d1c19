"""The dead letters of a running system, wherever its channels keep them: in files, or with a broker.

What a letter is, and who writes it, is `dead_letters`; who asks from outside does so by `letter_box`.
"""

from __future__ import annotations

import builtins
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.control import RequestRefused
from argus.flow.dead_letters import DeadLetters, LetterDamaged, LetterNotFound
from argus.flow.status import DeadLetter
from argus.flow.wire import MessageDamaged

if TYPE_CHECKING:
    from argus.flow.channels.redis_dead_letters import RedisDeadLetters

LETTER_OPS: Final = frozenset({"dead", "gone", "letter", "replay", "drop"})
"""What a system is asked about its dead letters."""


class Letters:
    """Lists, reads, replays and drops; safe from any thread."""

    def __init__(
        self, folder: Path, brokered: Sequence[RedisSpec], replay: Callable[[str, bytes], None]
    ) -> None:
        """Look in a folder, and at these channels of a broker.

        Args:
            folder: Of the letters of channels without a broker.
            brokered: The channels that go through one.
            replay: Sends a message of a channel without a broker again.
        """
        self._files = DeadLetters(folder)
        self._brokered = tuple(brokered)
        self._replay = replay
        self._replaying = threading.Lock()

    def answer(self, request: Mapping[str, Any], links: Sequence[str]) -> Any:
        """Return what an asker wants; see `argus.flow.control.Control`.

        Raises:
            RequestRefused: there is no such link.
        """
        op, link, ids = request["op"], request.get("link"), request.get("ids")
        if (link is not None or op not in {"dead", "gone"}) and link not in links:
            raise RequestRefused(f"there is no link {link!r}: there is {', '.join(links)}")
        if op == "dead":
            return msgspec.to_builtins(self.list(link))
        if op == "gone":
            return self.gone(link)
        chosen = str(link)
        if op == "letter":
            [id_] = ids or [""]
            return self._of(chosen).read(chosen, str(id_))
        return self.replay(chosen, ids) if op == "replay" else self.drop(chosen, ids)

    def list(self, link: str | None) -> builtins.list[DeadLetter]:
        """Return the letters of a link, or of all, the oldest first."""
        found = self._files.list(link)
        if self._brokered:
            found += self._redis.list(link)
        return sorted(found, key=lambda letter: letter.id)

    def gone(self, link: str | None) -> int:
        """Return how many letters of a link, or of all, had to make room for newer ones."""
        return self._files.gone(link) + (self._redis.gone(link) if self._brokered else 0)

    def replay(self, link: str, ids: Sequence[str] | None) -> int:
        """Send letters of a link again (None: all of them); return how many.

        Raises:
            RequestRefused: some hold no message; all others were sent.
        """
        if self._is_brokered(link):
            return self._redis.replay(link, ids)
        sent, none = 0, []
        with self._replaying:  # who asks at the same time would send the same letters
            for letter in self._files.list(link):
                if ids is not None and letter.id not in ids:
                    continue
                try:
                    self._replay(link, self._files.read(link, letter.id))
                except (LetterDamaged, MessageDamaged):
                    none.append(letter.id)
                    continue
                except LetterNotFound:  # dropped meanwhile
                    continue
                sent += 1
                with contextlib.suppress(LetterNotFound):  # failed again: its new letter took its place
                    self._files.remove(link, letter.id)
        if none:
            raise RequestRefused(
                f"{sent} sent again; there is no whole message in {', '.join(none)}: "
                f"`argus flow dead drop --id {none[0]}` removes that"
            )
        return sent

    def drop(self, link: str, ids: Sequence[str] | None) -> int:
        """Let letters of a link go (None: all of them); return how many."""
        letters = self._of(link)
        chosen = [letter for letter in letters.list(link) if ids is None or letter.id in ids]
        for letter in chosen:
            letters.remove(link, letter.id)
        return len(chosen)

    def _of(self, link: str) -> DeadLetters | RedisDeadLetters:
        """Return where the letters of a link are."""
        return self._redis if self._is_brokered(link) else self._files

    def _is_brokered(self, link: str) -> bool:
        return any(spec.link == link for spec in self._brokered)

    @property
    def _redis(self) -> RedisDeadLetters:
        from argus.flow.channels.redis_dead_letters import RedisDeadLetters

        return RedisDeadLetters(self._brokered)
