"""Addresses of the web: what answers decides what kind of source it is."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from time import monotonic
from urllib.parse import unquote, urlsplit

import httpx

from argus.core.errors import SourceUnreachable, SourceUnreadable, SpecError
from argus.core.urls import mask_url
from argus.vision.sources.deadlines import within
from argus.vision.sources.multipart import LARGEST
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.reading import ReadSource
from argus.vision.sources.refusals import refusal
from argus.vision.sources.streams import open_stream

_UNTRUSTED = re.compile(r"certificate verify failed: (.+?)\.? \(_ssl")
_PLAYLISTS = frozenset(
    {"application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"}
)


def open_http(url: str, options: SourceOptions) -> ReadSource:
    """Open whatever answers at an address.

    `multipart/…` is MJPEG, a picture is asked for again and again, and a playlist (HLS) or anything
    else is left to FFmpeg.

    Raises:
        SourceNotFound: the server knows no such path.
        SourceRefused: credentials are missing or wrong.
        SourceUnreachable: nothing answers.
        SourceUnreadable: it is a web page, or holds no picture.
    """
    from argus.vision.sources.mjpeg import open_mjpeg
    from argus.vision.sources.snapshots import poll

    shown = mask_url(url)
    until = monotonic() + options.timeout_s
    client = WebClient(url, options.timeout_s, verify_tls=options.verify_tls)
    try:
        answer = client.open()
        kind = answer.content_type
        # A playlist has a length too, but not that of the film.
        finite = answer.has_length and not (kind in _PLAYLISTS or answer.path.endswith((".m3u8", ".m3u")))
        if kind.startswith("multipart/"):
            return open_mjpeg(client, answer, shown, options)
        if kind.startswith("image/") and kind != "image/gif":
            return poll(client, answer, shown, options)
    except BaseException:
        client.close()
        raise
    client.close()
    if kind in {"text/html", "application/xhtml+xml"}:
        raise SourceUnreadable(f"{shown} answers with a web page: give the address of the stream itself")
    if options.decoder == "gstreamer":
        from argus.vision.sources.gstreamer import open_gstreamer

        return open_gstreamer(url, options)
    left_s = max(0.1 * options.timeout_s, until - monotonic())
    return open_stream(
        url, options, {"user_agent": "argus"}, live=False if finite else None, opening_s=left_s
    )


class WebClient:
    """Asks one address for its content; closing it from another thread ends a read that waits."""

    def __init__(self, url: str, timeout_s: float, *, verify_tls: bool = True) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: With credentials, if need be, before the host.
            timeout_s: Silence after which a request or a read gives up.
            verify_tls: False trusts any certificate.

        Raises:
            SpecError: the address breaks the rules.
        """
        self._shown = mask_url(url)
        self._timeout_s = timeout_s
        self._answer: Answer | None = None
        try:
            parts = urlsplit(url)
            bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            self._url = httpx.URL(bare)
        except (ValueError, httpx.InvalidURL) as error:
            raise SpecError(
                f"{self._shown} is no address: write it as http://user:password@host:port/path"
            ) from error
        self._user = unquote(parts.username) if parts.username is not None else None
        self._password = unquote(parts.password or "")
        self._client = httpx.Client(
            verify=verify_tls,
            timeout=timeout_s,
            follow_redirects=True,
            headers={"User-Agent": "argus", "Accept": "*/*"},
        )

    def open(self) -> Answer:
        """Ask for the first time: all of it, names, redirections and credentials, within the limit.

        Raises:
            SourceError: see `open_http`.
        """
        try:
            return within(self._timeout_s, self.get, Answer.close)
        except TimeoutError as error:
            raise self._silence() from error

    def get(self) -> Answer:
        """Ask, and return the answer with its body still to be read.

        Raises:
            SourceError: see `open_http`.
        """
        with self.errors():
            auth = httpx.BasicAuth(self._user, self._password) if self._user is not None else None
            response = self._send(auth)
            if response.status_code == 401 and self._user is not None and _wants_digest(response):
                response.close()
                response = self._send(httpx.DigestAuth(self._user, self._password))
        answer = Answer(response)
        self._answer = answer
        if response.status_code != 200:
            answer.close()
            code = response.status_code
            raise refusal(self._shown, code, f"{code} {response.reason_phrase}")
        return answer

    def _send(self, auth: httpx.Auth | None) -> httpx.Response:
        return self._client.send(self._client.build_request("GET", self._url), auth=auth, stream=True)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Translate what goes wrong on the way.

        Raises:
            SourceUnreachable: the server does not answer, or broke off.
        """
        try:
            yield
        except httpx.TimeoutException as error:
            raise self._silence() from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            untrusted = _UNTRUSTED.search(str(error))
            if untrusted is not None:
                raise SourceUnreachable(
                    f"{self._shown} has a certificate that is not trusted ({untrusted[1]}): "
                    "let SSL_CERT_FILE name who signed it, or say `verify_tls: false` of this camera"
                ) from error
            raise SourceUnreachable(
                f"{self._shown} does not answer ({_fact(error)}): check its power and network"
            ) from error

    def _silence(self) -> SourceUnreachable:
        return SourceUnreachable(
            f"{self._shown} does not answer within {self._timeout_s:g} s: check its power and network"
        )

    def interrupt(self) -> None:
        """Make a read that waits in another thread fail at once."""
        if self._answer is not None:
            self._answer.interrupt()

    def close(self) -> None:
        """Give the connection back; idempotent."""
        if self._answer is not None:
            self._answer.close()
        self._client.close()


class Answer:
    """A response whose body is still on its way."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    @property
    def path(self) -> str:
        """Path of the address that answered, in lower case."""
        return self._response.url.path.lower()

    @property
    def has_length(self) -> bool:
        """Whether the server says how much there is."""
        return "content-length" in self._response.headers

    @property
    def content_type(self) -> str:
        """What the server calls it, in lower case and without parameters."""
        return self._header().partition(";")[0].strip().lower()

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the content type, such as `boundary`."""
        for item in self._header().split(";")[1:]:
            key, _, value = item.partition("=")
            if key.strip().lower() == name:
                return value.strip().strip('"')
        return None

    def _header(self) -> str:
        return str(self._response.headers.get("content-type", ""))

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes."""
        return self._response.iter_bytes()

    def read(self, most_s: float) -> bytes:
        """Return the whole body.

        Raises:
            httpx.ReadTimeout: it is not there in time, though the server was never silent for long.
            SourceUnreadable: it is larger than any picture.
        """
        until, data = monotonic() + most_s, bytearray()
        for chunk in self.chunks():
            data += chunk
            if len(data) > LARGEST:
                self.close()
                raise SourceUnreadable(f"a picture exceeds {LARGEST >> 20} MiB: it has no end")
            if monotonic() > until:
                self.close()
                raise httpx.ReadTimeout("the body takes too long")
        return bytes(data)

    def interrupt(self) -> None:
        """Shut the connection down under whoever reads from it."""
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(connection, socket.socket):
            # The method of the plain socket: that of TLS would take its state away from the reader.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Drop the rest."""
        self._response.close()


def _wants_digest(response: httpx.Response) -> bool:
    return any(v.lower().startswith("digest") for v in response.headers.get_list("www-authenticate"))


def _fact(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
