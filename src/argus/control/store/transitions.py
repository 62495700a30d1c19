"""What a call makes of a resource. Pure: a resource and a wish in, a resource out; all stores ask here.

One place for the rules of `resourceVersion`, `generation`, finalizers and deletion, so that every store, the
fake in memory included, has the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from argus.control.store.protocol import AlreadyThere, Conflict, Outcome, ResourceNotFound, VersionGone
from argus.core.errors import SpecError, did_you_mean
from argus.core.resources.resource import Draft, Metadata, Resource

_THIS: Final = "this"
"""In the place of the version that the store is about to give."""


def applied(
    before: Resource | None, draft: Draft, now: datetime, *, create: bool = False
) -> tuple[Outcome, Resource]:
    """Return what a draft makes of a resource; its version is given by the store afterwards.

    Raises:
        AlreadyThere: it was to be created, and exists.
        Conflict: it was overtaken (see `expect_version`), or the resource is being deleted.
    """
    draft = plain(draft)
    if create and before is not None:
        raise AlreadyThere(f"{draft.kind} {draft.name!r} exists already")
    if before is None:
        if draft.resource_version is not None:
            raise Conflict(
                f"{draft.kind} {draft.name!r} was version {draft.resource_version} and is gone by now: "
                "leave `resourceVersion` out to make it again"
            )
        metadata = Metadata(
            name=draft.name,
            labels=draft.labels,
            annotations=draft.annotations,
            uid=str(uuid4()),
            desired_version=_THIS,
            generation=1,
            creation_timestamp=now,
        )
        return "created", Resource(kind=draft.kind, metadata=metadata, spec=draft.spec)
    expect_version(before, draft.resource_version)
    old = before.metadata
    if old.deletion_timestamp is not None:
        raise Conflict(f"{draft.kind} {draft.name!r} is being deleted: apply it again when it is gone")
    same_spec = before.spec == draft.spec
    if same_spec and old.labels == draft.labels and old.annotations == draft.annotations:
        return "unchanged", before
    metadata = replace(
        old,
        labels=draft.labels,
        annotations=draft.annotations,
        generation=old.generation + (0 if same_spec else 1),
        desired_version=_THIS,
    )
    return "configured", replace(before, metadata=metadata, spec=draft.spec)


def plain(draft: Draft) -> Draft:
    """Return a draft as it would be read again: it is compared with what has been through JSON."""
    return msgspec.json.decode(msgspec.json.encode(draft), type=Draft)


def expect_version(resource: Resource, version: str | None) -> None:
    """Raise `Conflict` if what people write of a resource has changed since a version that somebody read.

    A status that was written since then overtakes nobody: who changes a spec says nothing about statuses.
    """
    if version is None:
        return
    there = resource.metadata.resource_version
    if not version_number(_desired(resource)) <= version_number(version) <= version_number(there):
        raise Conflict(
            f"{resource.kind} {resource.name!r} is version {there} by now, not {version[:40]}: "
            "somebody else has changed it; read it again and decide again"
        )


def with_status(resource: Resource, status: Mapping[str, object]) -> Resource:
    """Return a resource with another status; the same object where it is equal."""
    wanted = msgspec.json.decode(msgspec.json.encode(status))
    return resource if resource.status == wanted else replace(_by_argus(resource), status=wanted)


def with_finalizers(resource: Resource, finalizers: Sequence[str]) -> Resource:
    """Return a resource with other finalizers; the same object where they are equal."""
    wanted = tuple(finalizers)
    if resource.metadata.finalizers == wanted:
        return resource
    metadata = replace(_by_argus(resource).metadata, finalizers=wanted)
    return replace(resource, metadata=metadata)


def marked(resource: Resource, now: datetime) -> Resource:
    """Return a resource that is to be deleted; the same object where it was marked before."""
    if resource.metadata.deletion_timestamp is not None:
        return resource
    metadata = replace(resource.metadata, deletion_timestamp=now, desired_version=_THIS)
    return replace(resource, metadata=metadata)


def may_go(resource: Resource) -> bool:
    """Return whether nothing holds a resource that is to be deleted."""
    return resource.metadata.deletion_timestamp is not None and not resource.metadata.finalizers


def versioned(resource: Resource, version: int) -> Resource:
    """Return a resource as it is at a version of the store."""
    metadata = resource.metadata
    desired = str(version) if metadata.desired_version == _THIS else metadata.desired_version
    return replace(
        resource, metadata=replace(metadata, resource_version=str(version), desired_version=desired)
    )


def _desired(resource: Resource) -> str:
    """Return the version in which what people write of a resource changed last."""
    # An Argus that did not know of it has written this one: then no status is told apart.
    return resource.metadata.desired_version or resource.metadata.resource_version


def _by_argus(resource: Resource) -> Resource:
    """Return a resource of which Argus is about to change what only it writes."""
    return replace(resource, metadata=replace(resource.metadata, desired_version=_desired(resource)))


def place_after(after: str | None) -> tuple[str, str] | None:
    """Return kind and name after which a list goes on.

    Raises:
        SpecError: it is none that a page has given.
    """
    if after is None:
        return None
    kind, slash, name = after.partition("/")
    if not slash or not may_be_named(kind, name):
        raise SpecError(f"{after[:60]!r} is no place in a list: begin at its start, without it")
    return kind, name


def version_number(version: str) -> int:
    """Return a version of the store as a number; -1 for what never was one."""
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 19 else -1


def may_be_named(kind: str, name: str) -> bool:
    """Return whether there could be such a resource; databases refuse some texts that clients send."""
    return all(0 < len(text) <= 253 and text.isascii() and text.isprintable() for text in (kind, name))


def forgotten(since: str) -> VersionGone:
    """Return the error for changes that cannot be told any more."""
    return VersionGone(
        f"changes since version {since[:40]!r} are not remembered: list again, and watch from there"
    )


def missing(kind: str, name: str, known: Iterable[str]) -> ResourceNotFound:
    """Return the error for a resource that is not there."""
    return ResourceNotFound(f"there is no {kind} {name[:80]!r}{did_you_mean(name[:80], known)}")
