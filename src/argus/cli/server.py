"""Which control plane a command speaks with: the one that is named, or the one of this home."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from argus.cli.remedies import REMEDIES

if TYPE_CHECKING:
    from argus.control.client import Client

_MOST_KNOWN: Final = 200
"""Names that are compared with one that is unknown."""

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="ARGUS_SERVER",
        help="Address of the control plane; without one, that of `argus up` on this machine.",
        show_default=False,
    ),
]


def connect(server: str | None) -> Client:
    """Return a client of the control plane.

    Raises:
        ArgusError: none runs here, and none was named.
    """
    from argus.control.client import Client

    if not server:
        return Client.found(remedies=REMEDIES)
    return Client(server, key_of_environment(), remedies=REMEDIES)


def key_of_environment() -> str | None:
    """Return what opens a control plane that asks for a key; None: nobody has told."""
    import os

    return os.environ.get("ARGUS_API_KEY", "").strip() or None


@contextmanager
def named_well(what: str, name: str, known: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Let a name that the server does not know be an error that names the nearest one that it does.

    Args:
        what: Of what it is the name: `workload`.
        name: It.
        known: Returns all there are; asked only where it is not there.

    Raises:
        SpecError: it is not there.
    """
    from argus.control.client import NotThere
    from argus.core.errors import SpecError, did_you_mean

    try:
        yield
    except NotThere:
        meant = did_you_mean(name, islice(known(), _MOST_KNOWN)) or ":"
        raise SpecError(f"there is no {what} {name!r}{meant} `argus get {what}s` lists them") from None


def names_of(client: Client, plural: str) -> Iterator[str]:
    """Yield the names of all resources of a kind."""
    return (item["metadata"]["name"] for item in client.iterate(plural))


def split_kind(kind: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Return kind and names as they are meant: `camera/gate`, as commands print it, is one of each."""
    kind, _, first = kind.partition("/")
    return kind, [name for name in (first, *names) if name]
