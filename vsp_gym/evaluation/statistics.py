"""Intervals, paired tests and pass@k, vectorised over boards.

The unit is a board: replies to one board are never taken for independent, so every resample draws whole
boards with all that was replied to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
"""Bootstrap resamples."""

LEVEL = 0.95
"""Coverage of intervals."""


class Estimate(NamedTuple):
    """A number with its interval."""

    value: float
    low: float | None
    """Lower end of the percentile interval; None where a single board cannot give one."""
    high: float | None


class Test(NamedTuple):
    """The outcome of a paired test of the hypothesis that both sides are equally good."""

    name: str
    p: float


class Resamples(NamedTuple):
    """A ratio, and the same ratio in every bootstrap resample."""

    value: float
    draws: Floats
    """`[RESAMPLES]`."""
    boards: int

    @property
    def estimate(self) -> Estimate:
        """The value with its percentile interval."""
        draws = self.draws[~np.isnan(self.draws)]
        if self.boards < 2 or not len(draws):
            return Estimate(self.value, None, None)
        low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Estimate(self.value, float(low), float(high))


def bootstrap(sums: Floats, counts: Floats, rng: np.random.Generator) -> list[Resamples]:
    """Ratios of sums over boards: `sums.sum() / counts.sum()` of each column, resampled jointly.

    Boards with equal rows are drawn together, which makes the time depend on how many different rows there
    are and not on the number of boards.

    Args:
        sums: `[boards, columns]`, for each board the sum over its replies.
        counts: `[boards, columns]`, over how many.
        rng: where the randomness comes from.

    Returns:
        One for each column. A ratio over nothing is NaN.
    """
    boards, columns = sums.shape
    kinds, number = np.unique(np.concatenate([sums, counts], axis=1), axis=0, return_counts=True)
    drawn = rng.multinomial(boards, number / boards, size=RESAMPLES).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (number @ kinds[:, :columns]) / (number @ kinds[:, columns:])
        draws = (drawn @ kinds[:, :columns]) / (drawn @ kinds[:, columns:])
    return [Resamples(float(value[c]), draws[:, c], boards) for c in range(columns)]


def average(parts: Sequence[Resamples]) -> Resamples:
    """The mean of independent ratios, each counting alike; those over nothing are left out."""
    values = np.array([part.value for part in parts])
    draws = np.array([part.draws for part in parts])
    known = ~np.isnan(draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, draws, 0).sum(axis=0) / known.sum(axis=0)
    value = float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else math.nan
    return Resamples(value, mean, sum(part.boards for part in parts))


def difference(after: Resamples, before: Resamples) -> Resamples:
    """`after - before` of ratios that were resampled jointly."""
    return Resamples(after.value - before.value, after.draws - before.draws, after.boards)


def paired_test(before: Floats, after: Floats, counts: Floats, draws: Floats) -> Test:
    """Whether two sides that answered the same boards differ.

    McNemar's exact test where each side has one reply to each board, else the paired bootstrap.

    Args:
        before: `[boards]` successes of one side.
        after: `[boards]` successes of the other.
        counts: `[boards, 2]` replies of each side.
        draws: differences in bootstrap resamples, for the second test.
    """
    if (counts == 1).all():
        return Test("McNemar, exact", mcnemar(int((before > after).sum()), int((after > before).sum())))
    below, above = float((draws <= 0).sum()), float((draws >= 0).sum())
    return Test("paired bootstrap", min(1.0, 2 * (min(below, above) + 1) / (len(draws) + 1)))


def mcnemar(one: int, other: int) -> float:
    """Two-sided p of McNemar's exact test: a fair coin is thrown for each board that only one side solved.

    >>> round(mcnemar(1, 9), 9), mcnemar(0, 0)
    (0.021484375, 1.0)
    """
    total, least = one + other, min(one, other)
    if total == 0:
        return 1.0
    steps = np.arange(1, least + 1)
    log_ways = np.concatenate([[0.0], np.cumsum(np.log((total - steps + 1) / steps))])
    log_ways -= total * math.log(2)
    top = log_ways.max()
    tail = math.exp(top) * float(np.exp(log_ways - top).sum())
    return min(1.0, 2 * tail)


def pass_at_k(solved: npt.NDArray[np.int64], samples: npt.NDArray[np.int64], k: int) -> float:
    """The chance that at least one of k replies succeeds, over boards with at least k; NaN without any.

    The unbiased estimator of Chen et al. (2021), arXiv 2107.03374: `1 - C(n - c, k) / C(n, k)`.

    Args:
        solved: `[boards]` replies that succeed.
        samples: `[boards]` replies.
        k: how many are drawn.
    """
    enough = samples >= k
    if not enough.any():
        return math.nan
    n, c = samples[enough][:, None], solved[enough][:, None]
    drawn = np.arange(k)[None, :]
    misses = np.clip((n - c - drawn) / (n - drawn), 0.0, 1.0).prod(axis=1)
    return float((1.0 - misses).mean())
