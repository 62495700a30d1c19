"""What the store on MongoDB does in one go: loading what is known, removing a portion."""

from __future__ import annotations

from pymongo.asynchronous.database import AsyncDatabase

from argus.storage.records import AlertRecord, Attachment, EventRecord, TrackRecord
from argus.storage.results.folding import Known, Needs
from argus.storage.results.mongo_documents import ATTACHMENTS, COLLECTIONS, PORTION, Found, portions
from argus.storage.results.mongo_filters import Filter
from argus.storage.results.mongo_turns import Document
from argus.storage.results.rows import readable


async def known_of(database: AsyncDatabase[Document], needs: Needs) -> Known:
    """Return what is kept of all that is needed."""
    known = Known()
    for portion in portions(needs.groups):
        events = readable(EventRecord, await _found(database, "event", "_id", portion))
        known.events |= {event.id: event for event in events}
        alerts = readable(AlertRecord, await _found(database, "alert", "event", portion))
        known.alerts |= {alert.id: alert for alert in alerts}
    for portion in portions(needs.alerts - known.alerts.keys()):
        alerts = readable(AlertRecord, await _found(database, "alert", "_id", portion))
        known.alerts |= {alert.id: alert for alert in alerts}
    for portion in portions(needs.tracks):
        tracks = readable(TrackRecord, await _found(database, "track", "_id", portion))
        known.tracks |= {track.id: track for track in tracks}
    for portion in portions(needs.groups | needs.tracks):
        for one in await database[ATTACHMENTS].find({"_id": {"$in": portion}}).to_list():
            id_ = one["_id"]
            known.attachments[id_] = Attachment(event=id_, snapshot=one.get("snapshot"), clip=one.get("clip"))
    return known


async def _found(database: AsyncDatabase[Document], kind: str, field: str, values: list[str]) -> list[Found]:
    rows = database[COLLECTIONS[kind]].find({field: {"$in": values}}, {"body": 1, "seq": 1})
    return [Found(one) for one in await rows.to_list()]


async def remove_portion(database: AsyncDatabase[Document], kind: str, which: Filter) -> set[str] | None:
    """Remove some documents; return blobs' keys that nobody needs now, or None where nothing was left."""
    collection = database[COLLECTIONS[kind]]
    found = collection.find(which, {"snapshot": 1, "clip": 1}).sort([("at_us", 1)]).limit(PORTION)
    rows = await found.to_list()
    if not rows:
        return None
    ids = [row["_id"] for row in rows]
    await collection.delete_many({"_id": {"$in": ids}})
    keys = {key for row in rows for key in (row.get("snapshot"), row.get("clip")) if key}
    if kind == "event":
        attached = database[ATTACHMENTS]
        for one in await attached.find({"_id": {"$in": ids}}).to_list():
            keys |= {key for key in (one.get("snapshot"), one.get("clip")) if key}
        await attached.delete_many({"_id": {"$in": ids}})
    return await _unneeded(database, keys)


async def _unneeded(database: AsyncDatabase[Document], keys: set[str]) -> set[str]:
    needed: set[str] = set()
    for kind in ("event", "alert", "track"):
        for field in ("snapshot", "clip"):
            if field == "clip" and kind == "track":
                continue
            for portion in portions(keys):
                rows = database[COLLECTIONS[kind]].find({field: {"$in": portion}}, {field: 1})
                needed |= {row[field] for row in await rows.to_list()}
    return keys - needed
