"""Pipelines that are rendered, kept for as long as nothing that they were made of has changed.

What is given is what `argus.control.rendering.render` would give. A pipeline is made of its own spec, those
of its camera and of the models it names, and of the values of the secrets that these refer to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from argus.control.rendering import Obstacle, Rendered, render
from argus.core.errors import SpecError
from argus.core.resources.manifest import references
from argus.core.resources.resource import Resource
from argus.core.secrets import Secrets

_PLACES: Final = ("model", "appearance_model")
"""Fields in which a pipeline names models."""


class Traits:
    """What of a resource's spec has to be looked for in all of it."""

    __slots__ = ("models", "resource", "texts")

    def __init__(self, resource: Resource) -> None:
        """Look for it."""
        self.resource = resource
        self.texts = tuple(sorted({text for _, text in references(resource.spec)}))
        """Those that refer to secrets."""
        self.models = frozenset(_named(resource.spec)) if resource.kind == "Pipeline" else frozenset[str]()
        """What it names where a model may stand."""


@dataclass(slots=True)
class _Known:
    """One pipeline that was rendered, and of what."""

    pipeline: Resource
    camera: Resource | None
    models: Mapping[str, Resource | None]
    refers: bool
    """True where secrets are in it, which may be others although no resource is."""
    made_of: Sequence[Any]
    result: Rendered | Obstacle

    def stands(
        self, pipeline: Resource, cameras: Mapping[str, Resource], models: Mapping[str, Resource]
    ) -> bool:
        """Return whether all is plainly as it was: the very same objects."""
        return (
            self.pipeline is pipeline
            and not self.refers
            and cameras.get(pipeline.spec.get("camera") or "") is self.camera
            and all(models.get(name) is model for name, model in self.models.items())
        )


class Renderings:
    """See the module."""

    def __init__(self, secrets: Secrets) -> None:
        """Begin with nothing rendered."""
        self._secrets = secrets
        self._known: dict[str, _Known] = {}
        self._traits: dict[tuple[str, str], Traits] = {}

    def of(
        self,
        pipelines: Mapping[str, Resource],
        cameras: Mapping[str, Resource],
        models: Mapping[str, Resource],
    ) -> dict[str, Rendered | Obstacle]:
        """Return all pipelines as they are rendered now, by name."""
        values: dict[str, str | None] = {}
        known: dict[str, _Known] = {}
        for name, pipeline in pipelines.items():
            before = self._known.get(name)
            if before is None or not before.stands(pipeline, cameras, models):
                before = self._looked(before, pipeline, cameras, models, values)
            known[name] = before
        self._known = known
        if len(self._traits) > len(pipelines) + len(cameras) + len(models):
            there = {one.key for kind in (pipelines, cameras, models) for one in kind.values()}
            self._traits = {key: traits for key, traits in self._traits.items() if key in there}
        return {name: one.result for name, one in known.items()}

    def traits(self, resource: Resource) -> Traits:
        """Return what is in a resource's spec."""
        found = self._traits.get(resource.key)
        if found is None or (found.resource is not resource and found.resource.spec != resource.spec):
            found = self._traits[resource.key] = Traits(resource)
        return found

    def _looked(
        self,
        before: _Known | None,
        pipeline: Resource,
        cameras: Mapping[str, Resource],
        models: Mapping[str, Resource],
        values: dict[str, str | None],
    ) -> _Known:
        """Return one pipeline as it is now, rendered again only where it has to be."""
        camera = cameras.get(pipeline.spec.get("camera") or "")
        names = (self._filled(name) or "" if "$" in name else name for name in self.traits(pipeline).models)
        named = {name: models.get(name) for name in names}
        parts = (pipeline, camera, *named.values())
        texts = [text for one in parts if one is not None for text in self.traits(one).texts]
        for text in texts:
            if text not in values:
                values[text] = self._filled(text)
        made_of = [
            pipeline.metadata.generation,
            *(one and one.spec for one in parts),
            *named,
            *(values[text] for text in texts),
        ]
        # Compared one by one: what is the same object is not looked into.
        same = before is not None and before.made_of == made_of
        result = (
            before.result if before is not None and same else render(pipeline, cameras, models, self._secrets)
        )
        return _Known(pipeline, camera, named, bool(texts), made_of, result)

    def _filled(self, text: str) -> str | None:
        try:
            return self._secrets.fill(text, "")
        except SpecError:
            return None  # said in other words by who renders it


def _named(value: Any) -> Iterator[str]:
    """Yield what a spec names, anywhere that a model may stand."""
    if isinstance(value, dict):
        yield from (name for field in _PLACES if isinstance(name := value.get(field), str))
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
