"""Requests as they go out and answers as they come in: one connection pool, one way to say what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import msgspec

from argus.control.client.errors import RequestRefused, ServerMissing, refusal
from argus.control.client.finding import Address

_CONNECT_S: Final = 5.0
SILENCE_S: Final = 45.0
"""Streams give a sign of life every 15 s: one that is silent for so long is dead."""


class Asker:
    """See the module. From one thread; close it."""

    def __init__(
        self, address: Address, *, timeout_s: float = 30.0, remedies: Mapping[str, str] | None = None
    ) -> None:
        """Know the server; nothing is connected yet.

        Args:
            address: Its address.
            timeout_s: How long it may take to answer.
            remedies: See `Client`.
        """
        self.address = address
        self._remedies = remedies or {}
        headers = {"Accept": "application/json"}
        if address.key:
            headers["Authorization"] = f"Bearer {address.key}"
        self._client = httpx.Client(
            base_url=address.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_S),
            # Redirects would take the key to wherever they lead.
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Let connections go; idempotent."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Return a good answer.

        Raises:
            ServerMissing: nobody answers.
            RequestRefused: the server says no; see its subclasses.
        """
        more = dict(headers or {})
        if json is not None:
            content = msgspec.json.encode(json)
            more.setdefault("Content-Type", "application/json")
        try:
            response = self._client.request(
                method,
                path,
                params=clean(params),
                content=content,
                headers=more,
                timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s,
            )
        except httpx.HTTPError as error:
            raise self.missing(error) from error
        if response.status_code >= 400:
            raise refusal(response.status_code, response.content, self._remedies)
        return response

    def json(self, method: str, path: str, **more: Any) -> Any:
        """Return what a good answer says; raises likewise."""
        content = self.ask(method, path, **more).content
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise RequestRefused(
                200, {"detail": f"what answers at {self.address.url} is no control plane of Argus"}
            ) from error

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence_s: float | None = SILENCE_S,
    ) -> Iterator[httpx.Response]:
        """Hand out an answer whose body is read as it comes; raises likewise.

        Args:
            path: Of the request.
            params: Of its query.
            headers: Further ones.
            silence_s: After so long without a byte it counts as dead (`httpx.ReadTimeout`); None: never.
        """
        timeout = httpx.Timeout(silence_s, connect=_CONNECT_S)
        request = self._client.build_request(
            "GET", path, params=clean(params), headers={**(headers or {})}, timeout=timeout
        )
        try:
            response = self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self.missing(error) from error
        try:
            if response.status_code >= 400:
                raise refusal(response.status_code, response.read(), self._remedies)
            yield response
        finally:
            response.close()

    def missing(self, error: httpx.HTTPError) -> ServerMissing:
        """Return what a failure of the connection means."""
        return ServerMissing(self.address.url, str(error) or type(error).__name__)


def clean(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return parameters as the server takes them: None left out, truths in small letters, several joined."""
    found: dict[str, Any] = {}
    for key, value in (params or {}).items():
        if value is None:
            continue
        if isinstance(value, bool):
            found[key] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            found[key] = ",".join(str(one) for one in value)
        else:
            found[key] = value
    return found
