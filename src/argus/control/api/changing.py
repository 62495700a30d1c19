"""Changing one resource by a rule: read, change, write; again where somebody else was faster."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import msgspec

from argus.control.api.drafts import draft_of
from argus.control.api.resources import editable
from argus.control.store.protocol import Conflict, ResourceStore
from argus.core.resources.kinds import kind_named
from argus.core.resources.resource import Resource

_TRIES: Final = 5


async def changed(
    store: ResourceStore,
    kind: str,
    name: str,
    change: Callable[[dict[str, Any]], None],
    *,
    dry_run: bool = False,
) -> Resource:
    """Return a resource as it is after a change.

    Args:
        store: Keeps it.
        kind: Its kind.
        name: Its name.
        change: Changes its envelope in place; may be called several times.
        dry_run: Say what would be.

    Raises:
        ResourceNotFound: there is none.
        ManifestError: changed so, it is not valid.
        Conflict: others change it all the time, or it is being deleted.
    """
    for left in reversed(range(_TRIES)):
        current = await store.get(kind, name)
        told = copy.deepcopy(editable(current))
        change(told)
        draft = draft_of(kind_named(kind), told, name=name)
        draft = msgspec.structs.replace(draft, resource_version=current.metadata.resource_version)
        try:
            return (await store.apply([draft], dry_run=dry_run))[0].resource
        except Conflict:
            if not left or current.metadata.deletion_timestamp is not None:
                raise
    raise AssertionError
