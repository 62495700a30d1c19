"""How boxes move between frames: a constant-velocity Kalman filter for all tracks at once.

The four corner coordinates of a box share one noise model, so their variances are always equal: one number
per track stands for four. The noise grows with the size of the object, and so do all variances; kept in
units of size² they need no size at all, and the gains depend on nothing but when the object was seen.
That makes this filter equal to the plain 8 × 8 one (a test compares them) at a fraction of its cost.
Boxes themselves are not here; see `bytetrack`.

Source: Kalman, "A New Approach to Linear Filtering and Prediction Problems", 1960; the noise of boxes as
shares of their size is from Wojke et al., "Simple Online and Realtime Tracking with a Deep
Association Metric", ICIP 2017, with a measurement noise fitted to detectors of today (docs/decisions/0005).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEPS_PER_S = 30.0
"""The filter's unit of time is a frame at 30 fps; other rates are fractions and multiples."""
POSITION_NOISE = 1 / 20
"""How far a corner strays per step from its course, as a share of the size of the object."""
VELOCITY_NOISE = 1 / 160
"""How much its velocity changes per step, likewise."""
MEASUREMENT_NOISE = 0.14
"""How far a detector is off, likewise."""
START = (0.1**2, 0.0, (1 / 16) ** 2)
"""Variances of a new track: position, covariance of position and velocity, velocity."""
LEAST_STEPS = 0.1
"""Noise is added for so much time at least, so that frames with one and the same time freeze no track."""

MEASUREMENT_VARIANCE = MEASUREMENT_NOISE**2


class Transition:
    """What the passing of a time does to the variances; kept from frame to frame while the rate stays."""

    def __init__(self) -> None:
        self._steps = -1.0
        self._matrix = np.eye(3)
        self._noise = np.zeros((3, 1))

    def apply(self, variances: NDArray[np.float64], steps: float) -> None:
        """Let `steps` pass for `variances` (3, N), rows as in `START`, in place."""
        if steps != self._steps:
            self._steps = steps
            self._matrix = np.array([[1.0, 2.0 * steps, steps * steps], [0.0, 1.0, steps], [0.0, 0.0, 1.0]])
            noisy = max(steps, LEAST_STEPS)
            self._noise = np.array([[noisy * POSITION_NOISE**2], [0.0], [noisy * VELOCITY_NOISE**2]])
        np.add(self._matrix @ variances, self._noise, out=variances)


def correct(variances: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gains of a measurement and update `variances` (3, N) in place.

    Args:
        variances: Rows as in `START`.
        measured: (N,) variance of each measurement; infinite where there is none, which gains 0.

    Returns:
        (2, N): the share of the surprise (measured minus predicted) that goes to the position, and to the
        velocity.
    """
    gains: NDArray[np.float64] = variances[:2] / (variances[0] + measured)
    variances[2] -= gains[1] * variances[1]
    variances[:2] *= 1.0 - gains[0]
    return gains
