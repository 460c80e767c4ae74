"""Grid energy, halos and noise in flat areas: on synthetic pictures whose figures can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import erfc

from huafeng.evaluation.cleanliness import LATTICE, flat_noise, grid_energy, grid_energy_of, halo, heaped, lattice_power


def grey(values):
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, -1)


def tone(frequencies, amplitude):
    down, across = frequencies
    y, x = np.mgrid[:256, :256]
    return amplitude * np.cos(2 * np.pi * (down * y + across * x) / 256)


@pytest.fixture(scope="module")
def crops(astronaut, chelsea, coffee, rocket):
    """36 crops of 256 px of real photos."""
    found = []
    for photo in (astronaut, chelsea, coffee, rocket):
        tops = np.linspace(0, photo.shape[0] - 256, 3).astype(int)
        lefts = np.linspace(0, photo.shape[1] - 256, 3).astype(int)
        found += [photo[top : top + 256, left : left + 256] for top in tops for left in lefts]
    return found


@pytest.mark.parametrize("bin_", LATTICE)
def test_grid_energy_of_a_tone_in_white_noise_by_hand(bin_):
    # under the window a tone of amplitude A has |F|^2 = (A / 2 * 128^2)^2, or (A * 128^2)^2 at bins that are their own
    # conjugates; noise of deviation s has s^2 * 96^2
    alone = all(frequency in (0, 128) for frequency in bin_)
    amplitude, sigma = (3, 20) if alone else (6, 20)
    noise = np.random.default_rng(0).normal(0, sigma, (8, 256, 256))
    expected = 10 * math.log10(1 + 3**2 * 128**4 / (sigma**2 * 96**2))
    assert expected == pytest.approx(28.2, abs=0.1)
    assert grid_energy([grey(128 + n + tone(bin_, amplitude)) for n in noise]) == pytest.approx(expected, abs=0.5)


def test_photos_have_no_grid_and_a_checkerboard_is_found(crops):
    clean = grid_energy(crops)
    board = 4 * (np.indices((256, 256)).sum(0) % 2 * 2 - 1)[..., None]
    assert 0 < clean < 8
    assert grid_energy([np.clip(crop + board, 0, 255).astype(np.uint8) for crop in crops]) > 20


def test_powers_add_up(crops):
    powers = np.stack([lattice_power(crop) for crop in crops[:4]])
    assert powers.shape == (4, 9, 11, 11)
    assert grid_energy_of(powers.sum(0)) == pytest.approx(grid_energy(crops[:4]))
    both = grid_energy_of(np.stack([powers[:2].sum(0), powers.sum(0)]))
    assert both == pytest.approx([grid_energy(crops[:2]), grid_energy(crops[:4])])


def test_grid_energy_of_nothing():
    assert grid_energy([grey(np.full((256, 256), 80))]) == 0
    with pytest.raises(ValueError, match="at least one"):
        grid_energy([])
    with pytest.raises(ValueError, match="256"):
        lattice_power(np.zeros((128, 256, 3), np.uint8))


@pytest.fixture(scope="module")
def step():
    """A step of 80 levels, [200, 256]."""
    values = np.full((200, 256), 80.0)
    values[:, 128:] = 160
    return values


def test_a_clean_step_has_no_halo(step):
    assert halo(grey(step), grey(step)) == 0
    assert halo(grey(step.T), grey(step.T)) == 0
    assert halo(grey(step), grey(255 - step)) == 0


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_halo_of_an_unsharp_mask_by_hand(step, amount):
    # step + amount (step - blurred step) overshoots at the distance d by amount * Q(d / sigma) of its height
    sharpened = step + amount * (step - gaussian_filter(step, 4))
    near, far = (np.mean([erfc(d / 4 / math.sqrt(2)) / 2 for d in ds]) for ds in (range(2, 7), range(10, 17)))
    expected = ((1 + 2 * amount * near) / (1 + 2 * amount * far) - 1) / 2
    assert expected > 0.04
    assert halo(grey(step), grey(sharpened)) == pytest.approx(expected, rel=0.06)
    assert halo(grey(step), grey(255 - sharpened)) == pytest.approx(halo(grey(step), grey(sharpened)), abs=1e-5)


def test_blur_has_a_halo_below_zero(step):
    assert halo(grey(step), grey(gaussian_filter(step, 4))) < -0.05


def test_a_slanted_edge_in_a_noisy_photo(step):
    y, x = np.mgrid[:256, :256]
    disc = 80 + 80.0 * (np.hypot(y - 128, x - 128) < 80) + np.random.default_rng(0).normal(0, 2, (256, 256))
    disc = gaussian_filter(disc, 0.7)
    own, sharpened = halo(grey(disc), grey(disc)), halo(grey(disc), grey(disc + (disc - gaussian_filter(disc, 4))))
    assert abs(own) < 0.02
    assert 0.1 < sharpened < 0.3


def test_no_edges_no_halo(step):
    assert math.isnan(halo(grey(np.full((256, 256), 99)), grey(np.full((256, 256), 99))))
    assert math.isnan(halo(grey(step), grey(np.full(step.shape, 99))))  # painted over


@pytest.mark.parametrize("sigma", [2, 6])
def test_flat_noise_by_hand(sigma):
    photo = grey(np.full((256, 256), 128))
    noise = np.random.default_rng(0).normal(0, sigma, (256, 256))
    expected = math.sqrt(24 / 25 * (sigma**2 + 1 / 12))  # rounding adds a twelfth
    assert flat_noise(photo, grey(128 + noise)) == pytest.approx(expected, rel=0.02)
    assert flat_noise(photo, photo) == 0


def test_noise_outside_of_flat_areas_does_not_count():
    rng = np.random.default_rng(0)
    photo = np.full((256, 256), 128.0)
    photo[:, 128:] += rng.normal(0, 20, (256, 128))
    result = photo.copy()
    result[:, 130:] += rng.normal(0, 20, (256, 126))
    assert flat_noise(grey(photo), grey(result)) == flat_noise(grey(photo), grey(photo)) == 0
    assert math.isnan(flat_noise(grey(rng.normal(128, 20, (256, 256))), grey(photo)))


def test_heaped_by_hand():
    """All texture in a quarter: 4 times the mean energy there, less 1, squared, over a quarter: 9 / 4. A window of 32 px
    softens the heap's border, so it is a little less."""
    board = (np.indices((512, 512)).sum(0) % 2 * 2 - 1) * 40.0
    plain, heap = np.full((512, 512), 128.0), board.copy()
    heap[256:], heap[:, 256:] = 0, 0
    assert heaped(grey(plain), grey(plain + heap)) == pytest.approx(9 / 4, rel=0.15)
    assert heaped(grey(plain), grey(plain + board)) == pytest.approx(0, abs=1e-3)
    assert heaped(grey(plain + heap), grey(plain + heap)) == 0
    assert heaped(grey(plain), grey(plain)) == 0
    level = np.random.default_rng(0).integers(0, 2, plain.shape)
    assert heaped(grey(plain), grey(plain + level)) < 0.01  # is no texture


def test_photos_are_not_heaped_over_themselves(crops):
    for crop in crops[::6]:
        assert heaped(crop, crop) == 0
        assert heaped(crop, 255 - crop) == pytest.approx(0, abs=1e-6)
