"""Following objects from frame to frame: the protocol, our tracker, and how others plug in.

What following means for people (entering, leaving, dwelling) is in `argus.vision.rules`.
"""

from argus.core.resources.track import TrackSpec
from argus.vision.tracking.association import load_solver
from argus.vision.tracking.loading import load_tracker
from argus.vision.tracking.protocol import Tracker, Tracks, TrackState

__all__ = ["TrackSpec", "TrackState", "Tracker", "Tracks", "load_solver", "load_tracker"]
