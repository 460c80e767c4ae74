"""Bootstrap intervals: how far a figure would move, were it measured on other pictures of the same kind (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 1000
LEVEL = 0.95


def interval(
    values: ArrayLike,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
    statistic: Callable[[Any], Any] = np.mean,
) -> tuple[float, float]:
    """Percentile interval of a statistic of per-picture values.

    Below some 20 values it is a little too narrow, as percentile intervals are.

    Args:
        values: one a picture [N]; NaN = not measured, left out.
        draws: how often to resample.
        seed: of the draws.
        level: share of the bootstrap distribution inside, 0..1.
        statistic: numbers [N] -> one number.

    Raises:
        ValueError: no value was measured.
    """
    known = _measured(values)
    rows = _rows(len(known), draws, seed)
    if statistic is np.mean:
        # counted from the first value, so that equal values give exactly that value
        return percentiles(known[0] + (known - known[0])[rows].mean(1), level)
    return percentiles([statistic(known[row]) for row in rows], level)


def resamples(n: int, draws: int = DRAWS, seed: int = 0) -> Iterator[NDArray[np.intp]]:
    """Rows [n] drawn with replacement out of n, `draws` times; always the same ones for the same n and seed.

    Figures of one set of pictures that use the same draws can be divided by each other draw by draw.
    """
    return iter(_rows(n, draws, seed))


def percentiles(found: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of a figure's resampled values [draws]; NaN is left out.

    Raises:
        ValueError: there is no value.
    """
    low, high = np.quantile(_measured(found), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _rows(n: int, draws: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng([seed, n]).integers(n, size=(draws, n), dtype=np.intp)


def _measured(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        raise ValueError("there is no measured value to resample")
    return known
