"""Which system is meant by what somebody typed: its name, what that begins with, or nothing for the only one.

Over names that are given; which systems run is `control`, which have run `home`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from argus.core.errors import SpecError


class SystemUnclear(SpecError):
    """Several systems can be meant."""

    def __init__(self, asked: str | None, found: Sequence[str]) -> None:
        """Say which.

        Args:
            asked: What was typed; None: nothing.
            found: Those that it can mean.
        """
        what = "which system?" if asked is None else f"which system is {asked}?"
        names = ", ".join(found)
        super().__init__(f"{what} there are {names}: name one of them, or what it alone begins with")


def meant(asked: str | None, *tiers: Collection[str]) -> str | None:
    """Return the name that was meant; None where none of them can be.

    Args:
        asked: The name, or what it begins with; None: the only one there is.
        *tiers: Names that there are. A whole name is found in all of them; what a name begins with in the
            first one that has such a name.

    Raises:
        SystemUnclear: it can be several.
    """
    if asked is not None and any(asked in names for names in tiers):
        return asked
    for names in tiers:
        found = sorted(name for name in names if asked is None or name.startswith(asked))
        if len(found) > 1:
            raise SystemUnclear(asked, found)
        if found:
            return found[0]
    return None


def whole(name: str) -> str:
    """Return the system that a part belongs to: `yard` of `yard.camera+yolo`; a whole one is its own."""
    return name.partition(".")[0]
