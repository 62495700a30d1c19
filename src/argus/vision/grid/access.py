"""Who may see the page: decisions over the headers of a request, nothing else.

A page on loopback is open to whoever works on this machine, and to no site that a browser on it
visits. A page beyond loopback is open to whoever has its token.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs


def is_foreign(fetch_site: str | None, path: str) -> bool:
    """Return whether another site's page asks for a part of ours, as its `Sec-Fetch-Site` admits.

    It could not read the answer, but it could use up what is meant for those who look. A link to the page
    itself is welcome from anywhere.
    """
    return fetch_site == "cross-site" and path != "/"


def token_given(query: str, cookies: str | None, cookie_name: str) -> str:
    """Return the token that a request brings in its query or its cookie; empty where it brings none."""
    values = parse_qs(query).get("token")
    if values:
        return values[0]
    try:
        found = SimpleCookie(cookies or "").get(cookie_name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def token_fits(given: str, wanted: str | None) -> bool:
    """Return whether a token opens the page; takes equally long for every wrong one. None asks for none."""
    return wanted is None or hmac.compare_digest(given.encode(), wanted.encode())
