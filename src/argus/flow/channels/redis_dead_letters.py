"""Dead letters of links over Redis: beside the entries they came from, until they are removed or replayed.

The same questions as `argus.flow.dead_letters.DeadLetters` answers for files. At most 1000 are kept of each
channel; then the oldest go, which is counted.
"""

from __future__ import annotations

import builtins
import zlib
from collections.abc import Sequence
from typing import Any, Final

from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_fetched import size_in
from argus.flow.channels.redis_scripts import Script
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.dead_letters import LetterDamaged, LetterNotFound
from argus.flow.status import DeadLetter

_PAGE: Final = 100

REPLAY: Final = Script("""
local n = 0
for _, id in ipairs(ARGV) do
  local found = redis.call('XRANGE', D, id, id)
  if #found > 0 then
    local list, own = found[1][2], {}
    local size = 0
    for i = 9, #list, 2 do -- behind link, at, tries and reason
      own[#own + 1] = list[i]
      own[#own + 1] = list[i + 1]
      if list[i] == 's' then size = list[i + 1] end
    end
    redis.call('XADD', E, '*', unpack(own))
    redis.call('XDEL', D, id)
    add('sent', 1)
    add('bytes', bytes_of(size))
    n = n + 1
  end
end
return n
""")
"""Send dead letters again, by their ids; returns how many there were."""

REMOVE: Final = Script("""
local n = 0
for _, id in ipairs(ARGV) do
  local found = redis.call('XRANGE', D, id, id)
  if #found > 0 then
    local list = found[1][2]
    for i = 1, #list, 2 do
      if list[i] == 'b' then redis.call('HSET', L, list[i + 1], 'g') end
    end
    n = n + redis.call('XDEL', D, id)
  end
end
return n
""")
"""Throw dead letters away, by their ids; returns how many there were."""

LETTERS: Final = Script("""
local told = {}
for _, letter in ipairs(redis.call('XRANGE', D, ARGV[1], '+', 'COUNT', ARGV[2])) do
  local named = {}
  for i = 1, #letter[2], 2 do named[letter[2][i]] = letter[2][i + 1] end
  local said = {letter[1]}
  for i, what in ipairs({'link', 'at', 'tries', 'reason', 'i', 's'}) do said[i + 1] = named[what] or '' end
  told[#told + 1] = said
end
return told
""")
"""What dead letters say, from an id on, so many at most; their messages stay where they are."""


class RedisDeadLetters:
    """The dead letters of some channels; a connection is made for each question."""

    def __init__(self, specs: Sequence[RedisSpec]) -> None:
        """Look at these channels: those of a link from every replica of its producer."""
        self._specs = tuple(specs)

    def list(self, link: str | None = None) -> builtins.list[DeadLetter]:
        """Return the letters of a link, or of all, the oldest first.

        Raises:
            ChannelDown: Redis does not answer.
        """
        letters = [letter for spec in self._of(link) for letter in _all(spec)]
        return sorted(letters, key=lambda letter: letter.id)

    def read(self, link: str, id: str) -> bytes:  # noqa: A002 - it is one
        """Return the message of a letter, as it lies on a wire; the letter stays until `remove`.

        Raises:
            LetterNotFound: it is not there.
            LetterDamaged: its bytes are gone from the data Redis.
            ChannelDown: Redis does not answer.
        """
        spec, at = self._find(link, id)
        found = _asked(spec, b"XRANGE", spec.keys.dead, at, at)
        if not found:
            raise _missing(link, id)
        fields = found[0][1]
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        if b"b" not in named:
            return bytes(named[b"m"])
        if spec.data is None:
            raise LetterDamaged(
                f"dead letter {id} of {link}: its bytes are at a data Redis, and the system names none now: "
                "name it again, or remove the letter"
            )
        data = Line(spec.data)
        try:
            blob = data.call(b"GET", spec.keys.blob(named[b"b"]))
        finally:
            data.close()
        if blob is None:
            raise LetterDamaged(f"dead letter {id} of {link}: the data Redis has lost it: remove it")
        return bytes(blob)

    def remove(self, link: str, id: str) -> None:  # noqa: A002 - it is one
        """Let a letter go.

        Raises:
            LetterNotFound: it is not there.
            ChannelDown: Redis does not answer.
        """
        spec, at = self._find(link, id)
        if not _run(spec, REMOVE, at):
            raise _missing(link, id)

    def replay(self, link: str, ids: Sequence[str] | None = None) -> int:
        """Send letters of a link again, behind what waits (None: all of them); return how many.

        Raises:
            ChannelDown: Redis does not answer.
        """
        known = [letter.id for letter in self.list(link)]
        places = [self._find(link, id_) for id_ in known if ids is None or id_ in ids]
        return sum(_run(spec, REPLAY, at) for spec, at in places)

    def gone(self, link: str | None = None) -> int:
        """Return how many letters had to make room for newer ones.

        Raises:
            ChannelDown: Redis does not answer.
        """
        return sum(int(_asked(spec, b"HGET", spec.keys.counts, b"gone") or 0) for spec in self._of(link))

    def _of(self, link: str | None) -> builtins.list[RedisSpec]:
        return [spec for spec in self._specs if link in {None, spec.link}]

    def _find(self, link: str, id_: str) -> tuple[RedisSpec, bytes]:
        """Return the channel of a letter and its place there."""
        at, _, whose = id_.partition(".")
        ms, _, number = at.partition("-")
        for spec in self._of(link):
            if _whose(spec) == whose and ms.isdecimal() and number.isdecimal():
                return spec, b"%d-%d" % (int(ms), int(number))
        raise _missing(link, id_)


def _asked(spec: RedisSpec, *command: bytes) -> Any:
    line = Line(spec.control)
    try:
        return line.call(*command)
    finally:
        line.close()


def _run(spec: RedisSpec, script: Script, at: bytes) -> int:
    line = Line(spec.control)
    try:
        return int(line.run(script, spec.keys.all, at))
    finally:
        line.close()


def _all(spec: RedisSpec) -> builtins.list[DeadLetter]:
    letters: builtins.list[DeadLetter] = []
    start = b"-"
    line = Line(spec.control)
    try:
        while True:
            page = line.run(LETTERS, spec.keys.all, start, b"%d" % _PAGE)
            letters += [_letter(told, spec) for told in page]
            if len(page) < _PAGE:
                return letters
            ms, _, number = page[-1][0].partition(b"-")
            start = b"%s-%d" % (ms, int(number) + 1)
    finally:
        line.close()


def _letter(told: Sequence[bytes], spec: RedisSpec) -> DeadLetter:
    at, link, when, tries, reason, message, size = (part.decode(errors="replace") for part in told)
    ms, _, number = at.partition("-")
    return DeadLetter(
        id=f"{ms}-{int(number):04d}.{_whose(spec)}",  # sorts by time
        link=link,
        at=when,
        tries=int(tries or 0),
        reason=reason,
        message=message,
        size=size_in(size),
    )


def _whose(spec: RedisSpec) -> str:
    """Return what tells letters of a channel from those of others, made in the same millisecond."""
    return f"{spec.sender}-{zlib.crc32(spec.link.encode()):08x}"


def _missing(link: str, id_: str) -> LetterNotFound:
    return LetterNotFound(f"there is no dead letter {id_} of {link}: `argus flow dead` lists them")
