"""Trying a camera's address: does something answer there, does it let us in, what does it say it sends?

A few lines of RTSP and HTTP over a socket. Nothing is decoded, and nothing that is not a network address is
opened: whether a file plays is for the worker that plays it to say.

Source: RFC 2326, RTSP; RFC 8866, SDP; RFC 7617 and RFC 2617, credentials.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import ssl
import time
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from argus.core.errors import ArgusError
from argus.core.outbound import CAMERAS, OutboundFailed, Policy, checked_address
from argus.core.urls import mask_url, mask_urls, quote_user, scheme_of

_TRY_S: Final = 5.0
_MOST_BYTES: Final = 64 << 10
_ASKED: Final = frozenset({"rtsp", "rtsps", "http", "https"})
_CODEC: Final = re.compile(r"^a=rtpmap:\d+ ([A-Za-z0-9.-]+)/", re.MULTILINE)


async def probe(url: str, *, verify_tls: bool = True, policy: Policy = CAMERAS) -> dict[str, Any]:
    """Return what was found at an address; takes 5 s at most, and never raises for what is out there.

    Args:
        url: With its secrets; they are in no answer.
        verify_tls: As the camera says.
        policy: What may be asked.
    """
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(_TRY_S):
            outcome, detail, codecs = await _tried(url, policy, verify_tls)
    except TimeoutError:
        outcome, detail, codecs = (
            "unreachable", f"nothing answered within {_TRY_S:g} s: check power, network and port", [],
        )  # fmt: skip
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        said = mask_urls(str(error)) or type(error).__name__
        outcome, detail, codecs = "unreachable", f"{said}: check power, network and port", []
    found: dict[str, Any] = {
        "url": mask_url(url), "outcome": outcome, "detail": detail,
        "seconds": round(time.monotonic() - began_s, 3),
    }  # fmt: skip
    if codecs:
        found["codecs"] = codecs
    return found


async def _tried(url: str, policy: Policy, verify_tls: bool) -> tuple[str, str, list[str]]:
    scheme = scheme_of(url)
    if scheme not in _ASKED:
        return (
            "unasked",
            "this is no address of a network: the worker that reads it says whether it plays",
            [],
        )
    url = quote_user(url)
    try:
        target = await checked_address(url, policy)
    except OutboundFailed as error:
        return "unreachable", mask_urls(str(error)), []
    except ArgusError as error:
        return "blocked", mask_urls(str(error)), []
    secure = _tls(verified=verify_tls and scheme == "https") if scheme in {"rtsps", "https"} else None
    # To the address that was checked, not to the name: that could mean another one by now.
    try:
        reader, writer = await asyncio.open_connection(
            target.addresses[0],
            target.port,
            ssl=secure,
            server_hostname=target.host if secure else None,
            limit=_MOST_BYTES,
        )
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted ({error.verify_message})"
        return "strange", f"{why}: say `verify_tls: false` of the camera if it signed it itself", []
    try:
        if scheme.startswith("rtsp"):
            return await _rtsp(url, reader, writer)
        return await _http(url, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _tls(*, verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verified:  # of `rtsps` nobody is: cameras sign their certificates themselves
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _rtsp(
    url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, str, list[str]]:
    bare, user, password = _without_user(url)
    status, headers, body = await _asked(reader, writer, _rtsp_request("DESCRIBE", bare, 1))
    if status == 401 and user is not None:
        said = _credentials("DESCRIBE", bare, user, password, headers.get("www-authenticate", ""))
        status, headers, body = await _asked(reader, writer, _rtsp_request("DESCRIBE", bare, 2, said))
    if status == 200:
        codecs = _CODEC.findall(body.decode("utf-8", "replace").replace("\r\n", "\n"))
        return (
            "answers",
            "a camera answers and lets us in" + (f"; it sends {', '.join(codecs)}" if codecs else ""),
            codecs,
        )
    return _refusal(status, user is not None)


async def _http(
    url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, str, list[str]]:
    bare, user, password = _without_user(url)
    parts = urlsplit(bare)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\nUser-Agent: argus\r\n"
    if user is not None:
        head += f"Authorization: {_basic(user, password)}\r\n"
    # GET, as cameras know no HEAD; the body is left alone.
    status, headers, _ = await _asked(reader, writer, f"{head}Connection: close\r\n\r\n", body=False)
    if status == 200:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower() or "something of no type"
        good = kind.startswith(("image/", "video/", "multipart/")) or "mpegurl" in kind
        if good:
            return "answers", f"it answers and lets us in; it sends {kind}", [kind]
        return "strange", f"it answers with {kind}, which is no picture or video: check the path", []
    if 300 <= status < 400:
        return "strange", "it sends us to another address: give that one", []
    if status == 401 and "digest" in headers.get("www-authenticate", "").lower() and user is not None:
        return "answers", "it answers and asks for credentials (Digest), which were not tried here", []
    return _refusal(status, user is not None)


def _refusal(status: int, has_user: bool) -> tuple[str, str, list[str]]:
    match status:
        case 401 | 403:
            fact = "it refuses the user and password" if has_user else "it asks for a user and password"
            return "credentials-refused", f"{fact}: check them in the camera's url", []
        case 404 | 454:
            return "not-found", "a camera answers, and has nothing at this path: check the path", []
        case _:
            return "strange", f"it answers with status {status}: check port and path", []


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str, *, body: bool = True
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (names in lower case) and body of an answer.

    Raises:
        ValueError: what answers speaks another language.
    """
    writer.write(request.encode())
    await writer.drain()
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise ValueError("what answers there speaks another language") from None
    first, *lines = head.split("\r\n")
    found = re.match(r"(?:RTSP|HTTP)/\d\.\d (\d{3})", first)
    if found is None:
        raise ValueError("what answers there speaks another language")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        # Of several ways to say who we are the safest counts.
        if name.lower() not in headers or "digest" in value.lower():
            headers[name.lower()] = value.strip()
    length = headers.get("content-length", "0")
    size = min(int(length), _MOST_BYTES) if length.isdecimal() and body else 0
    return int(found[1]), headers, await reader.readexactly(size) if size else b""


def _rtsp_request(method: str, url: str, number: int, authorization: str | None = None) -> str:
    said = f"Authorization: {authorization}\r\n" if authorization else ""
    return (
        f"{method} {url} RTSP/1.0\r\nCSeq: {number}\r\nUser-Agent: argus\r\n"
        f"Accept: application/sdp\r\n{said}\r\n"
    )


def _without_user(url: str) -> tuple[str, str | None, str]:
    """Return the address without its user, and user and password.

    Raises:
        ValueError: a line end in it would be read as more of the request.
    """
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        raise ValueError("the address holds a space or control character")
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username is None:
        return bare, None, ""
    return bare, unquote(parts.username), unquote(parts.password or "")


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _credentials(method: str, url: str, user: str, password: str, challenge: str) -> str:
    """Return what answers a challenge: Digest as cameras have it (RFC 2069 form), else Basic."""
    if not challenge.lower().startswith("digest"):
        return _basic(user, password)
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    secret = _md5(f"{user}:{realm}:{password}")
    answer = _md5(f"{secret}:{nonce}:{_md5(f'{method}:{url}')}")
    return (
        f'Digest username="{_quoted(user)}", realm="{realm}", nonce="{nonce}", uri="{url}", '
        f'response="{answer}"'
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
