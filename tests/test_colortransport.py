"""Clouds of colours carried over to others."""

import numpy as np
import pytest
import torch

from huafeng.colortransport import DIRECTIONS, NODES, TURNED, blurred, displacement_field, distance, towards
from huafeng.training import looknetwork


def cloud(count: int = 500, seed: int = 0, low: float = 0.1, high: float = 0.9) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, (count, 3)).astype(np.float32)


SHIFT = np.array([0.05, -0.02, 0.03], np.float32)


def test_axes_are_orthogonal() -> None:
    for axes in TURNED:
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)


@pytest.mark.parametrize("axes", TURNED)
def test_colors_of_other_order_go_where_the_target_is(axes: np.ndarray) -> None:
    colors = cloud()
    shuffled = colors[np.random.default_rng(1).permutation(len(colors))]
    np.testing.assert_allclose(towards(colors, shuffled + SHIFT, axes), np.tile(SHIFT, (len(colors), 1)), atol=1e-5)


def test_ranks_are_matched() -> None:
    """Two colours, three targets' places swapped: the darker goes to the darker one along each axis."""
    now, target = np.array([[0.2, 0.5, 0.4], [0.6, 0.1, 0.4]]), np.array([[0.9, 0.3, 0.4], [0.3, 0.7, 0.4]])
    np.testing.assert_allclose(towards(now, target, np.eye(3)), [[0.1, 0.2, 0], [0.3, 0.2, 0]], atol=1e-12)


def test_a_shift_has_the_distance_of_its_shadows() -> None:
    colors = cloud()
    assert distance(colors, colors) == 0
    assert distance(colors, colors + SHIFT) == pytest.approx(float(np.abs(DIRECTIONS @ SHIFT).mean()), abs=1e-6)


def test_a_shift_is_found_at_every_node() -> None:
    """Where no colour is, too."""
    colors = cloud(low=0.4, high=0.6)
    field = displacement_field(colors, colors, colors + SHIFT)
    np.testing.assert_allclose(field, np.broadcast_to(SHIFT, field.shape), atol=1e-5)
    assert field.shape == (NODES, NODES, NODES, 3)


def test_colors_move_by_what_they_are() -> None:
    """Dark ones up, light ones down: the field says so on either side, by the untouched colour and not by where it is now."""
    dark, light = cloud(300, 1, 0.05, 0.2), cloud(300, 2, 0.8, 0.95)
    untouched = np.concatenate([dark, light])
    field = displacement_field(untouched, 1 - untouched, np.concatenate([0.9 - dark, 1.1 - light]))
    assert np.abs(field[1, 1, 1] + 0.1).max() < 0.02  # now light, one tenth too light
    assert np.abs(field[7, 7, 7] - 0.1).max() < 0.02


def test_blurring_keeps_sums_inside_and_constants_everywhere() -> None:
    grid = np.zeros((NODES, NODES, NODES, 1))
    grid[4, 4, 4] = 64
    found = blurred(grid)
    assert found.sum() == 64
    assert found[4, 4, 4, 0] == 8
    assert found[3, 4, 5, 0] == 2
    np.testing.assert_array_equal(blurred(np.ones_like(grid)), np.ones_like(grid))


def test_training_sees_the_same_field() -> None:
    sides = [np.stack([cloud(400, seed + k) for seed in (0, 1)]) for k in (10, 20, 30)]
    found = looknetwork.displacement_field(*(torch.from_numpy(side) for side in sides)).numpy()
    wanted = [displacement_field(*(side[f] for side in sides)) for f in (0, 1)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
