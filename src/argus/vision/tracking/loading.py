"""Which tracker a spec means: a built-in one, or a plug-in of the entry-point group `argus.trackers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from argus.core.plugins import load_plugin
from argus.core.resources.track import TrackSpec
from argus.vision.tracking.protocol import Tracker

BUILTIN: Mapping[str, str] = {"bytetrack": "argus.vision.tracking.bytetrack:ByteTracker"}
"""Our own trackers: name and where it is. Each is called with a `TrackSpec`, as plug-ins are."""


def load_tracker(spec: TrackSpec | None = None) -> Tracker:
    """Return a new tracker, for one stream.

    Args:
        spec: Its settings; the defaults where None.

    Raises:
        UnknownName: nobody offers the algorithm; the message lists the known ones.
        PluginBroken: a plug-in offers it, but cannot be imported.
    """
    spec = TrackSpec() if spec is None else spec
    make = cast("Callable[[TrackSpec], Tracker]", load_plugin("tracker", spec.algorithm, BUILTIN))
    return make(spec)
