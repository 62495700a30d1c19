"""Addresses as people write them: which scheme they have, and how they are shown without their secrets.

Only text is looked at: nothing is opened here, and whether an address can be read is for
`argus.vision.sources` to say.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

MASK = "***"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a drive
_PORT = re.compile(r"\d{1,5}|[0-9a-fA-F]{0,4}\]")  # or the end of an IPv6 address
_HOST = re.compile(r"(\[[^\s/?#@\[\]]+\]|[^\s/?#@:\[\]]+)(:\d{1,5})?(?=[/?#]|$)")  # with its port
_UNQUOTED = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=%-]")
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_SECRET_KEY = re.compile(r"pass|pwd|token|secret|auth|key|sig|cred|session|jwt|^pw$|^sid$", re.IGNORECASE)
# In the path `=` ends nothing by itself: cameras exist whose address is
# /user=admin_password=abc_channel=1.sdp, so all up to the next separator goes.
_PATH_SECRET = re.compile(
    r"((?:pass|pwd|token|secret|auth|key|sig|cred|session)[a-z0-9]*=)[^/;&?#]*", re.IGNORECASE
)


def scheme_of(source: str) -> str | None:
    """Return the scheme of an address in lower case, or None for what looks like a path."""
    match = _SCHEME.match(source)
    return match[1].lower() if match else None


def mask_url(url: str) -> str:
    """Return `url` with passwords, tokens and keys replaced by `***`; a plain path stays as it is.

    Masked are what stands before `@` (a user's name stays when a password follows it) and the
    values of query and path parameters whose name sounds secret. An address that breaks the rules,
    such as a password with `/` or `#` in it, is masked too wide rather than too little.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    user, rest = _split_user(rest)
    head = re.match(r"[^?#]*", rest)
    assert head is not None
    path, tail = head[0], rest[len(head[0]) :]
    masked_path = _PATH_SECRET.sub(rf"\g<1>{MASK}", path)
    parameters = "".join(_mask_parameter(part) for part in re.split(r"([?&;#])", tail))
    return f"{scheme}://{user}{masked_path}{parameters}"


def quote_user(url: str) -> str:
    """Return an address whose user and password mean the same to everybody who reads it.

    Characters that have a meaning in addresses are percent-encoded in them, as people paste passwords, and
    `${NAME}` puts them, as they are. What is percent-encoded already stays so, and what holds no user too.
    """
    scheme, separator, rest = url.partition("://")
    at = _end_of_user(rest) if separator else -1
    if at < 0:
        return url
    name, colon, password = (
        _UNQUOTED.sub(lambda m: quote(m[0], safe=""), t) for t in rest[:at].partition(":")
    )
    return f"{scheme}://{name}{':' if colon else ''}{password}{rest[at:]}"


def mask_urls(text: str) -> str:
    """Return `text` with every address in it masked, for messages of other libraries."""
    return _URL_IN_TEXT.sub(lambda match: mask_url(match[0]), text)


def _end_of_user(rest: str) -> int:
    """Return where the `@` behind user and password stands, -1 where there is none."""
    # A `#` is taken for a password's: no camera's address has a part behind its path.
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    at = authority.rfind("@")
    if at >= 0 and _HOST.match(rest, at + 1):
        return at
    if at < 0 and (":" not in authority or _PORT.fullmatch(authority.rpartition(":")[2])):
        return -1
    # Such as admin:p/ss@host: the first @ behind which a host can stand.
    ends = (found.start() for found in re.finditer("@", rest))
    return next((end for end in ends if _HOST.match(rest, end + 1)), -1)


def _split_user(rest: str) -> tuple[str, str]:
    """Return what to show of the user part, and what follows it."""
    before_path = rest.partition("/")[0]
    known = "@" in before_path or (":" in before_path and not _PORT.fullmatch(before_path.rpartition(":")[2]))
    # A further @, in the path or behind it, may be the end of a password with / or ? in it.
    at = rest.rfind("@") if known else -1
    if at < 0:
        return "", rest
    name, colon, _ = rest[:at].partition(":")
    return (f"{name}:{MASK}@" if colon else f"{MASK}@"), rest[at + 1 :]


def _mask_parameter(part: str) -> str:
    key, equals, value = part.partition("=")
    if equals and value and _SECRET_KEY.search(unquote(key)):
        return f"{key}={MASK}"
    return part
