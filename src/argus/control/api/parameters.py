"""What the parameters of a query mean, once for all endpoints; a name that nobody knows is refused.

A misspelt filter that was passed over would answer with everything, as if everything fitted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, get_args

from fastapi import Depends, Path, Query, Request

from argus.control.api.problems import Problem
from argus.core.durations import parse_duration_s
from argus.core.errors import did_you_mean
from argus.core.resources.regions import Severity
from argus.core.resources.resource import utc_now
from argus.storage.protocol import Query as Wanted

NAME: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
LARGEST_SEQ: Final = 2**63 - 1
_MOST_VALUES: Final = 100

Name = Annotated[str, Path(pattern=NAME, description="Its name, a DNS label.")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:@-]{1,200}$", description="Its id.")]
DryRun = Annotated[bool, Query(alias="dryRun", description="True: say what would be; nothing is changed.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items at most.")]
ManyLimit = Annotated[int, Query(ge=1, le=10_000, description="Items at most.")]
Cursor = Annotated[
    str | None, Query(max_length=1000, description="`cursor` of the page before; without it: the first page.")
]
_Names = Annotated[list[str], Query(description="One or several: `a,b`, or the parameter twice.")]


async def known_parameters(request: Request) -> None:
    """Refuse parameters that the endpoint does not have.

    Raises:
        Problem: 422, naming the nearest known one.
    """
    dependant = getattr(request.scope.get("route"), "dependant", None)
    if dependant is None:
        return
    known = set(_parameter_names(dependant)) | {"key"}
    strange = [name for name in request.query_params if name not in known]
    if strange:
        raise Problem(
            422,
            "unknown-parameter",
            f"unknown parameter {strange[0][:80]!r}{did_you_mean(strange[0], known)}",
            remedy=f"known here: {', '.join(sorted(known - {'key'})) or 'none'}",
            errors=[
                {"pointer": f"#/query/{name[:80]}", "detail": "no such parameter"} for name in strange[:20]
            ],
        )


def moment(text: str | None, parameter: str) -> datetime | None:
    """Return a time that a parameter says: RFC 3339, or how long ago (`10m`).

    Raises:
        Problem: 422, it is neither.
    """
    if not text:
        return None
    try:
        ago_s = parse_duration_s(text)
        return utc_now() - timedelta(seconds=ago_s)
    except (ValueError, OverflowError):
        pass
    try:
        # `+` of a time zone arrives as a space where a client has not encoded it.
        at = datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", text))
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(
            parameter, f"{text[:80]!r} is no time: write 2026-11-21T09:30:00Z, or how long ago, such as 10m"
        ) from None


def refused(parameter: str, detail: str) -> Problem:
    """Return the problem of one parameter of a query."""
    return Problem(
        422,
        "not-valid",
        f"{parameter}: {detail}",
        title="Not valid",
        errors=[{"pointer": f"#/query/{parameter}", "detail": detail}],
    )


def several(values: list[str], parameter: str) -> tuple[str, ...]:
    """Return the values of a parameter that may be given as `a,b` and more than once; none is empty.

    Raises:
        Problem: 422, they are too many, or too long.
    """
    found = tuple(
        dict.fromkeys(part for value in values for one in value.split(",") if (part := one.strip()))
    )
    if len(found) > _MOST_VALUES:
        raise refused(parameter, f"{len(found)} values are more than {_MOST_VALUES}")
    if any(len(one) > 256 for one in found):
        raise refused(parameter, "a value is longer than 256 characters")
    return found


async def filters(
    camera: _Names = [],  # noqa: B006 - FastAPI copies it
    pipeline: _Names = [],  # noqa: B006
    type: _Names = [],  # noqa: A002, B006 - the parameter's name
    zone: Annotated[list[str], Query(description="Names of zones, lines or crowds.")] = [],  # noqa: B006
    class_: Annotated[list[str], Query(alias="class", description="Classes of objects.")] = [],  # noqa: B006
    severity: Annotated[list[str], Query(description="`critical`, `high`, `medium`, `low`.")] = [],  # noqa: B006
    since: Annotated[
        str | None, Query(max_length=64, description="Began at or after: RFC 3339, or how long ago (`10m`).")
    ] = None,
    until: Annotated[str | None, Query(max_length=64, description="Began before; likewise.")] = None,
    acknowledged: Annotated[bool | None, Query(description="Whether somebody has seen to it.")] = None,
    job: Annotated[
        list[str] | None, Query(description="Names of jobs; empty: what was seen live; absent: both.")
    ] = None,
    open_: Annotated[bool | None, Query(alias="open", description="Whether it goes on.")] = None,
    object_: Annotated[
        int | None, Query(alias="object", ge=0, le=LARGEST_SEQ, description="Number of a tracked object.")
    ] = None,
) -> Wanted:
    """Return which results a query asks for."""
    severities = several(severity, "severity")
    strange = [one for one in severities if one not in get_args(Severity)]
    if strange:
        known = ", ".join(get_args(Severity))
        hint = did_you_mean(strange[0], get_args(Severity))
        raise refused("severity", f"unknown severity {strange[0]!r}{hint}; known: {known}")
    return Wanted(
        camera=several(camera, "camera"),
        pipeline=several(pipeline, "pipeline"),
        job=None if job is None else several(job, "job"),
        type=several(type, "type"),
        region=several(zone, "zone"),
        class_name=several(class_, "class"),
        severity=severities,
        object_id=object_,
        since=moment(since, "since"),
        until=moment(until, "until"),
        acknowledged=acknowledged,
        open=open_,
    )


Filters = Annotated[Wanted, Depends(filters)]
Watch = Annotated[
    bool, Query(description="True: an endless stream of changes as server-sent events, instead of a list.")
]
Truth = Literal["true", "false"]


def _parameter_names(dependant: object) -> list[str]:
    own = [field.alias for field in getattr(dependant, "query_params", ())]
    for inner in getattr(dependant, "dependencies", ()):
        own += _parameter_names(inner)
    return own
