"""How records go from a MongoDB: by age, by number, or with the job that found them; portion by portion."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from argus.core.errors import UnknownName
from argus.storage.results.mongo_documents import COLLECTIONS, RUNS, in_our_words
from argus.storage.results.mongo_filters import ORDER, Filter
from argus.storage.results.mongo_steps import remove_lone_attachments, remove_portion
from argus.storage.results.mongo_work import Work
from argus.storage.results.rows import microseconds, possible

_PAUSE_S: Final = 0.01
"""Rest between two portions, in which writers get their turn."""


async def forget_job(work: Work, job: str, run: str | None) -> tuple[str, ...]:
    """Remove all that a job found, or one run of it; return blobs' keys as the protocol says."""
    if not job or not possible((job,)):
        return ()
    unneeded: set[str] = set()
    these: Filter = {"job": job} if run is None else {"job": job, "run": run}
    for kind in ("alert", "track", "detections", "event"):
        unneeded |= await _remove_all(work, kind, these)
    with in_our_words(work.where):
        await work.database[RUNS].delete_many({"job": job} if run is None else {"_id": run})
    return tuple(sorted(unneeded))


async def expire(work: Work, kind: str, before: datetime | None, keep: int | None) -> tuple[str, ...]:
    """Remove records of a kind that are too old or too many; likewise.

    Raises:
        UnknownName: there is no such kind.
    """
    if kind not in COLLECTIONS:
        raise UnknownName("kind of results", kind, COLLECTIONS)
    late = await _late(work, kind, before, keep)
    if late is None:
        return ()
    unneeded = await _remove_all(work, kind, late)
    if kind == "event" and before is not None:
        with in_our_words(work.where):
            unneeded |= await remove_lone_attachments(work.database, microseconds(before))
    return tuple(sorted(unneeded))


async def _late(work: Work, kind: str, before: datetime | None, keep: int | None) -> Filter | None:
    """Return the filter of records that have to go; None: none has to."""
    terms: list[Filter] = []
    live: Filter = {} if kind == "trace" else {"job": ""}
    if before is not None:
        terms.append({"at_us": {"$lt": microseconds(before)}})
    if keep is not None:
        with in_our_words(work.where):
            found = work.database[COLLECTIONS[kind]].find(live, {"at_us": 1}).sort(list(ORDER))
            for last in await found.skip(max(keep, 0)).limit(1).to_list(1):
                same = {"at_us": last["at_us"], "_id": {"$lte": last["_id"]}}
                terms.append({"$or": [{"at_us": {"$lt": last["at_us"]}}, same]})
    if not terms:
        return None
    late: Filter = {"$or": terms, **live}
    if kind in {"event", "track"}:
        late["open"] = 0
    return late


async def _remove_all(work: Work, kind: str, which: Filter) -> set[str]:
    """Remove documents, and return blobs' keys that nobody needs now."""
    unneeded: set[str] = set()
    while True:
        with in_our_words(work.where):
            removed = await remove_portion(work.database, kind, which)
        if removed is None:
            return unneeded
        unneeded |= removed
        await asyncio.sleep(_PAUSE_S)
