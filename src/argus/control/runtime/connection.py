"""A control plane's connection to a keeper: questions with answers, several at a time, and a bell.

One connection, until it breaks; who makes the next one is `local`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from argus.control.runtime.protocol import RuntimeUnavailable, WorkloadNotFound
from argus.control.runtime.words import (
    LONGEST_READ,
    PROTOCOL,
    Changed,
    FromKeeper,
    Greeting,
    Refused,
    Subscribe,
    ToKeeper,
    encoded,
)
from argus.core.errors import SpecError
from argus.processes.words import Ear

T = TypeVar("T")


class SpeaksOtherwise(RuntimeUnavailable):
    """The keeper is of another version, and cannot be understood; ending it is the remedy."""


_GREETING_S: Final = 5.0


class Connection:
    """See the module. Used in one event loop."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_changed: Callable[[], None]
    ) -> None:
        """Begin to listen; see `opened`."""
        self.closed = asyncio.Event()
        """Set when it is broken, or was closed."""
        self._reader = reader
        self._writer = writer
        self._on_changed = on_changed
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[FromKeeper]] = {}
        self._greeting: asyncio.Future[Greeting] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def opened(cls, path: Path, on_changed: Callable[[], None]) -> Self:
        """Return a connection to the keeper that listens at `path`, which rings for every change.

        Raises:
            RuntimeUnavailable: none listens.
            SpeaksOtherwise: one does that cannot be understood.
        """
        try:
            async with asyncio.timeout(_GREETING_S):
                reader, writer = await asyncio.open_unix_connection(str(path))
                made = cls(reader, writer, on_changed)
                try:
                    await made._greeted()
                except BaseException:
                    await made.close()
                    raise
                return made
        except TimeoutError as error:
            raise RuntimeUnavailable(
                f"the keeper at {path} does not answer: see `run/keeper.log` in its home"
            ) from error
        except OSError as error:
            if isinstance(error, RuntimeUnavailable):
                raise
            raise RuntimeUnavailable(f"no keeper listens at {path}: {error.strerror}") from error

    @property
    def greeting(self) -> Greeting:
        """What the keeper said first."""
        return self._greeting.result()

    async def ask(self, question: Callable[[int], ToKeeper], answer: type[T]) -> T:
        """Return the answer to a question.

        Args:
            question: Makes it, given its number.
            answer: What answers it.

        Raises:
            RuntimeUnavailable: the connection broke; whether it was done is not known.
            WorkloadNotFound, SpecError: the keeper says so.
        """
        if self.closed.is_set():
            raise RuntimeUnavailable("the keeper has gone")
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(encoded(question(number)))
            with contextlib.suppress(OSError):  # what broke is told to all who wait
                await self._writer.drain()
            found = await waiting
        finally:
            self._waiting.pop(number, None)
        match found:
            case Refused(why="not-found"):
                raise WorkloadNotFound(found.message)
            case Refused(why="wrong"):
                raise SpecError(found.message)
            case Refused():
                raise RuntimeUnavailable(found.message)
        assert isinstance(found, answer)
        return found

    async def close(self) -> None:
        """Close it; idempotent."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._break()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _greeted(self) -> None:
        greeting = await self._greeting
        if greeting.protocol != PROTOCOL:
            raise SpeaksOtherwise(
                f"the keeper (pid {greeting.pid}) is of Argus {greeting.version}, which speaks otherwise: "
                "`argus down` ends it with all that it runs; the next `argus up` starts this version"
            )
        self._writer.write(encoded(Subscribe(id=0)))

    async def _listen(self) -> None:
        ear = Ear(FromKeeper)
        try:
            while data := await self._reader.read(LONGEST_READ):
                for word in ear.hear(data):
                    self._hear(word)
        except OSError:
            pass  # broken
        finally:
            self._break()

    def _hear(self, word: FromKeeper) -> None:
        match word:
            case Greeting():
                if not self._greeting.done():
                    self._greeting.set_result(word)
            case Changed():
                self._on_changed()
            case _:
                waiting = self._waiting.get(word.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(word)

    def _break(self) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        self._writer.close()
        gone = RuntimeUnavailable("the keeper has gone")
        waiting: list[asyncio.Future[Any]] = [self._greeting, *self._waiting.values()]
        for one in waiting:
            if not one.done():
                one.set_exception(gone)
                one.exception()  # also where nobody waits any more
        self._on_changed()
