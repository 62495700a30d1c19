"""Every error Argus raises on purpose, grouped by what the caller can do about it.

A message holds the subject, the fact and the remedy, and never a password. Errors of other
libraries are translated where they enter, with `from`. The command line prints the message
alone and ends with the error's `exit_code`; a traceback is always a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ArgusError(Exception):
    """Base of all errors raised on purpose."""

    exit_code: ClassVar[int] = 1
    """What the command line returns: 1 the work failed, 2 the request itself is wrong."""


class SpecError(ArgusError, ValueError):
    """A spec, file or option says something impossible; changing it is the remedy."""

    exit_code = 2


class SourceError(ArgusError):
    """A source cannot be opened or read."""


class SourceNotFound(SourceError, FileNotFoundError):
    """Nothing is there; the path or address is wrong."""

    def __str__(self) -> str:
        """Return the message alone; OSError would print an errno that nobody set."""
        return str(self.args[0]) if self.args else ""


class SourceUnreadable(SourceError, ValueError):
    """Something is there, but it holds no picture that can be decoded."""


class SourceUnreachable(SourceError, ConnectionError):
    """A camera or server does not answer; worth retrying."""

    def __str__(self) -> str:
        """Return the message alone, as for `SourceNotFound`."""
        return str(self.args[0]) if self.args else ""


class SourceRefused(SourceError, PermissionError):
    """Something answers but does not let us in; other credentials are the remedy, not trying again."""

    def __str__(self) -> str:
        """Return the message alone, as for `SourceNotFound`."""
        return str(self.args[0]) if self.args else ""


class ModelError(ArgusError):
    """A model cannot be loaded or used as asked."""


class ModelUnreadable(ModelError, ValueError):
    """The weights are damaged, of an unknown format or of an unknown layout."""


class ModelUnavailable(ModelError, RuntimeError):
    """The engine is gone or failed; the same call may work later."""


class DownloadFailed(ModelError, ConnectionError):
    """Weights cannot be had from where they are said to be; what has arrived is kept for the next try."""

    def __str__(self) -> str:
        """Return the message alone, as for `SourceNotFound`."""
        return str(self.args[0]) if self.args else ""


class WrongTask(ModelError, TypeError):
    """A model of one task was asked to do another's work."""


class UntrustedModel(ModelError, PermissionError):
    """Loading these weights can run code in them, and nobody has said they are trusted."""

    def __str__(self) -> str:
        """Return the message alone, as for `SourceNotFound`."""
        return str(self.args[0]) if self.args else ""


class OutputError(ArgusError, OSError):
    """A result cannot be written."""

    def __init__(self, path: object, reason: object) -> None:
        super().__init__(f"cannot write {path}: {reason}")

    def __str__(self) -> str:
        """Return the message alone, as for `SourceNotFound`."""
        return str(self.args[0])


class MissingExtra(ArgusError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra {extra!r}: pip install 'argus-vision[{extra}]'")
        self.extra = extra


class PluginBroken(ArgusError):
    """An installed extension cannot be loaded; updating or removing its package is the remedy."""

    def __init__(self, kind: str, name: str, origin: str, cause: Exception) -> None:
        super().__init__(
            f"{kind} {name!r} of {origin} cannot be loaded ({type(cause).__name__}: {cause}): "
            "update that package, or uninstall it"
        )
        self.name = name


class UnknownName(SpecError, LookupError):
    """A name that is none of the known ones; the message lists them and the nearest first."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        listed = ", ".join(names) or "none"
        super().__init__(f"unknown {kind} {name!r}{did_you_mean(name, names)}; known: {listed}")
        self.name = name


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
