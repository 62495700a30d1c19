"""Whether a camera that should show something does: lost, frozen, dark, covered, blurred or moved."""

from argus.vision.health.monitor import HealthChange, HealthMonitor
from argus.vision.health.snapshots import HealthPicture

__all__ = ["HealthChange", "HealthMonitor", "HealthPicture"]
