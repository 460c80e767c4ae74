"""Figures of colour and tone: how far a result's colours are from the photo's, and whether gradients became steps.

Every figure takes photo and result as uint8 [H, W, 3] sRGB of equal size. NaN: the photo has too little to measure it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2ycbcr

from huafeng import color
from huafeng.evaluation.pairs import luminance
from huafeng.pixels import F32, U8

F64 = NDArray[np.float64]

SAMPLE = 40_000  # pixels that stand for the picture: the mean's error is a 200th of the deviation
FEWEST_NEUTRAL = 500  # of the sample
NEUTRAL_CHROMA, NEUTRAL_LIGHTNESS = 4.0, (15.0, 95.0)
SKIN_BLUE, SKIN_RED = (77, 127), (133, 173)  # Cb and Cr of skin (Chai & Ngan, IEEE TCSVT 1999)
FEWEST_SKIN = 0.01

LENGTH, BLOCK = 64, 8  # px: gradients are looked at in strips of 8 x 64
SOFT_CHANGE = (8.0, 64.0)  # levels from one end of a strip to the other
SOFT_ROUGHNESS = 3.0  # levels, mean difference of neighbours: above it is texture
STILL, JUMP = 0.5, 1.5  # levels: rounding makes steps of one level, banding higher ones
FEWEST_STRIPS = 20


def ciede2000(photo: U8, result: U8) -> float:
    """Mean CIEDE2000 colour difference (CIE 142-2001; Sharma et al., 2005); white point D65."""
    before, after = _sampled(photo, result)
    return _difference(before, after)


def neutral_shift(photo: U8, result: U8) -> float:
    """Mean CIELAB chroma, in the result, of pixels that are grey in the photo (chroma < 4, lightness 15..95).

    The photo's own is `neutral_shift(photo, photo)`. NaN where fewer than 500 of 40,000 sampled pixels are grey.
    """
    before, after = _sampled(photo, result)
    lab = color.srgb_to_lab(before)
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    darkest, lightest = NEUTRAL_LIGHTNESS
    neutral = (chroma < NEUTRAL_CHROMA) & (lightness > darkest) & (lightness < lightest)
    if neutral.sum() < FEWEST_NEUTRAL:
        return np.nan
    shifted = color.srgb_to_lab(after[neutral])
    return float(np.hypot(shifted[:, 1], shifted[:, 2]).mean())


def skin_shift(photo: U8, result: U8) -> float:
    """Mean CIEDE2000 colour difference of pixels with the colour of skin: Cb 77..127 and Cr 133..173 (Chai & Ngan, 1999).

    NaN where less than 1 % of the photo has it.
    """
    before, after = _sampled(photo, result)
    _, blue, red = np.moveaxis(rgb2ycbcr(before), -1, 0)
    skin = (blue >= SKIN_BLUE[0]) & (blue <= SKIN_BLUE[1]) & (red >= SKIN_RED[0]) & (red <= SKIN_RED[1])
    if skin.mean() < FEWEST_SKIN:
        return np.nan
    return _difference(before[skin], after[skin])


def banding(photo: U8, result: U8) -> float:
    """Share of the photo's soft gradients that are flat steps in the result, 0..1.

    Strips of 8 x 64 px, lying and standing, whose luminance rises or falls all the way in the photo, by 8 to 64 levels. Steps:
    in the result four of five neighbours are equal, and 70 % of all change comes in jumps of 1.5 levels or more. A strip that
    is wholly even in the result says nothing, it may be one wide step or clipped white. NaN with fewer than 20 strips.
    """
    before, after = luminance(photo), luminance(result)
    told = np.concatenate([_stepped(before, after), _stepped(before.T, after.T)])
    return float(told.mean()) if len(told) >= FEWEST_STRIPS else np.nan


COLOR_FIGURES: Mapping[str, Callable[[U8, U8], float]] = {
    "ciede2000": ciede2000,
    "neutral-shift": neutral_shift,
    "skin-shift": skin_shift,
    "banding": banding,
}


def _sampled(photo: U8, result: U8) -> tuple[U8, U8]:
    """The same pixels [N, 3] of both, at most SAMPLE; at random, but always the same, for a regular raster would meet grids."""
    before, after = photo.reshape(-1, 3), result.reshape(-1, 3)
    if len(before) > SAMPLE:
        chosen = np.random.default_rng(0).integers(0, len(before), SAMPLE)
        before, after = before[chosen], after[chosen]
    return before, after


def _difference(before: U8, after: U8) -> float:
    return float(color.ciede2000(color.srgb_to_lab(before), color.srgb_to_lab(after)).mean())


def _strips(light: F32) -> F32:
    """[H, W] -> [N, 8, 64]: lying strips side by side; what is left over at the rim is left out."""
    rows, columns = light.shape[0] // BLOCK, light.shape[1] // LENGTH
    whole = light[: rows * BLOCK, : columns * LENGTH].reshape(rows, BLOCK, columns, LENGTH)
    return whole.swapaxes(1, 2).reshape(-1, BLOCK, LENGTH)


def _stepped(before: F32, after: F32) -> NDArray[np.bool_]:
    """Of each strip [N] with a soft gradient before: whether it is steps after."""
    strips = _strips(before)
    rises = np.diff(strips.reshape(len(strips), BLOCK, -1, BLOCK).mean((1, 3)))  # between squares of 8 px
    change = np.abs(rises.sum(-1))
    monotone = (rises > 0).all(-1) | (rises < 0).all(-1)
    edgeless = np.abs(rises).max(-1) <= change / 3
    smooth = np.abs(np.diff(strips)).mean((1, 2)) <= SOFT_ROUGHNESS
    soft = monotone & edgeless & smooth & (change >= SOFT_CHANGE[0]) & (change <= SOFT_CHANGE[1])

    steps = np.abs(np.diff(_strips(after)[soft]))
    steps = steps[steps.max((1, 2)) >= STILL]
    still = (steps < STILL).mean((1, 2))
    jumps = np.where(steps >= JUMP, steps, 0).sum((1, 2)) / steps.sum((1, 2))
    told: NDArray[np.bool_] = (still >= 0.8) & (jumps >= 0.7)
    return told
