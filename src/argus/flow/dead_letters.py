"""Messages that were given up, kept in files until somebody looks at them or sends them again.

One file per letter, in a folder per link: a line of JSON, then the message as it lies on a wire. Written
beside and renamed, so a letter is there as a whole or not at all. They cannot fill a disk: beyond a number
or a size the oldest of a link go, which is counted and said. To send one again is the channel's.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import time
import urllib.parse
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
import structlog

from argus.core.errors import ArgusError, OutputError
from argus.flow.status import DeadLetter
from argus.flow.wire import MessageDamaged, unlay

_SUFFIX: Final = ".letter"
_GONE: Final = "gone"
_LONGEST_NAME: Final = 200
_UNFINISHED_S: Final = 60.0


class LetterNotFound(ArgusError, LookupError):
    """There is no dead letter of that id; it was sent again, removed, or had to make room."""

    def __str__(self) -> str:
        """Return the message alone; LookupError of a key would quote it."""
        return str(self.args[0])


class LetterDamaged(ArgusError, ValueError):
    """A dead letter's file is not whole; removing it is the remedy."""


class _Envelope(msgspec.Struct, frozen=True):
    """What a letter's first line says."""

    letter: DeadLetter
    checksum: int


class DeadLetters:
    """The dead letters in a folder; several processes may write to it at once."""

    def __init__(self, folder: Path, *, most: int = 1000, most_bytes: int = 1024 * 1024 * 1024) -> None:
        """Use a folder, which is made when the first letter comes.

        Args:
            folder: Where they are.
            most: Letters kept per link. More show more of what went wrong; they cost a file each.
            most_bytes: Bytes kept per link; the newest letter stays, whatever its size.
        """
        self._folder = folder
        self._most = most
        self._most_bytes = most_bytes

    def bury(self, link: str, data: bytes, reason: str, tries: int) -> str:
        """Keep a message; return the letter's id. The same message again takes the place of the first letter.

        Raises:
            OutputError: it cannot be written; there is no letter then.
        """
        message = _message_id(data)
        mark = blake2b(message.encode() or data, digest_size=8).hexdigest()
        now = datetime.now(UTC)
        letter = DeadLetter(
            id=f"{now:%Y%m%dT%H%M%S.%fZ}-{mark}",
            link=link,
            at=now.isoformat(timespec="milliseconds"),
            tries=tries,
            reason=reason,
            message=message,
            size=len(data),
        )
        folder = self._of(link)
        path = folder / (letter.id + _SUFFIX)
        unfinished = folder / f".{letter.id}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._clear_unfinished(folder)
            with unfinished.open("wb") as file:
                file.write(msgspec.json.encode(_Envelope(letter, zlib.crc32(data))) + b"\n")
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
            _sync(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise OutputError(path, error) from error
        for other in folder.glob(f"*-{mark}{_SUFFIX}"):
            if other.name < path.name:
                other.unlink(missing_ok=True)
        self._make_room(folder, link)
        return letter.id

    def list(self, link: str | None = None) -> builtins.list[DeadLetter]:
        """Return the letters of a link, or of all, the oldest first; a damaged one says so as its reason."""
        letters = []
        for folder in self._folders(link):
            for path in _paths(folder):
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    letters.append(_read(path)[0])
        return sorted(letters, key=lambda letter: letter.id)

    def read(self, link: str, id: str) -> bytes:  # noqa: A002 - it is one
        """Return the message of a letter, as it lies on a wire; the letter stays until `remove`.

        Raises:
            LetterNotFound: it is not there.
            LetterDamaged: it is not whole.
        """
        try:
            letter, data = _read(self._path(link, id))
        except FileNotFoundError:
            raise LetterNotFound(_MISSING.format(id=id, link=link)) from None
        if data is None:
            raise LetterDamaged(f"dead letter {id} of {link}: {letter.reason}: remove it")
        return data

    def remove(self, link: str, id: str) -> None:  # noqa: A002 - it is one
        """Let a letter go.

        Raises:
            LetterNotFound: it is not there.
        """
        try:
            self._path(link, id).unlink()
        except FileNotFoundError:
            raise LetterNotFound(_MISSING.format(id=id, link=link)) from None

    def gone(self, link: str | None = None) -> int:
        """Return how many letters had to make room for newer ones."""
        total = 0
        for folder in self._folders(link):
            with contextlib.suppress(FileNotFoundError):
                total += (folder / _GONE).stat().st_size
        return total

    def _of(self, link: str) -> Path:
        name = urllib.parse.quote(link, safe=" ").replace(".", "%2E")
        if len(name) > _LONGEST_NAME:
            name = name[: _LONGEST_NAME - 20] + "~" + blake2b(link.encode(), digest_size=8).hexdigest()
        return self._folder / (name or "~")

    def _folders(self, link: str | None) -> builtins.list[Path]:
        if link is not None:
            return [self._of(link)]
        with contextlib.suppress(FileNotFoundError):
            return sorted(path for path in self._folder.iterdir() if path.is_dir())
        return []

    def _path(self, link: str, id: str) -> Path:  # noqa: A002 - it is one
        path = self._of(link) / (id + _SUFFIX)
        if path.parent != self._of(link) or id.startswith(".") or not path.is_file():
            raise LetterNotFound(_MISSING.format(id=id, link=link))
        return path

    def _make_room(self, folder: Path, link: str) -> None:
        """Let the oldest go where there are too many; one byte more in a file counts each."""
        sizes: builtins.list[tuple[Path, int]] = []
        for path in _paths(folder):
            with contextlib.suppress(FileNotFoundError):
                sizes.append((path, path.stat().st_size))
        total = sum(size for _, size in sizes)
        gone = 0
        while len(sizes) > 1 and (len(sizes) > self._most or total > self._most_bytes):
            path, size = sizes.pop(0)
            total -= size
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                gone += 1
        if gone:
            with contextlib.suppress(OSError), (folder / _GONE).open("ab") as file:
                file.write(b"." * gone)
            structlog.get_logger().warning("flow.dead_letters_gone", link=link, count=gone, kept=len(sizes))

    def _clear_unfinished(self, folder: Path) -> None:
        for path in folder.glob(".*Z-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _UNFINISHED_S:
                    path.unlink()


_MISSING: Final = "there is no dead letter {id} of {link}: `argus flow dead` lists them"


def _paths(folder: Path) -> Iterator[Path]:
    """Yield the letters in a folder, the oldest first."""
    with contextlib.suppress(FileNotFoundError):
        yield from sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIX))


def _read(path: Path) -> tuple[DeadLetter, bytes | None]:
    """Return what a letter says and its message; None where it is damaged.

    Raises:
        FileNotFoundError: it is gone.
    """
    raw = path.read_bytes()
    line, _, data = raw.partition(b"\n")
    try:
        envelope = msgspec.json.decode(line, type=_Envelope)
    except msgspec.MsgspecError as error:
        link = urllib.parse.unquote(path.parent.name)
        fault = f"the letter is damaged: {error}"
        return DeadLetter(id=path.name.removesuffix(_SUFFIX), link=link, at="", tries=0, reason=fault), None
    if envelope.letter.size == len(data) and envelope.checksum == zlib.crc32(data):
        return envelope.letter, data
    fault = f"the letter is damaged: {len(data)} of {envelope.letter.size} bytes, or other ones; it was: "
    return msgspec.structs.replace(envelope.letter, reason=fault + envelope.letter.reason), None


def _message_id(data: bytes) -> str:
    from argus.flow.codec import peek

    try:
        return peek(unlay(memoryview(data))[0]).id
    except MessageDamaged:
        return ""


def _sync(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
