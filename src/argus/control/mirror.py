"""All resources of a store as they are now, read once and then kept up with by what changes.

To list ten thousand of them because one has changed would take longer than all that follows from the change.
What has not changed stays the very same object, by which others know it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from argus.control.store.protocol import ResourceStore, VersionGone
from argus.core.resources.resource import Resource

_MANY: Final = 2000
"""Changes beyond which all is listed anew."""
_PATIENCE_S: Final = 2.0


class Mirror:
    """See the module. For one task."""

    def __init__(self, store: ResourceStore) -> None:
        """Begin with nothing read."""
        self.version = ""
        """Of the store, as it was read last."""
        self._store = store
        self._there: dict[tuple[str, str], Resource] = {}
        self._sorted: tuple[Resource, ...] | None = ()

    @property
    def resources(self) -> Sequence[Resource]:
        """All of them, by kind and name."""
        if self._sorted is None:
            self._sorted = tuple(self._there[key] for key in sorted(self._there))
        return self._sorted

    def get(self, kind: str, name: str) -> Resource | None:
        """Return one."""
        return self._there.get((kind, name))

    async def look(self) -> None:
        """See what the store has now.

        Raises:
            StoreUnavailable: it does not answer.
        """
        version = await self._store.version()
        if version != self.version and not await self._followed(version):
            page = await self._store.list()
            self._there = {resource.key: resource for resource in page.items}
            self.version, self._sorted = page.resource_version, None

    async def _followed(self, version: str) -> bool:
        """Take in all changes up to a version; return False where that cannot be."""
        if not self.version or not 0 < int(version) - int(self.version) <= _MANY:
            return False  # so much has changed, or an older copy was restored
        try:
            async with asyncio.timeout(_PATIENCE_S), aclosing(self._store.watch(self.version)) as changes:  # type: ignore[type-var]
                async for change in changes:
                    if change.type == "DELETED":
                        self._there.pop(change.resource.key, None)
                    else:
                        self._there[change.resource.key] = change.resource
                    self.version, self._sorted = change.resource_version, None
                    if int(change.resource_version) >= int(version):
                        return True
        except (VersionGone, TimeoutError):
            pass
        return False
