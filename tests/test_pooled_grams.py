"""Gram matrices compared in the mean over results, against numbers worked out by hand, and what must always hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from huafeng.training import losses
from huafeng.training.pooledgrams import PooledGrams


def single(*values: float) -> Tensor:
    """Matrices of one channel."""
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def grams(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, 3, generator=torch.Generator().manual_seed(seed)) + 0.1


def test_by_hand() -> None:
    """Target 2. 3 is 1 too much: distance 1 / 4. Then 2 is right, but the mean is 0.25 / 0.75 too much."""
    pool = PooledGrams({"a": 1}, 1, 0.5)
    assert pool("a", single(3), single(2), [0]).item() == pytest.approx(1 / 4)
    made = single(2).requires_grad_()
    distance = pool("a", made, single(2), [0])
    assert distance.item() == pytest.approx((1 / 3) ** 2 / 4)
    distance.backward()
    assert made.grad is not None
    assert made.grad.item() == pytest.approx(2 * (1 / 3) / 4)  # though it is right itself, it is to be less: others were more
    # two at once, 1 too little: a quarter is left of the 0.25 so far, and of its weight, 0.75
    assert pool("a", single(1, 1), single(2, 2), [0, 0]).item() == pytest.approx(((0.0625 - 0.75) / 0.9375) ** 2 / 4)


def test_results_that_are_right_in_the_mean_cost_nothing() -> None:
    """One by one they would: (1 + 1) / 2 / 4."""
    pool = PooledGrams({"a": 1}, 1, 0.9)
    made, target = single(1, 3), single(2, 2)
    assert pool("a", made, target, [0, 0]).item() == pytest.approx(0)
    assert losses.style_loss(made, target).item() == pytest.approx(1 / 4)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 5), seed=st.integers(0, 99))
def test_any_picture_is_compared_one_by_one(count: int, seed: int) -> None:
    pool = PooledGrams({"a": 3}, 2, 0.9)
    made, target = grams(count, seed), grams(count, seed + 100)
    assert pool("a", made, target, [-1] * count).item() == pytest.approx(losses.style_loss(made, target).item())
    assert not pool.get_buffer("a").any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_styles_and_layers_are_remembered_each_by_itself(seed: int) -> None:
    """A batch of several styles is the mean of what each costs alone, by how many results it has."""
    mixed, first, second = (PooledGrams({"a": 3, "b": 3}, 2, 0.8) for _ in range(3))
    for step in range(3):
        made, target = grams(4, seed + step), grams(4, seed + step + 50)
        together = mixed("a", made, target, [0, 1, -1, 0])
        one = first("a", made[[0, 3]], target[[0, 3]], [0, 0])
        other = second("a", made[1:2], target[1:2], [1])
        single_one = losses.style_loss(made[2:3], target[2:3])
        assert together.item() == pytest.approx((2 * one + other + single_one).item() / 4, rel=1e-5)
    assert not mixed.get_buffer("b").any()


def test_what_is_remembered_is_part_of_a_checkpoint() -> None:
    pool, again = PooledGrams({"a": 3}, 1, 0.9), PooledGrams({"a": 3}, 1, 0.9)
    pool("a", grams(2, 1), grams(2, 2), [0, 0])
    again.load_state_dict(pool.state_dict())
    expected = pool("a", grams(2, 3), grams(2, 4), [0, 0])
    assert again("a", grams(2, 3), grams(2, 4), [0, 0]).item() == expected.item()
