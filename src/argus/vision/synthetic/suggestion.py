"""Rules that suit the plaza: an area, a line and a crowd that its people really use.

Plain values in the form that a pipeline file has; coordinates are relative to the picture.
"""

from __future__ import annotations

from typing import Any

PLAZA_ZONES: dict[str, dict[str, Any]] = {
    "restricted": {
        "polygon": [[0.08, 0.60], [0.41, 0.57], [0.43, 0.97], [0.03, 0.97]],
        "classes": ["person"],
        "dwell": "3s",
        "severity": "high",
    },
    "road": {
        "polygon": [[0.0, 0.24], [1.0, 0.24], [1.0, 0.35], [0.0, 0.35]],
        "classes": ["vehicle"],
    },
}
"""Who stands in the lower left of the plaza should not; vehicles belong on the road."""
PLAZA_LINES: dict[str, dict[str, Any]] = {
    "door": {"from": [0.5, 0.42], "to": [0.5, 0.99], "classes": ["person"]},
}
"""The line through the middle that everybody crosses sooner or later."""
PLAZA_CROWDS: dict[str, dict[str, Any]] = {
    "gathering": {
        "count": 4,
        "polygon": [[0.57, 0.50], [0.87, 0.50], [0.89, 0.80], [0.55, 0.80]],
        "formed_after": "2s",
        "classes": ["person"],
        "severity": "medium",
    },
}
"""Where people meet."""
