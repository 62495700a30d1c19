"""From counts to events: when the crowds of one camera form, grow and disperse.

Who is in which area, and when that is a crowd, is `crowds`; what objects do is `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from argus.core.resources.regions import CrowdSpec
from argus.vision.alerts import Alerts
from argus.vision.crowds import Counted, Gathering
from argus.vision.events import EventLog, Moment


class Gatherings:
    """The crowds of one camera, told to its log of events."""

    def __init__(
        self, specs: Mapping[str, CrowdSpec], log: EventLog, alerts: Alerts, lost_after_s: float
    ) -> None:
        """Begin with nobody there; crowds are those of the areas that are counted, in their order."""
        self._log = log
        self._alerts = alerts
        self._gatherings = {name: Gathering(crowd, lost_after_s) for name, crowd in specs.items()}

    def step(self, counted: Counted, now: Moment) -> dict[str, int]:
        """Take who is where in one frame; return how many are in each area."""
        counts = dict(zip(self._gatherings, np.count_nonzero(counted.inside, axis=1).tolist(), strict=True))
        for number, (name, gathering) in enumerate(self._gatherings.items()):
            change = gathering.step(counts[name], now.time_s)
            if change is None:
                continue
            key = "crowd", name
            place: dict[str, Any] = {"region": name, "region_kind": "crowd"}
            sight = {
                "count": gathering.most,
                "xyxy": counted.around(number),
                "snapshot_frame": now.frame,
            }
            if change == "formed":
                assert gathering.since_s is not None
                grave = self._alerts.severity("crowd.formed", name, None)
                self._log.start(key, now, "crowd.formed", gathering.since_s, severity=grave, **place, **sight)
            elif change == "grown":
                self._log.update(key, **sight)
            else:
                self._log.end(key, gathering.last_s)
                grave = self._alerts.severity("crowd.dispersed", name, None)
                over = place | {"count": gathering.most, "severity": grave}
                self._log.instant(now, "crowd.dispersed", gathering.last_s, **over)
        return counts
