"""As much of pymongo's asynchronous database as the store uses, in memory: no server can be had here.

It proves what the store asks for and in which order, not that a server answers so: for that the suite runs
where ARGUS_TEST_MONGO_URL is set. Documents go through BSON, so that what BSON refuses is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from pymongo import ReplaceOne
from pymongo.errors import AutoReconnect, DuplicateKeyError

Document = dict[str, Any]


class Database:
    """Collections by name; `fail_after` requests a connection is lost."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}
        self.fail_after: int | None = None

    def __getitem__(self, name: str) -> Collection:
        return self._collections.setdefault(name, Collection(self))

    async def request(self) -> None:
        await asyncio.sleep(0)
        if self.fail_after is not None:
            if self.fail_after <= 0:
                raise AutoReconnect("the connection is lost")
            self.fail_after -= 1


class Cursor:
    def __init__(self, database: Database, found: list[Document], fields: Mapping[str, int] | None) -> None:
        self._database = database
        self._found = found
        self._fields = fields

    def sort(self, keys: Sequence[tuple[str, int]]) -> Cursor:
        for name, direction in reversed(keys):
            self._found.sort(key=lambda one: one.get(name), reverse=direction < 0)  # type: ignore[arg-type, return-value]
        return self

    def skip(self, number: int) -> Cursor:
        self._found = self._found[number:]
        return self

    def limit(self, number: int) -> Cursor:
        self._found = self._found[:number] if number else self._found
        return self

    async def to_list(self, length: int | None = None) -> list[Document]:
        await self._database.request()
        names = None if self._fields is None else {"_id", *self._fields}
        return [
            {name: value for name, value in one.items() if names is None or name in names}
            for one in self._found[:length]
        ]


class Collection:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.documents: dict[Any, Document] = {}

    def find(self, which: Mapping[str, Any], fields: Mapping[str, int] | None = None) -> Cursor:
        bson.encode(which)
        found = [one for one in self.documents.values() if fits(one, which)]
        return Cursor(self._database, found, fields)

    async def find_one(
        self, which: Mapping[str, Any], fields: Mapping[str, int] | None = None
    ) -> Document | None:
        found = await self.find(which, fields).to_list(1)
        return found[0] if found else None

    async def find_one_and_update(self, which: Mapping[str, Any], update: list[Any]) -> Document | None:
        """Only the update of a lease."""
        await self._database.request()
        for one in self.documents.values():
            if fits(one, which):
                before = dict(one)
                [stage] = update
                [(_, changes)] = stage.items()
                for name, value in changes.items():
                    one[name] = _moment(value) if isinstance(value, Mapping) else value
                return before
        return None

    async def insert_one(self, document: Document) -> None:
        await self._database.request()
        if document["_id"] in self.documents:
            raise DuplicateKeyError("E11000 duplicate key")
        self._put(document)

    async def insert_many(self, documents: Sequence[Document]) -> None:
        await self._database.request()
        for one in documents:
            if one["_id"] in self.documents:
                raise DuplicateKeyError("E11000 duplicate key")
            self._put(one)

    async def bulk_write(self, requests: Sequence[ReplaceOne[Document]], ordered: bool) -> None:
        for request in requests:  # one by one: a connection may be lost in the middle
            await self._database.request()
            document: Document = request._doc  # type: ignore[assignment]
            assert request._filter == {"_id": document["_id"]}
            assert request._upsert
            self._put(document)

    async def replace_one(self, which: Mapping[str, Any], document: Document, *, upsert: bool) -> None:
        await self._database.request()
        assert upsert
        assert which == {"_id": document["_id"]}
        self._put(document)

    async def update_one(
        self, which: Mapping[str, Any], update: Mapping[str, Any], *, upsert: bool = False
    ) -> None:
        await self._database.request()
        [(operator, changes)] = update.items()
        found = [one for one in self.documents.values() if fits(one, which)]
        if not found and upsert:
            found = [self.documents.setdefault(which["_id"], dict(which))]
        for one in found[:1]:
            for name, value in changes.items():
                one[name] = max(one.get(name, value), value) if operator == "$max" else value

    async def delete_one(self, which: Mapping[str, Any]) -> None:
        await self._database.request()
        for one in self.find(which)._found[:1]:
            del self.documents[one["_id"]]

    async def delete_many(self, which: Mapping[str, Any]) -> None:
        await self._database.request()
        for one in self.find(which)._found:
            del self.documents[one["_id"]]

    async def estimated_document_count(self) -> int:
        await self._database.request()
        return len(self.documents)

    async def count_documents(self, which: Mapping[str, Any]) -> int:
        await self._database.request()
        return len(self.find(which)._found)

    async def create_indexes(self, models: Sequence[Any]) -> None:
        await self._database.request()
        names = [model.document["name"] for model in models]
        assert len(set(names)) == len(names)

    def _put(self, document: Document) -> None:
        as_kept: Document = bson.decode(bson.encode(document), bson.CodecOptions(tz_aware=True))
        self.documents[as_kept["_id"]] = dict(as_kept)


def _moment(expression: Mapping[str, Any]) -> datetime:
    now, milliseconds = expression["$add"]
    assert now == "$$NOW"
    return datetime.now(UTC) + timedelta(milliseconds=milliseconds)


def fits(document: Mapping[str, Any], which: Mapping[str, Any]) -> bool:
    """Return whether a document is one of those that a filter asks for."""
    return all(_holds(document, name, wanted) for name, wanted in which.items())


def _holds(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(fits(document, one) for one in wanted)
    if name == "$or":
        return any(fits(document, one) for one in wanted)
    if name == "$expr":
        [(field, now)] = wanted.values()
        assert now == "$$NOW"
        return bool(document[re.sub(r"^\$", "", field)] < datetime.now(UTC))
    value = document.get(name)
    values = value if isinstance(value, list) else [value]
    if not isinstance(wanted, Mapping):
        return any(type(one) is type(wanted) and one == wanted for one in values)
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "$in": lambda one, other: one in other,
        "$gt": lambda one, other: one > other,
        "$gte": lambda one, other: one >= other,
        "$lt": lambda one, other: one < other,
        "$lte": lambda one, other: one <= other,
    }
    return any(
        all(one is not None and compare[operator](one, other) for operator, other in wanted.items())
        for one in values
    )
