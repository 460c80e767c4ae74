"""Pixel by pixel figures: against hand-worked numbers and second implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from huafeng.evaluation.pairs import PAIR_FIGURES, edges_kept, luminance, ms_ssim, mse, psnr, ssim


def noisy(photo, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, photo.shape)
    return np.clip(np.rint(photo + noise), 0, 255).astype(np.uint8)


def plain(level, size=(256, 256)):
    return np.full((*size, 3), level, np.uint8)


def square(top, left, side=80, size=256):
    picture = plain(40, (size, size))
    picture[top : top + side, left : left + side] = 200
    return picture


def test_a_photo_beside_itself_has_the_best_figures(coffee):
    best = {"ssim": 1.0, "ms-ssim": 1.0, "psnr": 100.0, "mse": 0.0, "edges-kept": 1.0}
    assert {name: figure(coffee, coffee) for name, figure in PAIR_FIGURES.items()} == pytest.approx(best, abs=1e-6)


@settings(max_examples=5, deadline=None)
@given(sigma=st.floats(1, 60), seed=st.integers(0, 99))
def test_figures_of_pairs_are_symmetric_and_in_their_range(chelsea, sigma, seed):
    photo = chelsea[:200, :200]
    other = noisy(photo, sigma, seed)
    for name, figure in PAIR_FIGURES.items():
        assert figure(photo, other) == pytest.approx(figure(other, photo), abs=1e-6)
        assert 0 <= figure(photo, other) <= (100 if name == "psnr" else 1)


def test_squared_difference_by_hand():
    assert mse(plain(100), plain(151)) == pytest.approx(0.04)  # (51 / 255)^2
    assert psnr(plain(100), plain(151)) == pytest.approx(10 * math.log10(25))


def test_ssim_of_plain_pictures_by_hand():
    # without structure only the brightness term is left: (2 a b + C1) / (a^2 + b^2 + C1)
    expected = (2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025)
    assert ssim(plain(100), plain(150)) == pytest.approx(expected, abs=1e-5)
    assert ms_ssim(plain(100), plain(150)) == pytest.approx(expected**0.1333, abs=1e-5)


@pytest.mark.parametrize("sigma", [4, 40])
def test_ssim_as_scikit_image_has_it(coffee, sigma):
    other = noisy(coffee, sigma)
    second = structural_similarity(
        luminance(coffee), luminance(other), data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(coffee, other) == pytest.approx(second, abs=1e-5)


def test_ms_ssim_as_torchmetrics_has_it(chelsea):
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    other = noisy(chelsea[:256, :256], 30)
    photo = chelsea[:256, :256]
    one, two = (torch.from_numpy(luminance(picture))[None, None] for picture in (photo, other))
    second = float(multiscale_structural_similarity_index_measure(one, two, data_range=255.0))
    assert ms_ssim(photo, other) == pytest.approx(second, abs=1e-3)  # they differ in what they do at the rim
    assert ms_ssim(photo, other) < 0.95


def test_edges_within_two_pixels_are_kept():
    assert edges_kept(square(90, 90), square(92, 90)) == pytest.approx(1)
    assert edges_kept(square(90, 90), square(100, 100)) < 0.15  # only where outlines cross


def test_edges_that_the_style_added_count_as_wrong():
    result = square(90, 90)
    result[200:240, 20:60] = 200  # 160 px of outline beside 320 px: precision 2/3, recall 1, so F = 0.8
    assert edges_kept(square(90, 90), result) == pytest.approx(0.8, abs=0.02)


def test_pictures_without_edges():
    assert math.isnan(edges_kept(plain(90), square(90, 90)))
    assert edges_kept(square(90, 90), plain(90)) == 0
