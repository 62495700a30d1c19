"""What the store on MongoDB does in one go: loading what is known, making documents, removing a portion."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pymongo.asynchronous.database import AsyncDatabase

from argus.storage.records import AlertRecord, Attachment, EventRecord, TrackRecord
from argus.storage.results.folding import Changed, Folding, Known, Needs, Prepared
from argus.storage.results.mongo_documents import (
    ATTACHMENTS,
    COLLECTIONS,
    PORTION,
    Found,
    document_of,
    document_of_frame,
    key_of,
    portions,
)
from argus.storage.results.mongo_filters import Filter
from argus.storage.results.mongo_turns import Document, Documents
from argus.storage.results.rows import KINDS, TRACE_KEY, changed_row, microseconds, readable


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
            known.attachments[id_] = Attachment(
                event=id_,
                snapshot=one.get("snapshot"),
                clip=one.get("clip"),
                clip_note=one.get("clip_note"),
            )
    return known


def documents_of(folding: Folding, changed: Iterable[Changed], prepared: Prepared | None) -> Documents:
    """Return what has to be written, by collection."""
    documents: dict[str, list[Document]] = {}
    for record in changed:
        collection = COLLECTIONS[KINDS[type(record)]]
        documents.setdefault(collection, []).append(document_of(changed_row(record), record.id))
    if folding.attachments:
        now = microseconds(datetime.now(UTC))
        documents[ATTACHMENTS] = [
            document_of(
                {"snapshot": one.snapshot, "clip": one.clip, "clip_note": one.clip_note, "at_us": now},
                one.event,
            )
            for one in folding.attachments.values()
        ]
    if prepared is not None and prepared.detections:
        documents[COLLECTIONS["detections"]] = [document_of_frame(row) for row in prepared.detections]
    if prepared is not None and prepared.traces:
        documents[COLLECTIONS["trace"]] = [
            document_of(row, key_of(row, TRACE_KEY)) for row in prepared.traces
        ]
    return documents


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
        keys |= await _detach(database, ids)
    return await _unneeded(database, keys)


async def remove_lone_attachments(database: AsyncDatabase[Document], before_us: int) -> set[str]:
    """Remove attachments of events that never came, or have gone; return keys likewise."""
    keys: set[str] = set()
    last = ""
    while True:
        late = {"at_us": {"$lt": before_us}, "_id": {"$gt": last}}
        found = await database[ATTACHMENTS].find(late, {"_id": 1}).sort([("_id", 1)]).limit(PORTION).to_list()
        if not found:
            return await _unneeded(database, keys)
        ids = [one["_id"] for one in found]
        last = ids[-1]
        events = await database[COLLECTIONS["event"]].find({"_id": {"$in": ids}}, {"_id": 1}).to_list()
        keys |= await _detach(database, sorted({*ids} - {one["_id"] for one in events}))


async def _detach(database: AsyncDatabase[Document], events: list[str]) -> set[str]:
    """Remove the attachments of events; return their keys."""
    attached = database[ATTACHMENTS]
    found = await attached.find({"_id": {"$in": events}}).to_list()
    await attached.delete_many({"_id": {"$in": events}})
    return {key for one in found for key in (one.get("snapshot"), one.get("clip")) if key}


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
