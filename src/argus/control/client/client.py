"""The client: a method for everything that the API can be asked. What goes wrong is an `ArgusError`.

The methods stand where their subjects are: `resources`, `results`, `running` and `blobs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from argus.control.client.asking import Asker
from argus.control.client.blobs import BlobCalls
from argus.control.client.calls import Json
from argus.control.client.finding import Address, checked_url, find_server
from argus.control.client.resources import ResourceCalls
from argus.control.client.results import ResultCalls
from argus.control.client.running import RunningCalls


class Client(ResourceCalls, ResultCalls, RunningCalls, BlobCalls):
    """See the module. From one thread; close it, or use it as a context."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 30.0,
        remedies: Mapping[str, str] | None = None,
    ) -> None:
        """Know the server; nothing is asked yet.

        Args:
            url: Its address.
            key: What opens it, where it asks for one.
            timeout_s: How long it may take to answer.
            remedies: What errors advise in the place of what the server does, by the kind of the problem
                (`not-found`); the server speaks to those who speak HTTP.
        """
        address = Address(checked_url(url, "url"), key)
        self._asker = Asker(address, timeout_s=timeout_s, remedies=remedies)

    @classmethod
    def found(cls, *, timeout_s: float = 30.0, remedies: Mapping[str, str] | None = None) -> Self:
        """Return a client of the server that is meant here; see `find_server`.

        Raises:
            ServerMissing: there is none.
        """
        address = find_server()
        return cls(address.url, address.key, timeout_s=timeout_s, remedies=remedies)

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._asker.address.url

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let connections go; idempotent."""
        self._asker.close()

    def status(self) -> Json:
        """Return version, counts and problems."""
        return self._object("GET", "/api/v1/status")

    def ready(self) -> Json:
        """Return that all parts answer.

        Raises:
            ServerTroubled: one does not.
        """
        return self._object("GET", "/readyz")

    def metrics(self) -> str:
        """Return the text of `/metrics`."""
        return self._asker.ask("GET", "/metrics", headers={"Accept": "text/plain"}).text
