"""One thing that was looked at: what was found, and what installs or mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part of the machine."""

    area: str
    """Group for people: `system`, `video`, `inference`, `extras`."""
    name: str
    state: State
    """`missing`: Argus works without it, but could do more with it."""
    detail: str
    """What was found, in words."""
    remedy: str | None = None
    """The exact command or step that installs or mends it."""
    required: bool = False
    """True where Argus cannot do its main job without it."""
    data: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""

    @property
    def healthy(self) -> bool:
        """False where something required does not work."""
        return self.state == "ok" or not self.required

    def to_json(self) -> dict[str, Any]:
        """Return the finding as one JSON object."""
        return {
            "area": self.area,
            "name": self.name,
            "state": self.state,
            "required": self.required,
            "detail": self.detail,
            "remedy": self.remedy,
            **({"data": self.data} if self.data else {}),
        }


Look = Callable[[], Iterator[Finding]]


def looked(look: Look, area: str, name: str, remedy: str) -> list[Finding]:
    """Return what `look` finds; a crash of it is a finding too, since a broken package may raise anything."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except Exception as error:  # noqa: BLE001 - see above
        reason = " ".join(str(error).split())[:200]
        found.append(
            Finding(area, name, "broken", f"{type(error).__name__}: {reason}", remedy=remedy, required=True)
        )
    return found
