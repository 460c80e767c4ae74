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


def test_weighted_gram_by_hand() -> None:
    """Weights 3 and 1: (3 f1 f1' + f2 f2') / 4; equal weights are as none; a finer map of weights is averaged."""
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    weights = torch.tensor([[[[3.0, 1.0]]]])
    assert losses.gram(features, weights).tolist() == [[[(3 + 4) / 4, (9 + 8) / 4], [(9 + 8) / 4, (27 + 16) / 4]]]
    assert torch.equal(losses.gram(features, torch.full((1, 1, 1, 2), 0.5)), losses.gram(features))
    fine = torch.tensor([[[[2.0, 4.0, 0.0, 2.0]]]])  # means 3 and 1
    assert torch.equal(losses.gram(features, fine), losses.gram(features, weights))


def test_busyness_by_hand() -> None:
    """A chequerboard of 1 px and contrast 0.1 deviates by 0.05 from its mean: 1 - exp(-2.5) of the way from the floor to 1."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 0.1 + 0.4
    picture = board.expand(1, 3, -1, -1).clone()
    picture[..., 32:] = 0.45
    found = losses.busyness(picture, 0.25)
    assert found.shape == (1, 1, 8, 8)
    assert found[0, 0, 3:5, 1].tolist() == pytest.approx([0.25 + 0.75 * (1 - math.exp(-2.5))] * 2, abs=0.01)
    assert found[0, 0, :, 6:].tolist() == [pytest.approx([0.25, 0.25], abs=1e-3)] * 8
    slope = torch.linspace(0, 1, 256).expand(1, 3, 256, 256)  # a soft shade is as plain as a plain ground
    assert losses.busyness(slope, 0.25)[..., 4:-4, 4:-4].max().item() < 0.3


def test_tone_by_hand() -> None:
    """Four cells of 16 px: any brightness and contrast are free, and what is left of a smudge is counted."""
    photo = torch.tensor([[0.2, 0.4], [0.6, 0.8]]).repeat_interleave(16, 0).repeat_interleave(16, 1).expand(1, 3, -1, -1)
    assert losses.tone_loss(0.3 * photo + 0.1, photo).item() == pytest.approx(0, abs=1e-9)
    assert losses.tone_loss(1 - photo, photo).item() == pytest.approx(0, abs=1e-9)
    smudged = photo.clone()
    smudged[..., :16, 16:] -= 0.2  # cells are 0.2, 0.2, 0.6, 0.8
    # photo less its mean: -.3 -.1 .1 .3, result: -.25 -.25 .15 .35; slope .22 / .2 = 1.1; left: .08 -.14 .04 .02
    assert losses.tone_loss(smudged, photo).item() == pytest.approx((0.0064 + 0.0196 + 0.0016 + 0.0004) / 4, rel=1e-4)


def test_stains_by_hand() -> None:
    """64 cells of 16 px in two greys: each grey may take any colour, but half of one column's cells may not turn red."""
    photo = torch.tensor([0.3, 0.7]).repeat(8, 4).repeat_interleave(16, 0).repeat_interleave(16, 1).expand(1, 3, -1, -1)
    toned = torch.stack([photo[:, 0] ** 2, photo[:, 1], 1 - photo[:, 2]], 1)
    for free in (photo, photo + 0.3, toned):
        assert losses.stain_loss(free, photo).item() == pytest.approx(0, abs=1e-5)
    stained = photo.clone()
    stained[:, 0, :64, 16:32] += 0.2  # 4 of 32 cells of that grey
    # whatever they all become, they vary by 0.2^2 * 1/8 * 7/8: in half of the cells, in one of two differences
    assert losses.stain_loss(stained, photo).item() == pytest.approx(0.04 * 7 / 64 / 2 / 2, rel=0.02)


def test_coherence_by_hand() -> None:
    across = torch.arange(66).float()
    ramp = (0.002 * across).expand(1, 3, 66, -1)  # slope 0.002 a pixel in one direction: coherent, but as faint as `f` allows
    stripes = (0.5 + 0.4 * torch.sin(across / 3)).expand(1, 3, 66, -1)
    board = 0.5 + 0.2 * (torch.sin(across / 3)[:, None] + torch.sin(across / 3)).expand(1, 3, -1, -1)
    # Sobel / 8 of a ramp is its slope: a = 4e-6, b = c = 0; both sums are 4e-6 / (4e-6 + 4e-4) = 1 / 101
    assert losses.coherence(ramp)[0].tolist() == pytest.approx([1 / 101 / (1 / 101 + 1e-3)] * 3, rel=1e-3)
    assert losses.coherence(stripes).min().item() > 0.99
    assert losses.coherence(stripes[..., :18, :18]).min().item() > 0.99  # smaller than a cell
    assert torch.allclose(losses.coherence(stripes.transpose(2, 3)), losses.coherence(stripes))
    small, large, largest = losses.coherence(board)[0].tolist()
    assert largest < large < 0.25 < small  # a cell of 16 px sees most of a period of 19 px both ways, one of 8 px a slope
    wanted = torch.tensor([[1.0, 0.5, 0.0]])
    assert losses.direction_loss(board, wanted).item() == pytest.approx(((1 - small) ** 2 + (0.5 - large) ** 2) / 3)
    assert losses.direction_loss(stripes, wanted - 0.1).item() == 0


def test_a_rhythm_is_what_repeats_itself() -> None:
    plain = torch.full((1, 3, 128, 128), 0.5)
    stripes = plain + 0.2 * torch.sin(2 * math.pi * torch.arange(128) / 12)
    grain = plain + 0.2 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    found = losses.repetition(stripes)
    assert found.shape[:2] == (1, 4)  # tiles of 64 px
    assert losses.repetition(stripes, 32).shape[:2] == (1, 16)
    # at a lag of a whole period across r is 1, and -1 half a period before; at half a period -1, and 0 before
    assert found.amax().item() == pytest.approx(1, abs=0.05)
    assert found.amin().item() == pytest.approx(-1, abs=0.05)
    assert losses.repetition(plain).abs().max().item() < 1e-6
    assert losses.rhythm_loss(stripes, plain).item() > 25  # of some 400 lags a fifth lie on crests
    assert losses.rhythm_loss(stripes, stripes).item() == 0  # the photo's own stripes stay
    assert losses.rhythm_loss(grain, plain).item() < 1
    stroke = plain.clone()
    stroke[..., 60:64, :] = 0.9  # alike all along itself, so alike on the way, too
    assert losses.rhythm_loss(stroke, plain).item() < 0.02 * losses.rhythm_loss(stripes, plain).item()


def test_crowding_by_hand() -> None:
    """All texture in a quarter of the picture has 4 times the mean energy there; minus 1, squared, over a quarter: 9 / 4."""
    board = ((torch.arange(256)[:, None] + torch.arange(256)) % 2 - 0.5).expand(1, 3, -1, -1)
    plain = torch.full((1, 3, 256, 256), 0.5)
    heaped = plain.clone()
    heaped[..., :128, :128] += 0.4 * board[..., :128, :128]
    even, heap, none = (losses.fine_energy(picture) for picture in (plain + 0.4 * board, heaped, plain))
    assert heap.shape == losses.finest_energy(heaped).shape == (1, 1, 32, 32)
    assert losses.finest_energy(heaped)[0, 0, 8, 8].item() == pytest.approx(0.2**2, rel=0.01)  # a board has nothing coarser
    assert losses.finest_energy(plain).amax().item() == pytest.approx(0, abs=1e-12)
    assert heap[0, 0, 8, 8].item() == pytest.approx(0.2**2, rel=0.01)
    assert losses.crowding(heap, none).item() == pytest.approx(9 / 4, rel=0.15)  # cells at the border see half of it
    assert losses.crowding(even, none).item() == pytest.approx(0, abs=1e-4)  # spread evenly
    assert losses.crowding(heap, heap).item() == 0  # where the photo has it
    assert losses.crowding(none, none).item() == 0


@pytest.mark.parametrize("stride", [2, 4])
def test_energy_of_features_lies_on_the_photo_s_cells(stride: int) -> None:
    """One bright place of a layer is seen in the cells around it: 32 px wide, one every 8 px."""
    features = torch.zeros(1, 2, 256 // stride, 256 // stride)
    features[0, 0, 100 // stride, 180 // stride] = 1
    energy = losses.feature_energy(features, stride)
    assert energy.shape == losses.fine_energy(torch.zeros(1, 3, 256, 256)).shape
    rows, columns = energy[0, 0].nonzero().T
    assert abs(8 * rows.float().mean().item() + 3.5 - 100) <= 4
    assert abs(8 * columns.float().mean().item() + 3.5 - 180) <= 4
    assert energy.max().item() == pytest.approx(0.5 / (32 // stride) ** 2)


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


def test_flatness_by_hand() -> None:
    photo = torch.zeros(1, 3, 4, 8)
    made = torch.cat([torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)], 3)  # two cells of 4 px, 0.5 apart
    tall = torch.cat([made, made], 2)  # 2 x 2 cells: horizontal differences 0.5, vertical 0
    assert losses.flatness_loss(tall, torch.cat([photo, photo], 2), cell=4).item() == pytest.approx(0.5)
    doubled, plain = torch.cat([tall, tall]), torch.cat([photo, photo], 2).expand(2, -1, -1, -1)
    assert losses.flatness_loss(doubled, plain, cell=4, weights=torch.tensor([0.2, 0.6])).item() == pytest.approx(0.2)
    edged = tall.clone()  # the photo has the same edge: exp(-0.5 / 0.05) of it counts
    assert losses.flatness_loss(tall, edged, cell=4).item() == pytest.approx(0.5 * math.exp(-10))


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


def test_adain_loss_by_hand() -> None:
    target = torch.tensor([[[1.0, 2.0], [2.0, 1.0]]])  # squares sum to 10
    made = torch.tensor([[[1.0, 0.0], [2.0, 0.0]]])  # differs by 2 and 1: squares sum to 5
    assert losses.adain_loss(made, target).item() == pytest.approx(5 / 10)
    assert losses.adain_loss(target, target).item() == 0
    assert losses.adain_loss(torch.cat([made, target]), target.expand(2, 2, 2)).item() == pytest.approx((5 / 10 + 0) / 2)


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


def test_detail_loss_by_hand() -> None:
    # A white point: the blur's middle is (6/16)^2 = 36/256. The point loses it, the 24 around it get the other 220/256.
    photo = torch.zeros(1, 3, 9, 9)
    made = photo.clone()
    made[:, :, 4, 4] = 0.5
    assert losses.detail_loss(made, photo).item() == pytest.approx(0.5 * (220 + 220) / 256 / 81)
    # A red point has 0.299 of its luminance.
    made[:, 1:] = 0
    assert losses.detail_loss(made, photo).item() == pytest.approx(0.299 * 0.5 * (220 + 220) / 256 / 81)


@settings(max_examples=40, deadline=None)
@given(shift=st.floats(-1, 1))
def test_detail_loss_lets_tone_change(shift: float) -> None:
    photo = noise(2, 3, 12, 10)
    assert losses.detail_loss(photo + shift, photo).item() == pytest.approx(0, abs=1e-6)


def test_detail_loss_sees_blur_more_than_tone(astronaut: U8) -> None:
    photo = to_batch([astronaut])
    blurred = nn.functional.avg_pool2d(photo, 5, stride=1, padding=2, count_include_pad=False)
    lost, toned = losses.detail_loss(blurred, photo).item(), losses.detail_loss(photo * 0.9, photo).item()
    assert lost > 5 * toned > 0


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
        losses.adain_loss(losses.channel_statistics(made), torch.ones(2, 2, 3)),
        losses.content_loss(made, photo + 1),
        losses.cycle_loss(made, photo),
        losses.identity_loss(made, photo),
        losses.patch_nce(places, noise(2, 16, 3, seed=1)),
        losses.detail_loss(made, photo),
        losses.total_variation(made),
        losses.flatness_loss(made, photo),
        losses.direction_loss(made, torch.ones(2, 3)),
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
        losses.adain_loss(losses.channel_statistics(dead), torch.ones(1, 2, 2)),
        losses.adain_loss(losses.channel_statistics(dead + 1), losses.channel_statistics(dead.detach())),
        losses.patch_nce(places, noise(1, 9, 2)),
    ):
        (gradient,) = torch.autograd.grad(loss, dead)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_half_precision_is_counted_in_full() -> None:
    made, photo = noise(2, 3, 16, 16).bfloat16(), noise(2, 3, 16, 16, seed=1).bfloat16()
    for loss in (losses.detail_loss, losses.cycle_loss, losses.identity_loss, losses.content_loss):
        assert loss(made, photo).dtype == torch.float32
        assert loss(made, photo).item() == loss(made.float(), photo.float()).item()
