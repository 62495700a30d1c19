"""What commands name: kinds, and single things of them. An unknown one names the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from argus.cli.server import named_well, names_of
from argus.core.errors import SpecError

if TYPE_CHECKING:
    from argus.control.client import Client

_OTHERS: Final = ("workloads", "events", "alerts", "tracks", "detections", "uploads")
"""What is told like resources and is none."""


def resource_called(client: Client, plural: str, name: str) -> dict[str, Any]:
    """Return one resource."""
    with named_well(plural.removesuffix("s"), name, lambda: names_of(client, plural)):
        return client.get(plural, name)


def workload_called(client: Client, name: str) -> dict[str, Any]:
    """Return one workload."""
    with named_well("workload", name, lambda: (w["metadata"]["name"] for w in client.workloads())):
        return client.workload(name)


def plural_of(word: str) -> str:
    """Return what a kind is called in lists; `pipe`, `Pipeline` and `pipelines` are one.

    Raises:
        UnknownName: there is no such kind.
    """
    from argus.core.errors import UnknownName
    from argus.core.resources.kinds import kind_called, kinds

    small = word.lower()
    for plural in _OTHERS:
        if small in {plural, plural.removesuffix("s")}:
            return plural
    try:
        return kind_called(small).plural
    except UnknownName:
        known = [*(kind.plural for kind in kinds()), *_OTHERS, "all"]
        raise UnknownName("kind", word, known) from None


def result_called(client: Client, plural: str, id_: str) -> dict[str, Any]:
    """Return one event, alert or upload.

    Raises:
        SpecError: of this kind there are only lists.
    """
    if plural == "events":
        return client.event(id_)
    if plural == "alerts":
        return client.alert(id_)
    if plural == "uploads":
        return client.upload_status(id_)
    raise SpecError(f"{plural} are only listed: argus get {plural}")
