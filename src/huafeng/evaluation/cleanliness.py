"""What a generator leaves behind that nobody painted: grids, halos along edges, noise in flat areas, texture in heaps. All on
the luminance."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter

from huafeng.evaluation.pairs import luminance
from huafeng.pixels import F32, U8

F64 = NDArray[np.float64]

CROP = 256  # px, side of the crops for grid energy
# Frequencies (down, across) of periods 2 and 4 px. Eight pairs of periods: none, 4 or 2 px down with none, 4 or 2 px across.
# Where both are 4 px the grid can lean to either side: that makes nine bins. The lattice's others are their conjugates.
LATTICE = ((0, 64), (0, 128), (64, 0), (128, 0), (64, 64), (64, -64), (64, 128), (128, 64), (128, 128))
REACH = 5  # bins: how far a neighbourhood goes

_AROUND = np.arange(-REACH, REACH + 1)
_ROWS = (np.array(LATTICE)[:, 0, None, None] + _AROUND[:, None]) % CROP
_COLUMNS = (np.array(LATTICE)[:, 1, None, None] + _AROUND) % CROP
_RING = np.maximum(abs(_AROUND)[:, None], abs(_AROUND)) > 1  # without the 3 x 3 bins over which the window spreads a pure tone
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(CROP) / CROP)
_ROUNDING = (_HANN**2).sum() ** 2 / 12  # power per bin that rounding to whole levels leaves in one crop: no picture is without

NEAR, FAR = slice(0, 5), slice(8, 15)  # of _DISTANCES: 2..6 and 10..16 px
_DISTANCES = np.arange(2, 17)
_LINES = (-2, 0, 2)  # px along the edge: three profiles, which agree only where it is straight
EDGE_SIGMA = 1.5
STEEP = 7.0  # levels per px: a sharp step of 26 levels at that scale
HEIGHT = 24.0  # levels
FLAT_SIDE = 0.1  # of the edge's height
MOST_EDGES, FEWEST_EDGES = 6000, 20

FLAT_WINDOW, FLAT_DEVIATION = 15, 4.0  # px, levels
FINE_WINDOW = 5  # px
FEWEST_FLAT = 0.005  # of the picture

HEAP_WINDOW, SOFT_SIGMA = 32, 4.0  # px
OWN_SHARE = 1.5  # of the photo's texture at a place: so much more a style may have there
FAINTEST_TEXTURE = 0.65  # levels squared: below it all is plain


def lattice_power(crop: U8) -> F64:
    """A crop's power spectrum around the bins of periods 2 and 4 px: what of it grid energy needs; sums add up.

    Args:
        crop: uint8 [256, 256, 3].

    Returns:
        float64 [9, 11, 11]: |FFT|^2 of the luminance (0..255) minus its mean, under a periodic Hann window, for each bin of
        LATTICE with its neighbours up to 5 bins away.
    """
    if crop.shape != (CROP, CROP, 3):
        raise ValueError(f"crops are {CROP} x {CROP} x 3, not {crop.shape}")
    light = luminance(crop).astype(np.float64)
    spectrum = fft2((light - light.mean()) * _HANN[:, None] * _HANN)
    power: F64 = np.square(np.abs(spectrum[_ROWS, _COLUMNS]))
    return power


def grid_energy_of(power: F64) -> F64:
    """Grid energy in dB [...] of summed `lattice_power` [..., 9, 11, 11]; leading axes are sets, say of a bootstrap.

    The highest of the nine bins over the mean of its neighbourhood, which leaves out the 3 x 3 bins in the middle.
    """
    peak = power[..., REACH, REACH] + _ROUNDING
    ring = power[..., _RING].mean(-1) + _ROUNDING
    decibels: F64 = 10 * np.log10((peak / ring).max(-1))
    return decibels


def grid_energy(crops: Iterable[U8]) -> float:
    """Grid energy in dB of a set of crops, uint8 [256, 256, 3] each: see `grid_energy_of`. Needs about 30 of them.

    Raises:
        ValueError: no crops, or one of another size.
    """
    powers = [lattice_power(crop) for crop in crops]
    if not powers:
        raise ValueError("grid energy needs at least one crop")
    return float(grid_energy_of(np.sum(powers, 0)))


def halo(photo: U8, result: U8) -> float:
    """How far the luminance beside the photo's strong, straight, isolated edges overshoots, in parts of the edge's height.

    On profiles across an edge, the contrast between its two sides at 2..6 px is compared with that at 10..16 px: half of what
    it is too high is the overshoot of one side. 0 = a clean step, below 0 = a blurred one. Median over the edges; the photo's
    own halo is `halo(photo, photo)`.

    Args:
        photo, result: uint8 [H, W, 3] of equal size.

    Returns:
        The figure, or NaN with fewer than 20 such edges.
    """
    light = luminance(photo)
    centres, normals = _edge_pixels(light)
    if len(centres) < FEWEST_EDGES:
        return np.nan
    one, two = _profiles(light, centres, normals)
    height = np.abs(one[..., FAR].mean((1, 2)) - two[..., FAR].mean((1, 2)))
    roughness = np.maximum(one.std((1, 2)), two.std((1, 2)))
    clear = (height >= HEIGHT) & (roughness <= FLAT_SIDE * height)
    if clear.sum() < FEWEST_EDGES:
        return np.nan

    one, two = _profiles(luminance(result), centres[clear], normals[clear])
    across = one - two
    near, far = across[..., NEAR].mean((1, 2)), across[..., FAR].mean((1, 2))
    kept = np.abs(far) >= HEIGHT / 3  # an edge that the style painted over has no height to measure by
    if kept.sum() < FEWEST_EDGES:
        return np.nan
    return float(np.median(near[kept] / far[kept] - 1)) / 2


def flat_noise(photo: U8, result: U8) -> float:
    """Standard deviation (0..255) of the result's fine luminance detail where the photo is flat.

    Flat: the luminance deviates by less than 4 levels in a window of 15 px, which also keeps slopes under 0.9 levels per px.
    Fine: what the mean of 5 x 5 px lacks; of white noise of deviation s this leaves sqrt(24 / 25) s.

    Args:
        photo, result: uint8 [H, W, 3] of equal size.

    Returns:
        The figure, or NaN where less than 0.5 % of the photo is flat.
    """
    light = luminance(photo)
    variance = uniform_filter(light * light, FLAT_WINDOW) - np.square(uniform_filter(light, FLAT_WINDOW))
    flat = variance < FLAT_DEVIATION**2
    if flat.mean() < FEWEST_FLAT:
        return np.nan
    made = luminance(result)
    fine = (made - uniform_filter(made, FINE_WINDOW))[flat]
    return float(np.sqrt(np.square(fine).mean()))


def heaped(photo: U8, result: U8) -> float:
    """How far a result's texture lies in heaps where the photo has none: scales and rings in soft shades and plain corners.

    Mean of max(0, e(result) - 1.5 e(photo) - 1)^2, e the energy of the luminance finer than a Gaussian of 4 px, in windows of
    32 px, over its mean in the picture: all texture in a tenth of a plain photo gives 8, evenly spread 0.

    Args:
        photo, result: uint8 [H, W, 3] of equal size.
    """
    made, own = (_texture(picture) for picture in (result, photo))
    return float(np.square(np.maximum(made - OWN_SHARE * own - 1, 0)).mean())


def _texture(picture: U8) -> F32:
    light = luminance(picture)
    energy: F32 = uniform_filter(np.square(light - gaussian_filter(light, SOFT_SIGMA)), HEAP_WINDOW)
    return energy / (energy.mean() + np.float32(FAINTEST_TEXTURE))


def _edge_pixels(light: F32) -> tuple[F64, F64]:
    """Pixels [E, 2] (y, x) where the smoothed luminance is steepest, and the directions [E, 2] across the edges there."""
    slopes = np.stack([gaussian_filter(light, EDGE_SIGMA, order=order) for order in ((1, 0), (0, 1))], -1)
    steepness = np.hypot(slopes[..., 0], slopes[..., 1])
    margin = int(_DISTANCES[-1]) + 3  # profiles stay in the picture
    inside = np.zeros_like(steepness, bool)
    inside[margin:-margin, margin:-margin] = True
    y, x = np.nonzero((steepness > STEEP) & inside)
    centres, normals = np.stack([y, x], -1).astype(np.float64), slopes[y, x] / steepness[y, x, None]
    beside = np.maximum(_sample(steepness, centres + normals), _sample(steepness, centres - normals))
    crest = np.flatnonzero(steepness[y, x] >= beside)
    if len(crest) > MOST_EDGES:  # evenly over the picture
        crest = crest[np.linspace(0, len(crest) - 1, MOST_EDGES).astype(int)]
    return centres[crest], normals[crest].astype(np.float64)


def _profiles(light: F32, centres: F64, normals: F64) -> tuple[F32, F32]:
    """The luminance [E, 3 lines, 15 distances] on both sides of edges."""
    along = normals[:, ::-1] * (1, -1)
    starts = centres[:, None] + np.array(_LINES)[:, None] * along[:, None]
    outward = normals[:, None, None] * _DISTANCES[:, None]
    return _sample(light, starts[:, :, None] + outward), _sample(light, starts[:, :, None] - outward)


def _sample(values: F32, places: F64) -> F32:
    """Bilinear samples [...] of [H, W] at places [..., 2] (y, x)."""
    samples: F32 = map_coordinates(values, np.moveaxis(places, -1, 0), order=1, mode="nearest")
    return samples
