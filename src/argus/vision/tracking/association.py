"""Which track goes on with which detection: the assignment of greatest total weight over few candidate pairs.

Pairs that nothing competes with need no solver, and of many contested ones those that outweigh their rivals
need none either; the result is the optimum all the same. What a weight means, and which pairs are
candidates, is the tracker's decision.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from argus.vision.tracking.overlap import Index

_FEW = 64
"""So many contested pairs go to the solver at once; more are thinned out first."""
_ALONE = 2.0 + 1e-9


class Solver(Protocol):
    """`scipy.optimize.linear_sum_assignment`."""

    def __call__(
        self, cost_matrix: NDArray[np.float64], maximize: bool = False
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows and the columns that are matched, in the order of the rows."""


def load_solver() -> Solver:
    """Return the assignment solver.

    The first call takes a third of a second and more of the interpreter, in which no frame is looked at.
    Nothing that starts should wait for it, so it is no import of the module; and the first crowd should not
    either, which may come hours later. Who follows objects live calls this beside, soon after the start.
    """
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment


def match(pairs: Index, weights: NDArray[np.float64], n: int) -> Index:
    """Return the matching of greatest total weight among the candidate pairs.

    Args:
        pairs: (2, K) what may be matched with what. The two sides are numbered together: every number in the
            first row is below every one in the second. No pair twice.
        weights: (K,) what each pair is worth; one worth 0 is no candidate. Staying alone is worth 0.
        n: Numbers are below this.

    Returns:
        (2, M) the matched pairs, in no particular order; each number once at most.

    Source: the solver is Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 2016.
    """
    sums = np.bincount(pairs[0], weights, n)
    sums += np.bincount(pairs[1], weights, n)
    both = sums.take(pairs)
    rivals = both[0] + both[1]
    # Both sums hold the pair itself.
    contested = rivals > weights * _ALONE
    left = contested.nonzero()[0]
    if not len(left):
        return pairs if weights.all() else pairs[:, weights > 0.0]
    np.logical_not(contested, out=contested)
    contested &= weights > 0.0
    alone = pairs.take(contested.nonzero()[0], axis=1)
    pairs, weights = pairs.take(left, axis=1), weights.take(left)
    found = _solve(pairs, weights, n) if len(left) <= _FEW else _thinned(pairs, weights, rivals.take(left), n)
    return np.concatenate((alone, found), axis=1)


def _thinned(pairs: Index, weights: NDArray[np.float64], rivals: NDArray[np.float64], n: int) -> Index:
    """Match as `match` does, having taken the pairs that weigh more than all their rivals together.

    They are in every best matching, because whatever replaced one would weigh less. `rivals` (K,) are the
    weights of all pairs with the one number plus those with the other; both sums hold the pair itself.
    """
    sure = pairs.take((weights * 3.0 > rivals).nonzero()[0], axis=1)
    if not sure.shape[1]:
        return _solve(pairs, weights, n)
    taken = np.zeros(n, np.bool_)
    taken[sure] = True
    left = np.flatnonzero(~taken.take(pairs).any(axis=0))
    return np.concatenate((sure, match(pairs.take(left, axis=1), weights.take(left), n)), axis=1)


def _solve(pairs: Index, weights: NDArray[np.float64], n: int) -> Index:
    """Return the best matching by the assignment solver, over the numbers that occur."""
    places = np.zeros(n, np.intp)
    places[pairs] = 1
    names = places.nonzero()[0]
    # The two sides do not mix: every number of the first that occurs is below those of the second.
    split = int(np.searchsorted(names, pairs[1].min()))
    places[names[:split]] = np.arange(split)
    places[names[split:]] = np.arange(len(names) - split)
    matrix = np.zeros((split, len(names) - split))
    where = places.take(pairs)
    matrix[where[0], where[1]] = weights
    rows, columns = load_solver()(matrix, maximize=True)
    real = matrix[rows, columns] > 0.0
    found = np.empty((2, np.count_nonzero(real)), np.intp)
    found[0], found[1] = names[rows[real]], names[split:][columns[real]]
    return found
