"""What a server answers to a request for weights, and what follows from it.

Redirects, refusals and troubles that pass; the bytes themselves are `argus.vision.models.pull_download`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from argus.core.errors import DownloadFailed
from argus.core.net_access import is_loopback
from argus.vision.models.pull_address import WeightsAddress, without_secrets

_REDIRECTS = 8
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}


class TryAgain(Exception):
    """The connection ended before the file did."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def open_answer(client: httpx.Client, address: WeightsAddress, asked: dict[str, str]) -> httpx.Response:
    """Follow redirects by hand: none may leave https, and none takes credentials to another host."""
    url = address.url
    for _ in range(_REDIRECTS):
        try:
            request = client.build_request("GET", url, headers=asked)
        except httpx.InvalidURL as error:
            raise DownloadFailed(f"{without_secrets(url)}: this is no address ({error})") from error
        try:
            response = client.send(request, stream=True, follow_redirects=False)
        except httpx.RemoteProtocolError as error:
            if "location header" not in str(error):
                raise
            raise DownloadFailed(f"{address.shown}: it leads to what is no address") from error
        if not response.has_redirect_location:
            return response
        response.close()
        try:
            target = urljoin(url, response.headers["Location"])
            before, after = urlsplit(url), urlsplit(target)
        except ValueError as error:
            raise DownloadFailed(f"{address.shown}: it leads to what is no address ({error})") from error
        if after.scheme not in {"https", "http"}:
            raise DownloadFailed(
                f"{address.shown}: it leads to {without_secrets(target)}, which is no web address"
            )
        if before.scheme == "https" and after.scheme == "http":
            raise DownloadFailed(
                f"{address.shown}: it leads from https to {without_secrets(target)}, where anybody on the "
                "way can change the file; use the address of a server that stays on https"
            )
        if after.scheme == "http" and address.sha256 is None and not is_loopback(after.hostname or ""):
            raise DownloadFailed(f"{address.shown}: it leads to plain http; add #sha256=… to the address")
        url = target
    raise DownloadFailed(f"{address.shown}: it leads from address to address without end")


def check_status(response: httpx.Response, address: WeightsAddress) -> None:
    """Raise unless the server sends the file: `TryAgain` for what may pass, else `DownloadFailed`."""
    status = response.status_code
    if status in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
        return
    said = f"the server answers {status} {response.reason_phrase}".rstrip()
    if status in _PASSING_STATUS:
        raise TryAgain(said, wait_s=_retry_after_s(response))
    remedies = {
        401: "it wants credentials: write them as https://USER:PASSWORD@HOST/…",
        403: "access is not allowed: check the credentials, or whether the address has expired",
        404: "nothing lies there: check the address",
        410: "the file has been taken away: look for its new address",
    }
    raise DownloadFailed(f"{address.shown}: {said}; {remedies.get(status, 'check the address')}")


def total_of(response: httpx.Response) -> int | None:
    """Return the length of the whole file, where the server says it."""
    if response.status_code in {httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE}:
        total: Any = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = response.headers.get("Content-Length", "")
    return int(total) if total.isdecimal() and len(total) < 20 else None


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def reason_of(error: Exception) -> str:
    """Return why a try ended, in words."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return f"no connection ({error})" if str(error) else "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "the server has gone silent"
    if isinstance(error, httpx.TransportError):
        return "the connection broke off"
    return str(error)
