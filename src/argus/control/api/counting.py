"""How many resources of each kind there are, counted again only where something has changed."""

from __future__ import annotations

from collections import Counter

from argus.control.store.protocol import ResourceStore
from argus.core.resources.resource import Resource


class ResourceCounts:
    """See the module. From one event loop."""

    def __init__(self, store: ResourceStore) -> None:
        """Begin with nothing counted."""
        self._store = store
        self._version = ""
        self.by_kind: Counter[str] = Counter()
        """Resources by kind."""
        self.ready: Counter[str] = Counter()
        """Those whose condition `Ready` is true."""
        self.jobs: tuple[Resource, ...] = ()
        """All batch jobs."""

    async def look(self) -> None:
        """Count.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if await self._store.version() == self._version:
            return
        page = await self._store.list()
        self.by_kind = Counter(resource.kind for resource in page.items)
        self.ready = Counter(resource.kind for resource in page.items if _is_ready(resource))
        self.jobs = tuple(resource for resource in page.items if resource.kind == "BatchJob")
        self._version = page.resource_version


def _is_ready(resource: Resource) -> bool:
    conditions = resource.status.get("conditions", ())
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
