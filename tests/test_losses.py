"""Losses against numbers worked out by hand, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from huafeng.pixels import U8
from huafeng.training import losses
from huafeng.training.data import to_batch


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_gram_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels, two places
    assert losses.gram(features).tolist() == [[[2.5, 5.5], [5.5, 12.5]]]


def test_style_loss_by_hand() -> None:
    target = torch.tensor([[[2.0, 0.0], [0.0, 2.0]]])
    made = torch.tensor([[[2.0, 1.0], [1.0, 2.0]]])
    assert losses.style_loss(made, target).item() == pytest.approx((2 / 4) / (8 / 4))
    assert losses.style_loss(target, target).item() == 0


def test_content_loss_by_hand() -> None:
    photo = torch.tensor([[[[3.0, 4.0]]]])
    assert losses.content_loss(torch.zeros_like(photo), photo).item() == pytest.approx(1.0)
    assert losses.content_loss(2 * photo, photo).item() == pytest.approx(1.0)
    assert losses.content_loss(photo, photo).item() == 0
    both = torch.cat([photo, 2 * photo])
    assert losses.content_loss(torch.zeros_like(both), both, torch.tensor([0.5, 1.0])).item() == pytest.approx(0.75)


def test_total_variation_by_hand() -> None:
    picture = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])  # |dx| = 1 twice, |dy| = 0
    assert losses.total_variation(picture).item() == pytest.approx(1.0)


def crops(count: int, side: int, *pictures: U8) -> Tensor:
    """Squares from random places of the pictures in turn, [count, 3, side, side]."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        y, x = (int(rng.integers(extent - side + 1)) for extent in picture.shape[:2])
        found.append(picture[y : y + side, x : x + side])
    return to_batch(found)


def test_grid_excess_sees_a_grid(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> None:
    photo = crops(16, 256, astronaut, chelsea, coffee, rocket)
    grid = torch.zeros(1, 1, 256, 256)
    grid[..., ::4, ::4] = 0.1
    plain, with_grid = losses.grid_excess(photo).item(), losses.grid_excess(photo + grid).item()
    assert with_grid > 2 * plain + 1


def test_grid_excess_of_shared_batches_is_the_whole_batch(astronaut: U8, chelsea: U8, coffee: U8) -> None:
    whole = crops(4, 64, astronaut, chelsea, coffee).requires_grad_(True)
    powers: list[Tensor] = []

    def note(power: Tensor) -> Tensor:
        powers.append(power)
        return power

    one, other = (losses.grid_excess(half, mean=note) for half in whole.split(2))
    together = losses.grid_excess(whole[:2], mean=lambda mine: (mine + powers[1]) / 2)  # what a mean over two processes gives
    assert together.item() == pytest.approx(losses.grid_excess(whole).item(), rel=1e-5)
    assert together.item() != pytest.approx((one.item() + other.item()) / 2, rel=1e-3)
    expected, *_ = torch.autograd.grad(losses.grid_excess(whole), whole)
    found, *_ = torch.autograd.grad(together, whole)
    assert torch.allclose(found, expected, atol=1e-6 * expected.abs().max().item(), rtol=1e-3)


def test_channel_statistics_by_hand() -> None:
    features = torch.tensor([[[[1.0, 3.0]], [[4.0, 4.0]]]])  # means 2 and 4, deviations 1 and 0
    (mean, deviation) = losses.channel_statistics(features)[0].tolist()
    assert mean == [2, 4]
    assert deviation == pytest.approx([math.sqrt(1 + 1e-5), math.sqrt(1e-5)])


def test_adain_statistics_know_no_places_and_no_sizes() -> None:
    features = noise(2, 5, 6, 8)
    shuffled = features.flatten(2).flip(2).view(2, 5, 8, 6)
    twice = features.repeat(1, 1, 1, 2)
    wanted = losses.channel_statistics(features)
    for same in (shuffled, twice):
        assert torch.allclose(losses.channel_statistics(same), wanted, atol=1e-6)


def test_cycle_and_identity_by_hand() -> None:
    picture = torch.zeros(1, 3, 1, 2)
    other = torch.tensor([[[[0.5, 0.0]], [[-0.25, 0.0]], [[0.0, 0.75]]]])  # absolute values sum to 1.5, over 6 numbers
    assert losses.cycle_loss(other, picture).item() == pytest.approx(1.5 / 6)
    assert losses.identity_loss(other, picture).item() == pytest.approx(1.5 / 6)
    assert losses.cycle_loss(other, other).item() == 0


@settings(max_examples=40, deadline=None)
@given(places=st.integers(1, 8), temperature=st.floats(0.1, 2))
def test_patch_nce_of_orthogonal_features(places: int, temperature: float) -> None:
    # cosines: 1 with the own place, 0 with the P - 1 others: -log(e^(1/t) / (e^(1/t) + P - 1))
    features = 3 * torch.eye(8)[None, :places]  # the length does not matter
    wanted = math.log1p((places - 1) * math.exp(-1 / temperature))
    assert losses.patch_nce(features, features, temperature).item() == pytest.approx(wanted, abs=1e-5)


def test_patch_nce_of_swapped_places() -> None:
    # cosine 0 with the own place, 1 with one other of the 4: -log(1 / (e^(1/0.07) + 3)) = 1/0.07 + log(1 + 3 e^(-1/0.07))
    features = torch.eye(4)[None]
    wanted = 1 / 0.07 + math.log1p(3 * math.exp(-1 / 0.07))
    assert losses.patch_nce(features, features.roll(1, 1)).item() == pytest.approx(wanted, rel=1e-5)


def test_patch_nce_takes_negatives_from_the_same_picture_only() -> None:
    queries, keys = noise(3, 5, 4), noise(3, 5, 4, seed=1)
    apart = [losses.patch_nce(q[None], k[None]).item() for q, k in zip(queries, keys, strict=True)]
    assert losses.patch_nce(queries, keys).item() == pytest.approx(sum(apart) / 3, rel=1e-5)


def test_patch_nce_leaves_the_keys_alone() -> None:
    queries, keys = noise(1, 5, 4).requires_grad_(True), noise(1, 5, 4, seed=1).requires_grad_(True)
    losses.patch_nce(queries, keys).backward()
    assert keys.grad is None
    assert queries.grad is not None
    better = (queries - 0.01 * queries.grad).detach()
    assert losses.patch_nce(better, keys) < losses.patch_nce(queries, keys)


def test_weight_penalties_by_hand() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.0]]))
        layer.bias.fill_(5.0)
    assert losses.l1_penalty(layer).item() == 1 + 2 + 3
    assert losses.l2_penalty(layer).item() == (1 + 4 + 9) / 2
    (of_l1,) = torch.autograd.grad(losses.l1_penalty(layer), layer.weight)
    (of_l2,) = torch.autograd.grad(losses.l2_penalty(layer), layer.weight)
    assert of_l1.tolist() == [[1, -1], [1, 0]]
    assert torch.equal(of_l2, layer.weight)
    frozen = nn.Sequential(layer, nn.BatchNorm1d(2)).requires_grad_(False)
    assert losses.l1_penalty(frozen).item() == losses.l2_penalty(frozen).item() == 0


def test_every_loss_has_a_gradient() -> None:
    made = noise(2, 3, 64, 64).requires_grad_(True)
    photo = torch.zeros_like(made)
    places = made[:, :, :4, :4].flatten(2).transpose(1, 2)  # [2, 16, 3]
    for loss in (
        losses.style_loss(losses.gram(made), torch.ones(2, 3, 3)),
        losses.content_loss(made, photo + 1),
        losses.cycle_loss(made, photo),
        losses.identity_loss(made, photo),
        losses.patch_nce(places, noise(2, 16, 3, seed=1)),
        losses.total_variation(made),
        losses.grid_excess(made),
    ):
        (gradient,) = torch.autograd.grad(loss, made)
        assert loss.ndim == 0
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0


def test_gradients_of_empty_features_are_finite() -> None:
    dead = torch.zeros(1, 2, 3, 3, requires_grad=True)  # channels that a ReLU has shut: variance 0, length 0
    places = dead.flatten(2).transpose(1, 2)
    for loss in (
        losses.channel_statistics(dead).square().mean(),
        losses.patch_nce(places, noise(1, 9, 2)),
    ):
        (gradient,) = torch.autograd.grad(loss, dead)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_half_precision_is_counted_in_full() -> None:
    made, photo = noise(2, 3, 16, 16).bfloat16(), noise(2, 3, 16, 16, seed=1).bfloat16()
    for loss in (losses.cycle_loss, losses.identity_loss, losses.content_loss):
        assert loss(made, photo).dtype == torch.float32
        assert loss(made, photo).item() == loss(made.float(), photo.float()).item()
