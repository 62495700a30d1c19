"""The kinds of resources there are: each with its words and its spec, registered once for every door.

Files, the REST API, the command line and the JSON Schema all read this table. A system that brings a kind
of its own registers it here, and every door knows it from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.resources.job import JobSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.spec import Spec


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of resource is called, and what its spec may say."""

    name: str
    """As `kind` says it: `Camera`."""
    plural: str
    """Its section in the short form and its path in the API: `cameras`."""
    spec: type[Spec]
    short: tuple[str, ...] = ()
    """What else people may call it: `cam`."""
    text_is: str | None = None
    """Field that a text alone is, where a spec is wanted: `url`; None: a text alone is no spec."""

    @property
    def words(self) -> tuple[str, ...]:
        """All that it may be called, in small letters."""
        return tuple(dict.fromkeys((self.name.lower(), self.plural, f"{self.name.lower()}s", *self.short)))


_KINDS: Final[dict[str, Kind]] = {}


def register(kind: Kind) -> None:
    """Let every door know one more kind.

    Raises:
        SpecError: one of its words is taken.
    """
    for known in _KINDS.values():
        shared = set(known.words) & set(kind.words)
        if shared:
            raise SpecError(
                f"kind {kind.name}: {', '.join(sorted(shared))} means {known.name} already: take another word"
            )
    _KINDS[kind.name] = kind


def kinds() -> tuple[Kind, ...]:
    """Return all kinds, in the order in which they are to be applied: what others refer to comes first."""
    return tuple(_KINDS.values())


def kind_named(name: str) -> Kind:
    """Return the kind that `kind: NAME` means; letters count as they are.

    Raises:
        UnknownName: there is none; the message lists all.
    """
    try:
        return _KINDS[name]
    except KeyError:
        raise UnknownName("kind", name, _KINDS) from None


def kind_called(word: str) -> Kind:
    """Return the kind that a person means: `Camera`, `camera`, `cameras` and `cam` are one.

    Raises:
        UnknownName: nothing is called so.
    """
    small = word.lower()
    for kind in _KINDS.values():
        if small in kind.words:
            return kind
    raise UnknownName("kind of resource", word, (kind.plural for kind in _KINDS.values()))


for _kind in (
    Kind("Camera", "cameras", CameraSpec, ("cam", "cams"), text_is="url"),
    Kind("Model", "models", ModelSpec, text_is="path"),
    Kind("Pipeline", "pipelines", PipelineSpec, ("pipe", "pipes")),
    Kind("BatchJob", "jobs", JobSpec, ("job",)),
):
    register(_kind)
