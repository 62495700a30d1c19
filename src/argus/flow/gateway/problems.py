"""What is answered where something is wrong: problem documents that name the field and the remedy.

Source: RFC 9457, problem details for HTTP APIs; `errors` with `pointer` as in its example.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Raised by an endpoint to be answered as a problem document."""

    def __init__(self, status: int, name: str, title: str, detail: str, **more: Any) -> None:
        """Say what is wrong.

        Args:
            status: Of HTTP.
            name: What kind of problem, in its `type`.
            title: The kind, in words.
            detail: This one, and what to do about it.
            more: Further members.
        """
        super().__init__(detail)
        self.status = status
        self.body = {
            "type": f"urn:argus:problem:{name}", "title": title, "status": status, "detail": detail, **more
        }  # fmt: skip

    def response(self) -> Response:
        """Return it as an answer."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return Response(msgspec.json.encode(self.body), self.status, headers, MEDIA_TYPE)


def field_faults(message: str, names: Iterable[str]) -> list[dict[str, str]]:
    """Return one entry per fault of params, with a JSON pointer to the field where the text names one.

    Args:
        message: What the system said, one fault per line or between semicolons.
        names: Params that were given.
    """
    known = sorted(names, key=len, reverse=True)
    faults = []
    for fault in re.split(r"\n|; (?=[\w.]+: )", message):
        said = next((n for n in known if re.search(rf"\b{re.escape(n)}\b", fault)), None)
        pointer = "#/params" if said is None else f"#/params/{said}"
        faults.append({"pointer": pointer, "detail": fault.strip()})
    return faults
