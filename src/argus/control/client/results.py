"""What was seen, as a client asks for it.

Filters are those of the API: camera, pipeline, type, zone, class_, severity, since, …
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import msgspec

from argus.control.client.calls import PAGE, Calls, Json, part
from argus.control.client.events import Place, follow


class ResultCalls(Calls):
    """See the module."""

    def events(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield events, the latest start first."""
        return self._results("events", most, filters)

    def alerts(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield alerts, the latest first."""
        return self._results("alerts", most, filters)

    def tracks(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield tracks, the latest first."""
        return self._results("tracks", most, filters)

    def detections(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield frames with what was seen in them, the latest first."""
        return self._results("detections", most, filters)

    def event(self, id_: str) -> Json:
        """Return one event."""
        return self._object("GET", f"/api/v1/events/{part(id_)}")

    def alert(self, id_: str) -> Json:
        """Return one alert."""
        return self._object("GET", f"/api/v1/alerts/{part(id_)}")

    def acknowledge(self, kind: str, id_: str, *, by: str | None = None) -> Json:
        """Say that somebody has seen to an `event` or an `alert`."""
        path = f"/api/v1/{kind.removesuffix('s')}s/{part(id_)}:ack"
        return self._object("POST", path, json={"by": by} if by else {})

    def stream(self, kind: str, *, after: int | None = None, **filters: Any) -> Generator[Json, None, None]:
        """Yield `events` or `alerts` as they come or change, without end; none is missed by a break.

        Args:
            kind: Which of the two.
            after: `seq` to begin after; None: only what is new.
            filters: Only those that fit.
        """
        place = Place("" if after is None else str(after))
        for event in follow(
            self._asker, f"/api/v1/{kind.removesuffix('s')}s/stream", _filters(filters), place
        ):
            yield msgspec.json.decode(event.data)

    def _results(self, plural: str, most: int | None, filters: Mapping[str, Any]) -> Iterator[Json]:
        cursor, left = None, most
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            params = {**_filters(filters), "limit": limit, "cursor": cursor}
            page = self._asker.json("GET", f"/api/v1/{plural}", params=params)
            yield from page["items"]
            cursor = page["cursor"]
            left = None if left is None else left - len(page["items"])
            if cursor is None:
                return


def _filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters by the names that the API has for them: `class_` is `class`."""
    return {key.removesuffix("_"): value for key, value in filters.items()}
