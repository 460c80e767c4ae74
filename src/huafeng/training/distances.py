"""Distances between two sets of pictures, as rows of features float64 [N, D]. Pure numpy.

Memory stays below 1 GB at 5,000 rows of 3,300 features: no matrix of all differences, no D x D matrix where N < D.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.errors import DataError

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]

# Two rows nearer than this, in parts of their length, are one picture: the same pixels differ by 1e-6 or so after a network
# in float32, a JPEG saved once more by 1e-3 and more.
SAME = 1e-5
BLOCK = 4_000_000  # numbers held at a time where whole matrices are not needed


def frechet(a: F64, b: F64) -> float:
    """Frechet distance between two sets, each taken as one normal distribution (Heusel et al., NeurIPS 2017).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), covariances with N - 1. With S = X^T X (X: centred rows over sqrt(N - 1)) the
    last trace is exactly the sum of the singular values of X1 X2^T, whatever the covariances' ranks.

    Args:
        a, b: features [N, D] and [M, D].

    Raises:
        DataError: fewer than two pictures in a set.
    """
    a, b = _sets(a, b, at_least=2)
    return _frechet(a.mean(0), _root_of_rows(a), b.mean(0), _root_of_rows(b))


def frechet_of(mean1: F64, cov1: F64, mean2: F64, cov2: F64) -> float:
    """Frechet distance between two normal distributions (Dowson & Landau, 1982).

    Args:
        mean1, mean2: [D].
        cov1, cov2: symmetric, positive semidefinite [D, D].
    """
    return _frechet(mean1, _root_of_covariance(cov1), mean2, _root_of_covariance(cov2))


def _frechet(mean1: F64, root1: F64, mean2: F64, root2: F64) -> float:
    """The distance from means [D] and roots [R, D], root.T @ root = covariance."""
    apart = np.square(np.subtract(mean1, mean2)).sum() + np.square(root1).sum() + np.square(root2).sum()
    together = np.linalg.svd(root1 @ root2.T, compute_uv=False).sum()
    return max(0.0, float(apart - 2 * together))  # equal sets: rounding may fall below 0


def _root_of_rows(features: F64) -> F64:
    rows = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    # of more rows than columns the triangle R of a QR decomposition has the same R^T R
    return np.asarray(np.linalg.qr(rows, mode="r")) if rows.shape[0] > rows.shape[1] else rows


def _root_of_covariance(covariance: F64) -> F64:
    values, vectors = np.linalg.eigh(covariance)
    return np.sqrt(values.clip(0))[:, None] * vectors.T


@dataclass(frozen=True)
class Kernels:
    """The cubic kernel (x.y / D + 1)^3 between all pictures of two sets; what KID and its resamples are sums of.

    Args:
        aa, bb: within the sets, float64 [N, N] and [M, M], with 0 in the diagonal.
        ab: between the sets, float64 [N, M].
    """

    aa: F64
    ab: F64
    bb: F64

    @classmethod
    def of(cls, a: F64, b: F64) -> Kernels:
        """From features [N, D] and [M, D].

        Raises:
            DataError: fewer than two pictures in a set.
        """
        a, b = _sets(a, b, at_least=2)
        kernels = cls(_cubic(a, a), _cubic(a, b), _cubic(b, b))
        np.fill_diagonal(kernels.aa, 0)
        np.fill_diagonal(kernels.bb, 0)
        return kernels


def kid(a: F64, b: F64) -> float:
    """Kernel distance: the squared maximum mean discrepancy, unbiased, so that it can fall below 0 (Binkowski et al., 2018).

    Over all pictures rather than means of random subsets, and not multiplied by 1,000.

    Args:
        a, b: features [N, D] and [M, D].

    Raises:
        DataError: fewer than two pictures in a set.
    """
    kernels = Kernels.of(a, b)
    return float(kid_resampled(kernels, np.arange(len(kernels.aa)), np.arange(len(kernels.bb))))


def kid_resampled(kernels: Kernels, rows_a: Rows, rows_b: Rows) -> F64:
    """The kernel distance of resampled sets.

    A picture drawn twice would meet itself, which raises the mean kernel within a set and so the distance. Therefore
    only pairs of different originals count, and the sum is divided by the number of those.

    Args:
        kernels: of the sets as they are.
        rows_a, rows_b: the drawn rows [n] and [m], or [draws, n] and [draws, m] for many draws at once.

    Returns:
        One distance, or [draws]; NaN where a draw holds one original alone.
    """
    counts_a, counts_b = _counts(rows_a, len(kernels.aa)), _counts(rows_b, len(kernels.bb))
    between = ((counts_a @ kernels.ab) * counts_b).sum(-1) / (counts_a.sum(-1) * counts_b.sum(-1))
    return _mean_within(kernels.aa, counts_a) + _mean_within(kernels.bb, counts_b) - 2 * between


def _mean_within(kernel: F64, counts: F64) -> F64:
    pairs = np.square(counts.sum(-1)) - np.square(counts).sum(-1)
    total: F64 = ((counts @ kernel) * counts).sum(-1)
    return np.divide(total, pairs, out=np.full_like(total, np.nan), where=pairs > 0)


def _counts(rows: Rows, size: int) -> F64:
    """[..., n] -> how often each of `size` rows was drawn [..., size]."""
    return np.apply_along_axis(np.bincount, -1, rows, minlength=size).astype(np.float64)


def _cubic(a: F64, b: F64) -> F64:
    kernel = a @ b.T
    for row in kernel:  # in place: a second matrix of this size would not fit
        row[:] = (row / a.shape[1] + 1) ** 3
    return kernel


def precision_recall(real: F64, made: F64, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al., NeurIPS 2019).

    A set's manifold is the union of balls around its pictures, each reaching to the picture's k-th nearest neighbour.

    Args:
        real, made: features [N, D] and [M, D].
        k: neighbours.

    Returns:
        Share of made pictures on the real manifold, share of real pictures on the made one, 0..1.

    Raises:
        DataError: k pictures or fewer in a set.
    """
    real, made = _sets(real, made, at_least=k + 1)
    real_reach, made_reach = _reach(real, k), _reach(made, k)
    precise, recalled = np.zeros(len(made), bool), np.zeros(len(real), bool)
    for rows, distances in _distances(made, real):
        precise[rows] = (distances <= real_reach).any(1)
        recalled |= (distances <= made_reach[rows, None]).any(0)
    return float(precise.mean()), float(recalled.mean())


def _reach(features: F64, k: int) -> F64:
    """Distance of each row to its k-th nearest neighbour [N]."""
    # the nearest of all, at 0, is the row itself
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for _, distances in _distances(features, features)])


def diversity(made: F64, real: F64) -> float:
    """Mean Euclidean distance between two made pictures over that between two real ones; 1 = as varied.

    Args:
        made, real: features [M, D] and [N, D].

    Raises:
        DataError: fewer than two pictures in a set, or the real ones are all the same.
    """
    made, real = _sets(made, real, at_least=2)
    between_real = _mean_distance(real)
    if between_real == 0:
        raise DataError(ALL_THE_SAME)
    return _mean_distance(made) / between_real


def _mean_distance(features: F64) -> float:
    total = sum(float(distances.sum()) for _, distances in _distances(features, features))
    return total / (len(features) * (len(features) - 1))


class NearCopies(NamedTuple):
    """How near made pictures come to real ones.

    Args:
        share: of made pictures that lie nearer to a real one than `threshold`, 0..1.
        made: index of the made picture that lies nearest to a real one.
        real: index of that real one.
        distance: between the two.
        threshold: lowest hundredth of the real pictures' distances to their nearest other picture.
    """

    share: float
    made: int
    real: int
    distance: float
    threshold: float


def near_copies(made: F64, real: F64) -> NearCopies:
    """How many made pictures are nearly one of the real ones, and which of them the most.

    Pictures that are in the real set more than once do not lower the threshold: each counts with its nearest *different*
    picture. The hundredth is interpolated linearly, so below 100 real pictures it lies near the least distance.

    Args:
        made, real: features [M, D] and [N, D].

    Raises:
        DataError: no made picture, fewer than two real ones, or these are all the same.
    """
    made, real = _sets(made, real, at_least=1)
    nearest_real = np.concatenate(
        [np.where(distances > 0, distances, np.inf).min(1) for _, distances in _distances(real, real)]
    )
    if np.isinf(nearest_real).any():  # one of them has no other, so none has
        raise DataError(ALL_THE_SAME)
    threshold = float(np.quantile(nearest_real, 0.01))

    nearest, neighbour = np.empty(len(made)), np.empty(len(made), np.intp)
    for rows, distances in _distances(made, real):
        nearest[rows], neighbour[rows] = distances.min(1), distances.argmin(1)
    closest = int(nearest.argmin())
    return NearCopies(float((nearest < threshold).mean()), closest, int(neighbour[closest]), float(nearest[closest]), threshold)


ALL_THE_SAME = "The real pictures are all the same one: give a folder with different pictures."


def _sets(a: F64, b: F64, at_least: int) -> tuple[F64, F64]:
    """Both sets as float64, of enough rows and equal width."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features [N, D] and [M, D] were expected, not {a.shape} and {b.shape}")
    if (fewest := min(len(a), len(b))) < at_least:
        raise DataError(f"At least {at_least} pictures a set are needed here, and one has {fewest}: add some.")
    return a, b


def _distances(a: F64, b: F64) -> Iterator[tuple[slice, F64]]:
    """Euclidean distances of rows of a to all of b, a block [n, M] of a's rows at a time; of the same picture exactly 0."""
    lengths_a, lengths_b = np.square(a).sum(1), np.square(b).sum(1)
    step = max(1, BLOCK // len(b))
    for top in range(0, len(a), step):
        rows = slice(top, top + step)
        lengths = lengths_a[rows, None] + lengths_b
        squares = lengths - 2 * (a[rows] @ b.T)
        squares[squares <= SAME**2 * lengths] = 0  # also what rounding left below 0
        yield rows, np.sqrt(squares)
