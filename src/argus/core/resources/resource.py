"""A resource as it is kept and told: what somebody wants, and what became of it. Values only.

The envelope is Kubernetes' own. `spec` is the JSON form of the kind's spec with defaults filled in and every
`${NAME}` left as it was written, so that no secret is in it. `status` is written by Argus alone.

Source: Kubernetes API conventions (objects, metadata, conditions).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

API_VERSION: Final = "argus.dev/v1"
_UNTOLD: Final = "desiredVersion"

Truth = Literal["True", "False", "Unknown"]


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that is or is not so about a resource."""

    type: str
    """What it is about, in one word: `Ready`, `Accepted`, `Online`."""
    status: Truth
    reason: str
    """Why, in one CamelCase word for programs: `ModelUnreadable`."""
    message: str = ""
    """Why, in a sentence for people, with what to do about it."""
    last_transition_time: datetime
    """Since when `status` is so, UTC."""
    observed_generation: int = 0
    """Generation of the spec that this was said of."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a resource is called, and what the store knows of it."""

    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    uid: str = ""
    """Tells one that was deleted and made again from the first."""
    resource_version: str = ""
    """Changes with every change of it; sent back, it makes a change fail that somebody else has overtaken."""
    desired_version: str = ""
    """Its version when what people write of it changed last: labels, annotations, spec, that it shall go."""
    generation: int = 0
    """Counts the changes of `spec`, from 1."""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    """When somebody asked for it to be deleted; it goes when `finalizers` is empty."""
    finalizers: tuple[str, ...] = ()
    """Who has something to put in order before it may go."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants a resource to be: checked, in its full form, not yet kept."""

    kind: str
    name: str
    spec: dict[str, Any]
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    resource_version: str | None = None
    """The version that it was made from; None: whatever is there."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One resource at one moment."""

    kind: str
    metadata: Metadata
    spec: dict[str, Any]
    status: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name, which no two share."""
        return self.kind, self.metadata.name

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those in its status."""
        return tuple(msgspec.convert(self.status.get("conditions", []), tuple[Condition, ...]))

    def condition(self, type_: str) -> Condition | None:
        """Return one condition; None where nothing was said about that yet."""
        return next((c for c in self.conditions if c.type == type_), None)

    def to_json(self) -> dict[str, Any]:
        """Return the envelope; times as RFC 3339 texts, empty metadata and `desired_version` left out."""
        metadata = {
            k: v
            for k, v in msgspec.to_builtins(self.metadata).items()
            if k != _UNTOLD and v not in (None, "", {}, [], (), 0)
        }
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": metadata,
            "spec": self.spec,
            "status": self.status,
        }


def with_conditions(before: Iterable[Condition], now: Sequence[Condition]) -> list[dict[str, Any]]:
    """Return conditions for a status: those of `now`, dated from when each came to be as it is.

    Args:
        before: Those of the last status.
        now: All that is said at present.
    """
    dated = {c.type: c for c in before}
    out = []
    for condition in now:
        last = dated.get(condition.type)
        same = last is not None and last.status == condition.status
        since = last.last_transition_time if last is not None and same else condition.last_transition_time
        out.append(msgspec.to_builtins(msgspec.structs.replace(condition, last_transition_time=since)))
    return out


def utc_now() -> datetime:
    """Return the wall clock's time, UTC, in whole milliseconds, as it is written in resources and records."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
