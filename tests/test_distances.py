"""Distances between sets and their intervals: worked out by hand, against second implementations, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from huafeng.errors import DataError
from huafeng.evaluation import bootstrap
from huafeng.training import distances
from huafeng.training.distances import F64, Kernels, kid_resampled


def features(n: int, d: int, *, seed: int, shift: float = 0.0) -> F64:
    """Rows of a normal distribution with correlated columns; `seed` draws the rows, never the distribution."""
    mixing = np.random.default_rng([7, d]).normal(size=(d, d)) / np.sqrt(d)
    return np.random.default_rng([8, seed]).normal(size=(n, d)) @ mixing + shift


def column(*numbers: float) -> F64:
    return np.array(numbers, np.float64)[:, None]


SEEDS = st.integers(0, 10_000)

# ---------------------------------------------------------------------------------------------------- Frechet distance


def test_frechet_of_two_gaussians_by_hand() -> None:
    one, four = np.array([[1.0]]), np.array([[4.0]])
    assert distances.frechet_of(np.array([0.0]), one, np.array([3.0]), four) == pytest.approx(9 + (1 - 2) ** 2)
    # of commuting covariances: each axis for itself
    found = distances.frechet_of(np.zeros(2), np.diag([1.0, 9.0]), np.array([1.0, 2.0]), np.diag([16.0, 0.0]))
    assert found == pytest.approx(1 + 4 + (1 - 4) ** 2 + (3 - 0) ** 2)


def test_frechet_of_samples_by_hand() -> None:
    # means 0 and 3, variances with n - 1: 2 / 1 and 8 / 1
    assert distances.frechet(column(-1, 1), column(1, 5)) == pytest.approx(9 + (2**0.5 - 8**0.5) ** 2)


@pytest.mark.parametrize(("n", "m", "d"), [(60, 80, 12), (15, 90, 40), (90, 15, 40), (20, 30, 200)])
def test_frechet_as_torchmetrics_and_scipy(n: int, m: int, d: int) -> None:
    a, b = features(n, d, seed=1), features(m, d, seed=2, shift=0.3)
    moments = (a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    found = distances.frechet(a, b)
    assert found == pytest.approx(float(_compute_fid(*map(torch.from_numpy, moments))), rel=1e-4)
    assert found == pytest.approx(distances.frechet_of(*moments), rel=1e-6)
    if min(n, m) > d:  # the matrix root of a singular product is not stable
        root = scipy.linalg.sqrtm(moments[1] @ moments[3]).real
        assert found == pytest.approx(((moments[0] - moments[2]) ** 2).sum() + np.trace(moments[1] + moments[3] - 2 * root))


@given(seed=SEEDS, n=st.integers(2, 30), m=st.integers(2, 30), d=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_frechet_is_a_distance(seed: int, n: int, m: int, d: int) -> None:
    a, b = features(n, d, seed=seed), features(m, d, seed=seed + 1, shift=0.5)
    found = distances.frechet(a, b)
    assert found >= np.square(a.mean(0) - b.mean(0)).sum() * (1 - 1e-9)
    assert distances.frechet(b, a) == pytest.approx(found)
    assert 0 <= distances.frechet(a, a) < 1e-9
    assert distances.frechet(a + 100, b + 100) == pytest.approx(found, rel=1e-6)


# ------------------------------------------------------------------------------------------------------------------ KID


def test_kid_by_hand() -> None:
    # within a: (1 * 0 + 1)^3 = 1; within b: (2 * 3 + 1)^3 = 343; between: the mean of 1, 1, 3^3 and 4^3
    assert distances.kid(column(1, 0), column(2, 3)) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kid_as_torchmetrics() -> None:
    a, b = features(50, 30, seed=1), features(50, 30, seed=2, shift=0.2)
    assert distances.kid(a, b) == pytest.approx(poly_mmd(torch.from_numpy(a), torch.from_numpy(b)).item(), rel=1e-9)


def test_kid_of_equal_distributions_is_0_within_error() -> None:
    found = [distances.kid(features(60, 10, seed=2 * i), features(40, 10, seed=2 * i + 1)) for i in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / len(found) ** 0.5
    assert min(found) < 0  # unbiased, so it falls below 0 as well
    assert distances.kid(features(60, 10, seed=1), features(60, 10, seed=2, shift=0.5)) > max(found)


def test_kid_of_resamples_counts_pairs_of_different_originals_alone() -> None:
    a, b = features(6, 4, seed=1), features(5, 4, seed=2)
    rows_a, rows_b = np.array([0, 0, 3, 5, 3, 3]), np.array([1, 1, 1, 4, 0])

    def kernel(x: F64, y: F64) -> float:
        return float((x @ y / 4 + 1) ** 3)

    def within(x: F64, rows: distances.Rows) -> float:
        return float(np.mean([kernel(x[i], x[j]) for i in rows for j in rows if i != j]))

    between = np.mean([kernel(a[i], b[j]) for i in rows_a for j in rows_b])
    by_hand = within(a, rows_a) + within(b, rows_b) - 2 * between
    kernels = Kernels.of(a, b)
    assert kid_resampled(kernels, rows_a, rows_b) == pytest.approx(by_hand)
    assert kid_resampled(kernels, np.stack([rows_a, rows_a]), np.stack([rows_b, rows_b])) == pytest.approx([by_hand, by_hand])
    assert np.isnan(kid_resampled(kernels, np.zeros(6, np.intp), rows_b))  # one picture alone has no pairs


def draws(n: int, seed: int) -> distances.Rows:
    return np.stack(list(bootstrap.resamples(n, 400, seed)))


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_resampling_does_not_shift_kid(shift: float) -> None:
    for seed in range(5):
        a, b = features(40, 12, seed=2 * seed), features(50, 12, seed=2 * seed + 1, shift=shift)
        resampled = kid_resampled(Kernels.of(a, b), draws(40, 0), draws(50, 1))
        assert abs(resampled.mean() - distances.kid(a, b)) < 4 * resampled.std() / 400**0.5


def test_kid_of_a_null_has_0_in_its_interval() -> None:
    holds = 0
    for seed in range(40):
        kernels = Kernels.of(features(40, 12, seed=2 * seed), features(50, 12, seed=2 * seed + 1))
        low, high = bootstrap.percentiles(kid_resampled(kernels, draws(40, 0), draws(50, 1)))
        holds += low <= 0 <= high
    assert holds >= 36
    apart = Kernels.of(features(40, 12, seed=1), features(50, 12, seed=2, shift=0.6))
    assert bootstrap.percentiles(kid_resampled(apart, draws(40, 0), draws(50, 1)))[0] > 0


# -------------------------------------------------------------------------------------------- precision, recall, copies


def test_precision_and_recall_by_hand() -> None:
    real, made = column(0, 1, 2, 10), column(1.5, 3.5, 19, 100)
    # k = 1: real pictures reach 1, 1, 1, 8; 1.5 and 3.5 lie in one of these balls, 19 and 100 do not
    # made ones reach 2, 2, 15.5, 81: 0, 1, 2 lie near 1.5, and 10 lies near 19
    assert distances.precision_recall(real, made, k=1) == (0.5, 1.0)
    # k = 3: the real ones reach 10, 9, 8, 10; the made ones 98.5, 96.5, 81, 98.5
    assert distances.precision_recall(real, made) == (0.75, 1.0)


@given(seed=SEEDS, n=st.integers(4, 25), m=st.integers(4, 25))
@settings(max_examples=30, deadline=None)
def test_precision_and_recall_always(seed: int, n: int, m: int) -> None:
    real, made = features(n, 5, seed=seed), features(m, 5, seed=seed + 1, shift=0.5)
    precision, recall = distances.precision_recall(real, made)
    assert distances.precision_recall(made, real) == (recall, precision)
    assert distances.precision_recall(real, real) == (1, 1)
    assert distances.precision_recall(real, made + 1000) == (0, 0)
    assert distances.precision_recall(real, np.repeat(real[:1], m, axis=0)) == pytest.approx((1, 1 / n))  # a collapse


def test_diversity_by_hand() -> None:
    assert distances.diversity(column(0, 1, 3), column(0, 2, 6)) == pytest.approx(0.5)
    assert distances.diversity(column(0, 2), column(0, 2, 6)) == pytest.approx(0.5)  # 2 over the mean of 2, 4, 6
    assert distances.diversity(column(5, 5, 5), column(0, 2, 6)) == 0


def test_near_copies_by_hand() -> None:
    real = column(0, 0, 4, 9, 15)  # nearest other pictures: 4, 4, 4, 5, 6: the two equal ones do not count as a pair
    # 4.5 lies 0.5 away from 4, and 0 is there already
    assert distances.near_copies(column(30, 20, 4.5, 0), real) == pytest.approx((0.5, 3, 0, 0, 4))
    assert distances.near_copies(column(30, 11), real) == pytest.approx((0.5, 1, 3, 2, 4))
    assert distances.near_copies(column(30, 21), real).share == 0


def test_near_copies_take_the_lowest_hundredth() -> None:
    real = np.cumsum(np.arange(1.0, 202.0))[:, None]  # distances to the nearest: 2, 2, 3, 4, ..., 201
    assert distances.near_copies(column(-10), real).threshold == pytest.approx(np.quantile([2, *range(2, 202)], 0.01)) == 3


def test_the_same_picture_after_a_network_in_float32_is_the_same() -> None:
    real = 100 + features(50, 300, seed=1)
    again = real * (1 + 1e-7 * np.random.default_rng(0).normal(size=real.shape))
    assert distances.near_copies(again, real)[:4] == (1.0, 0, 0, 0.0)
    assert distances.near_copies(real, np.concatenate([real, again])).threshold > 1


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = features(30, 6, seed=1), features(23, 6, seed=2)

    def found() -> list[float]:
        return [
            *distances.precision_recall(real, made),
            distances.diversity(made, real),
            *distances.near_copies(made, real),
        ]

    whole = found()
    monkeypatch.setattr(distances, "BLOCK", 100)  # rows by threes and fours
    assert found() == pytest.approx(whole)


def test_too_few_or_unfit_pictures_are_told() -> None:
    few, enough = features(3, 5, seed=1), features(9, 5, seed=2)
    with pytest.raises(DataError, match="At least 4 pictures a set are needed here, and one has 3"):
        distances.precision_recall(enough, few)
    with pytest.raises(DataError, match="At least 2"):
        distances.frechet(few[:1], enough)
    with pytest.raises(DataError, match="At least 2"):
        distances.kid(enough, few[:1])
    same = np.repeat(few[:1], 5, axis=0)
    with pytest.raises(DataError, match="all the same"):
        distances.near_copies(enough, same)
    with pytest.raises(DataError, match="all the same"):
        distances.diversity(enough, same)
    with pytest.raises(ValueError, match="features"):
        distances.kid(enough, enough[:, :2])


# ------------------------------------------------------------------------------------------------------------ intervals

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40)


@given(values=VALUES, seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_interval_always(values: list[float], seed: int) -> None:
    low, high = bootstrap.interval(values, draws=200, seed=seed)
    drawn = [np.mean(np.array(values)[rows]) for rows in bootstrap.resamples(len(values), 200, seed)]
    tiny = 1e-9 * (1 + max(map(abs, values)))
    assert low - tiny <= np.mean(drawn) <= high + tiny
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=tiny)
    assert bootstrap.interval(values, draws=200, seed=seed) == (low, high)
    assert bootstrap.interval([*values, np.nan, np.nan], draws=200, seed=seed) == (low, high)
    wide = bootstrap.interval(values, draws=200, seed=seed, level=0.99)
    assert wide[0] <= low <= high <= wide[1]


@given(value=st.floats(-1e3, 1e3), n=st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_interval_of_a_constant_is_that_constant(value: float, n: int) -> None:
    assert bootstrap.interval([value] * n, draws=50) == (value, value)


def test_interval_covers_and_narrows() -> None:
    random = np.random.default_rng(3)
    found = [bootstrap.interval(random.normal(5, 2, 40), draws=400, seed=i) for i in range(200)]
    assert 0.90 <= np.mean([low <= 5 <= high for low, high in found]) <= 0.99
    width = np.mean([high - low for low, high in found])
    assert width == pytest.approx(2 * 1.96 * 2 / 40**0.5, rel=0.05)
    low, high = bootstrap.interval(random.normal(5, 2, 640))
    assert high - low == pytest.approx(width / 4, rel=0.15)


def test_interval_of_another_statistic() -> None:
    values = np.arange(101.0)
    low, high = bootstrap.interval(values, statistic=np.median)
    assert (low, high) == tuple(np.quantile([np.median(values[rows]) for rows in bootstrap.resamples(101)], [0.025, 0.975]))
    assert 20 < low < 50 < high < 80


def test_resamples_are_the_same_for_the_same_set() -> None:
    one, again, other = (np.stack(list(bootstrap.resamples(30, 50, seed))) for seed in (0, 0, 1))
    assert one.shape == (50, 30) and set(one.ravel()) == set(range(30))
    assert (one == again).all() and (one != other).any()
    # draw by draw: the ratio of one set's figures is exact wherever one is twice the other
    values = np.random.default_rng(0).random(30)
    assert {round((2 * values)[rows].mean() / values[rows].mean(), 9) for rows in one} == {2.0}


def test_nothing_measured_is_refused() -> None:
    for empty in ([], [np.nan]):
        with pytest.raises(ValueError, match="no measured value"):
            bootstrap.interval(empty)
