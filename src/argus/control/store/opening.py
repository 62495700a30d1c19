"""Opens the store of resources that an address names."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote

from argus.control.store.sql import SqlResourceStore
from argus.core.errors import SpecError, did_you_mean
from argus.core.urls import mask_url, scheme_of

SCHEMES: Final = ("sqlite", "postgresql", "postgres")


async def open_store(url: str) -> SqlResourceStore:
    """Return the store at an address.

    Args:
        url: `sqlite:///PATH` (four slashes for an absolute path), a plain path, or
            `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.

    Raises:
        SpecError: it is no such address.
        MissingExtra: what speaks to that database is not installed.
        StoreUnavailable: it does not answer, is locked, or is damaged and cannot be restored.
        StoreTooNew: a newer Argus has made it.
    """
    scheme = scheme_of(url)
    if scheme in {"postgresql", "postgres"}:
        from argus.control.store.postgres import open_postgres

        return SqlResourceStore(await open_postgres(url))
    if scheme is None or scheme == "sqlite":
        from argus.control.store.sqlite import open_sqlite

        return SqlResourceStore(await open_sqlite(_path(url) if scheme else Path(url)))
    raise SpecError(
        f"{mask_url(url)}: resources cannot be kept there{did_you_mean(scheme, SCHEMES)}; "
        "write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
    )


def _path(url: str) -> Path:
    _, separator, rest = url.partition("sqlite:///")
    if not separator or not rest or rest.startswith(":memory:"):
        raise SpecError(f"{url}: name a file: sqlite:///PATH, or sqlite:////PATH for an absolute path")
    return Path(unquote(rest.partition("?")[0]))
