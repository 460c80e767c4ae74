"""DiffAugment against numbers worked out by hand, and what must always hold."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from huafeng.training.adversarial import r1_penalty
from huafeng.training.augment import diff_augment, draw

ALL = ("color", "translation", "cutout")
NOTHING = {"brightness": 0.0, "saturation": 1.0, "contrast": 1.0, "down": 0.0, "right": 0.0, "hole": 0.0, "y": 0.5, "x": 0.5}
policies = st.sets(st.sampled_from(ALL))
seeds = st.integers(0, 2**32)


def row(**changes: float) -> Tensor:
    return torch.tensor([list((NOTHING | changes).values())])


def drawn(policy: Collection[str], count: int, seed: int) -> Tensor:
    return draw(policy, count, torch.Generator().manual_seed(seed))


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_brightness_by_hand() -> None:
    picture = torch.tensor([0.2, 0.9]).expand(1, 3, 1, 2)
    assert diff_augment(picture, row(brightness=0.25))[0, 0, 0].tolist() == pytest.approx([0.45, 1.15])  # not clipped


def test_saturation_by_hand() -> None:
    picture = torch.tensor([0.1, 0.2, 0.6]).view(1, 3, 1, 1)  # grey: 0.3, so -0.2, -0.1 and 0.3 from it
    assert diff_augment(picture, row(saturation=0)).flatten().tolist() == pytest.approx([0.3, 0.3, 0.3])
    assert diff_augment(picture, row(saturation=1.5)).flatten().tolist() == pytest.approx([0.0, 0.15, 0.75], abs=1e-7)


def test_contrast_by_hand() -> None:
    picture = torch.tensor([0.2, 0.6]).expand(1, 3, 1, 2)  # mean 0.4
    assert diff_augment(picture, row(contrast=0.5))[0, 0, 0].tolist() == pytest.approx([0.3, 0.5])
    red = torch.tensor([0.9, 0.0, 0.0]).view(1, 3, 1, 1)  # one mean for all channels: 0.3
    assert diff_augment(red, row(contrast=0.5)).flatten().tolist() == pytest.approx([0.6, 0.15, 0.15])
    # brightness moves the mean with it, so contrast comes after it and does not scale it
    assert diff_augment(picture, row(contrast=0.5, brightness=0.2))[0, 0, 0].tolist() == pytest.approx([0.5, 0.7])


@settings(max_examples=40, deadline=None)
@given(down=st.integers(-1, 1), right=st.integers(-3, 3))
def test_translation_shifts_whole_pixels_and_fills_with_zeros(down: int, right: int) -> None:
    picture = 0.5 + noise(1, 3, 8, 24)  # no zeros of its own
    moved = diff_augment(picture, row(down=down / 8, right=right / 24))
    for y in range(8):
        for x in range(24):
            inside = 0 <= y - down < 8 and 0 <= x - right < 24
            wanted = picture[0, :, y - down, x - right] if inside else torch.zeros(3)
            assert torch.equal(moved[0, :, y, x], wanted)


def test_cutout_by_hand() -> None:
    picture = torch.ones(1, 3, 4, 8)
    middle = diff_augment(picture, row(hole=0.5))[0, 0]
    assert middle.tolist() == [[1] * 8, [1, 1, 0, 0, 0, 0, 1, 1], [1, 1, 0, 0, 0, 0, 1, 1], [1] * 8]
    corner = diff_augment(picture, row(hole=0.5, y=0.0, x=1.0))[0, 0]  # a quarter of the hole is inside
    assert corner.tolist() == [[1, 1, 1, 1, 1, 1, 0, 0], [1] * 8, [1] * 8, [1] * 8]


def test_the_hole_is_cut_where_the_discriminator_sees_it() -> None:
    moved = diff_augment(torch.ones(1, 3, 8, 8), row(hole=0.5, down=0.125))[0, 0]  # after the translation
    assert moved[2:6, 2:6].eq(0).all()
    assert moved.eq(0).sum() == 16 + 8


@given(seeds, policies)
def test_pictures_that_are_seen_as_one_are_changed_alike(seed: int, policy: set[str]) -> None:
    photos, results = noise(2, 4, 3, 8, 6)
    rows = drawn(policy, 4, seed)
    both = diff_augment(torch.cat([photos, results], 1), rows)
    apart = [diff_augment(pictures, rows) for pictures in (photos, results)]
    assert torch.allclose(both, torch.cat(apart, 1), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, count=st.integers(1, 5))
def test_no_policy_is_the_identity(seed: int, count: int) -> None:
    pictures = noise(count, 3, 9, 7)
    assert torch.equal(drawn((), count, seed), row().expand(count, 8))
    assert torch.equal(diff_augment(pictures, drawn((), count, seed)), pictures)
    assert torch.equal(diff_augment(pictures.bfloat16(), drawn((), count, seed)), pictures.bfloat16())


@settings(max_examples=40, deadline=None)
@given(seed=seeds, policy=policies)
def test_numbers_keep_to_their_ranges_and_their_policy(seed: int, policy: set[str]) -> None:
    parameters, everything = drawn(policy, 4, seed), drawn(ALL, 4, seed)
    brightness, saturation, contrast, down, right, hole, y, x = parameters.T
    assert brightness.abs().max() <= 0.25
    assert 0 <= saturation.min() <= saturation.max() <= 2
    assert 0.5 <= contrast.min() <= contrast.max() <= 1.5
    assert max(down.abs().max(), right.abs().max()) <= 0.125
    assert hole.eq(0.5 if "cutout" in policy else 0).all()
    assert 0 <= min(y.min(), x.min()) <= max(y.max(), x.max()) <= 1
    for kind, columns in (("color", slice(0, 3)), ("translation", slice(3, 5)), ("cutout", slice(5, 8))):
        wanted = everything if kind in policy else row().expand(4, 8)
        assert torch.equal(parameters[:, columns], wanted[:, columns])


def test_numbers_fill_their_ranges() -> None:
    low, high = drawn(ALL, 2000, 0).aminmax(dim=0)
    expected_low, expected_high = [-0.25, 0, 0.5, -0.125, -0.125, 0.5, 0, 0], [0.25, 2, 1.5, 0.125, 0.125, 0.5, 1, 1]
    assert low.tolist() == pytest.approx(expected_low, abs=0.01)
    assert high.tolist() == pytest.approx(expected_high, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, policy=policies)
def test_processes_do_what_one_does(seed: int, policy: set[str]) -> None:
    pictures, parameters = noise(4, 3, 16, 16), drawn(policy, 4, seed)
    halves = [diff_augment(pictures[part], parameters[part]) for part in (slice(0, 2), slice(2, 4))]
    assert torch.equal(torch.cat(halves), diff_augment(pictures, parameters))


def test_a_process_without_pictures() -> None:
    assert diff_augment(torch.zeros(0, 3, 16, 16), drawn(ALL, 4, 0)[:0]).shape == (0, 3, 16, 16)


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(ValueError, match="no such augmentation: blur"):
        drawn(("color", "blur"), 1, 0)


def test_gradients_go_back_where_the_pixels_came_from() -> None:
    picture = noise(1, 3, 8, 8).requires_grad_(True)
    changed = diff_augment(picture, row(down=0.125, hole=0.25, y=0.25, x=0.25, brightness=0.1))
    (slope,) = torch.autograd.grad(changed.sum(), picture)
    wanted = torch.ones(8, 8)
    wanted[7] = 0  # moved out at the bottom
    wanted[0:2, 1:3] = 0  # the hole in rows 1 and 2 hides what was in rows 0 and 1
    assert torch.equal(slope[0], wanted.expand(3, 8, 8))


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_penalties_see_through_the_changes(seed: int) -> None:
    pictures, w = noise(2, 3, 16, 16).requires_grad_(True), torch.ones(3, 1, 1, requires_grad=True)
    changed = diff_augment(pictures, drawn(ALL, 2, seed))
    penalty = r1_penalty((changed.square() * w).sum((1, 2, 3)), pictures)
    (slope,) = torch.autograd.grad(penalty.sum(), w)
    assert torch.isfinite(slope).all()
    assert (slope > 0).all()


def test_half_precision_stays_and_is_near() -> None:
    pictures, parameters = noise(4, 3, 16, 16), drawn(ALL, 4, 3)
    half = diff_augment(pictures.bfloat16(), parameters)
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), diff_augment(pictures, parameters), atol=0.03)
