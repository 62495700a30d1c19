"""What a blob's key may be: text that means the same in a folder, in a bucket and in an address.

Pure. Strict, because keys come from outside too: whatever could lead out of the store, hide in it or be one
file here and two there is refused before any disk or bucket hears of it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from argus.storage.blobs import BadKey

LONGEST_KEY: Final = 700
"""Signs. S3 takes 1,024 bytes, of which the prefix of the store takes some."""
LONGEST_PART: Final = 150
"""Signs. File systems take 255 bytes."""
_PART: Final = re.compile(r"[a-z0-9_][a-z0-9._-]*", re.ASCII)
_START_OF_PART: Final = re.compile(r"(?:[a-z0-9_][a-z0-9._-]*)?", re.ASCII)
_REMEDY: Final = (
    "a key is parts of small letters, digits, '-', '_' and '.' joined by '/', like snapshots/gate/abc.jpg; "
    "no part begins with '.' or '-'"
)


def checked_key(key: str) -> str:
    """Return the key.

    Raises:
        BadKey: it is none.
    """
    if not 0 < len(key) <= LONGEST_KEY:
        raise BadKey(f"blob key {_shown(key)}: it must be text of 1 to {LONGEST_KEY} signs")
    for part in key.split("/"):
        _check(part, _PART, key)
    return key


def checked_prefix(prefix: str) -> str:
    """Return what keys may begin with: nothing, a whole part, or the start of one.

    Raises:
        BadKey: no key begins so.
    """
    if len(prefix) > LONGEST_KEY:
        raise BadKey(f"prefix of blobs {_shown(prefix)}: it must be text of at most {LONGEST_KEY} signs")
    *parts, last = prefix.split("/")
    for part in parts:
        _check(part, _PART, prefix)
    _check(last, _START_OF_PART, prefix)
    return prefix


def key_part(name: str, *, otherwise: str = "file") -> str:
    """Return the nearest part of a key to a name that people or programs gave, such as a file's.

    The folder is left out and the extension stays: `/videos/Tor Süd.MP4` becomes `tor-sud.mp4`. Two names
    may become one part: who needs them apart puts something of its own before it.

    Args:
        name: Anything.
        otherwise: What it is where nothing of the name can be kept.
    """
    base = re.split(r"[/\\]", name)[-1]
    plain = unicodedata.normalize("NFKD", base).encode("ascii", "ignore").decode().lower()
    stem, dot, extension = plain.rpartition(".")
    if not dot:
        stem, extension = plain, ""
    stem = _cleaned(stem) or _cleaned(otherwise)
    extension = re.sub(r"[^a-z0-9]+", "", extension)[:16]
    whole = f"{stem[: LONGEST_PART - 17]}.{extension}" if extension else stem[:LONGEST_PART]
    return whole.rstrip(".-")


def _cleaned(text: str) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", text)
    return re.sub(r"-{2,}", "-", re.sub(r"-*\.[.-]*", ".", plain)).strip(".-")


def _check(part: str, pattern: re.Pattern[str], whole: str) -> None:
    if len(part) > LONGEST_PART:
        raise BadKey(f"blob key {_shown(whole)}: a part is longer than {LONGEST_PART} signs")
    if not pattern.fullmatch(part) or part.endswith("."):
        raise BadKey(f"blob key {_shown(whole)}: {_fault(part, whole)}; {_REMEDY}")


def _fault(part: str, whole: str) -> str:
    if whole.startswith("/"):
        return "it is an absolute path"
    if not part:
        return "a part is empty"
    if part in {".", ".."}:
        return f"{part!r} leads to another folder"
    return f"the part {part[:40]!r} has signs that keys have not"


def _shown(key: str) -> str:
    return repr(key[:80])
