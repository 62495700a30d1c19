"""What the objects of tracks look like: re-identification embeddings that help to match.

Vectors and their similarity only. Who computes them is the caller: detections carry them, or not.

Source: the moving average of embeddings is from Wang et al., "Towards Real-Time Multi-Object Tracking",
ECCV 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.vision.tracking.association import match
from argus.vision.tracking.overlap import Index
from argus.vision.tracking.table import CLASS, CORNERS, LAST_S, TrackTable

KEEP = 0.9
"""Share of the old look that a new one leaves: higher forgets slower."""
REACH = 2.0
"""Who was lost is looked for within so many lengths of its box, and as many more per second."""
_LAST_RESORT = 1e-3
"""Weight of a pair that overlaps but does not look alike: better than nothing, worse than all else."""


class Looks:
    """One embedding per track, in the order of the tracker's table; zero where none was seen yet."""

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._vectors: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def weigh(
        self,
        pairs: Index,
        worth: NDArray[np.float64],
        first: NDArray[np.bool_],
        count: int,
        embedding: NDArray[np.float32],
    ) -> None:
        """Raise the worth of pairs that look alike and lower that of others, in place.

        Weak detections are left alone: their pictures show mostly what hides them.

        Args:
            pairs: (2, K) tracks and detections, as columns of the table.
            worth: (K,) what the pairs are worth by their overlap; changed for those in `first`.
            first: (K,) pairs of a confirmed track and a sure detection.
            count: Column of the first detection.
            embedding: (N, D) unit vectors of the detections.
        """
        if self._vectors.shape[1] != embedding.shape[1]:
            return
        which = first.nonzero()[0]
        mine = self._vectors.take(pairs[0].take(which), axis=0)
        theirs = embedding.take(pairs[1].take(which) - count, axis=0)
        alike = np.einsum("kd,kd->k", mine, theirs).astype(np.float64)
        alike -= self._similarity
        alike[~mine.any(axis=1)] = 0.0
        alike += worth.take(which)
        worth[which] = np.maximum(alike, _LAST_RESORT)

    def find_again(
        self, table: TrackTable, detections: Detections, sure: float, found: Index, now_s: float
    ) -> Index:
        """Return lost tracks and detections that belong together by looks alone, as columns of the table.

        Args:
            table: The tracks, with the detections behind them.
            detections: The objects of the frame.
            sure: Confidence from which a detection may be taken.
            found: (2, M) tracks and detections that are matched already, likewise.
            now_s: Time of the frame.
        """
        embedding = detections.embedding
        if embedding is None or self._vectors.shape[1] != embedding.shape[1]:
            return found[:, :0]
        count = table.count
        lost, free = np.ones(count, np.bool_), detections.confidence >= sure
        lost[found[0]] = False
        lost[table.confirmed :] = False
        free[found[1] - count] = False
        a, b = lost.nonzero()[0], free.nonzero()[0]
        if not len(a) or not len(b):
            return found[:, :0]
        corners = table.real[CORNERS]
        mine, theirs = corners[:, a], corners[:, b + count]
        apart = (mine[:2] - mine[2:])[:, :, None] - (theirs[:2] - theirs[2:])[:, None, :]
        length = np.abs(mine[:2] + mine[2:]).max(axis=0)
        reach = REACH * length * (1.0 + now_s - table.real[LAST_S, a])
        alike = (self._vectors[a] @ embedding[b].T).astype(np.float64)
        alike -= self._similarity
        alike[np.hypot(apart[0], apart[1]) * 0.5 > reach[:, None]] = 0.0
        alike[table.whole[CLASS, a][:, None] != detections.class_id[b]] = 0.0
        rows, columns = (alike > 0.0).nonzero()
        return match(np.stack((a[rows], b[columns] + count)), alike[rows, columns], count + len(detections))

    def learn(self, rows: Index, columns: Index, detections: Detections, sure: float) -> None:
        """Blend the looks of matched detections that are `sure` into those of their tracks."""
        if detections.embedding is None or not len(rows):
            return
        taught = detections.confidence.take(columns) >= sure
        rows, seen = rows[taught], detections.embedding[columns[taught]]
        self._fit(seen.shape[1])
        old = self._vectors[rows]
        share = np.where(old.any(axis=1), np.float32(KEEP), np.float32(0.0))[:, None]
        self._vectors[rows] = _unit(share * old + (1 - share) * seen)

    def begin(self, born: Index, detections: Detections) -> None:
        """Add the tracks that begin with the detections at `born`."""
        if detections.embedding is None:
            new = np.zeros((len(born), self._vectors.shape[1]), np.float32)
        else:
            self._fit(detections.embedding.shape[1])
            new = _unit(detections.embedding[born])
        self._vectors = np.concatenate((self._vectors, new))

    def keep(self, index: Index) -> None:
        """Keep the tracks at `index`."""
        self._vectors = self._vectors[index]

    def clear(self) -> None:
        """Forget all tracks."""
        self._vectors = self._vectors[:0]

    def _fit(self, width: int) -> None:
        """Begin anew where a model gives vectors of another length."""
        if self._vectors.shape[1] != width:
            self._vectors = np.zeros((len(self._vectors), width), np.float32)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.sqrt(np.einsum("kd,kd->k", vectors, vectors))[:, None]
    result: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return result
