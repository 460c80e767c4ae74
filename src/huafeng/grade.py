"""The small grade: what a finish does beside colour, as three numbers: vignette, grain, local contrast.

All three are tied to the picture's short side, so that a preview and the full picture look alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from PIL import Image

from huafeng.errors import StyleError
from huafeng.pixels import F32, U8, Array, in_strips

TENSOR = "grade"  # its name in a style file: float [3] in the order of Grade's fields
LEAST, MOST = (0.0, 0.0, -0.8), (0.9, 32.0, 1.0)  # of vignette, grain, local contrast

GRAIN_PX = 1080  # short side of the grid on which grain is drawn
MOST_GRAIN = 16_000_000  # of its points, for panoramas
BAND_PX = (192, 24)  # local contrast: what a short side of 192 px shows and one of 24 px does not
BAND_LIMIT = 0.15  # of full scale: edges stronger than that get no stronger halo
DISPLAY_GAMMA = 2.2
STRIP = 64  # rows at a time


@dataclass(frozen=True)
class Grade:
    """What a finish does beside colour; 0 is nothing.

    Args:
        vignette: share of the light that is missing in the corners, 0..0.9. The encoded values fall with the square of the
            distance from the middle, and light is what a display with gamma 2.2 makes of them.
        grain: standard deviation of the luminance in a middle grey, in 1/255, at a short side of 1080 px, 0..32. It fades
            towards black and white as 4 Y (1 - Y).
        local_contrast: gain of the middle frequencies, from 1/192 to 1/24 of the short side, -0.8..1; below 0 is soft.

    Raises:
        StyleError: a number that is not finite, or out of its range.
    """

    vignette: float = 0.0
    grain: float = 0.0
    local_contrast: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least, most in zip(("vignette", "grain", "local contrast"), astuple(self), LEAST, MOST, strict=True):
            if not (math.isfinite(value) and least <= value <= most):
                raise StyleError(f"The {name} of a grade is {value:g}, it must be from {least:g} to {most:g}.")

    def __bool__(self) -> bool:
        return any(astuple(self))

    @classmethod
    def from_tensor(cls, tensor: Array) -> Grade:
        """The grade in a style's tensor `grade`, floats [3]; to six digits, as a file may round them."""
        if tensor.shape != (3,):
            raise StyleError(f"A grade is three numbers, not of the shape {list(tensor.shape)}.")
        return cls(*(float(f"{number:.6g}") for number in tensor))

    def to_tensor(self) -> F32:
        """float32 [3]: vignette, grain, local contrast."""
        return np.array(astuple(self), np.float32)

    @classmethod
    def mixed(cls, weights: Sequence[float], grades: Sequence[Grade]) -> Grade:
        """The mean by weights (>= 0, not all 0), one for each grade."""
        shares = np.asarray(weights, np.float64) / sum(weights)
        return cls(*(float(number) for number in np.clip(shares @ [astuple(grade) for grade in grades], LEAST, MOST)))


def apply_grade(pixels: U8, grade: Grade, *, threads: int, seed: int = 0) -> U8:
    """Vignette, then local contrast and grain.

    The last two draw a colour towards white or black by a share: nothing is clipped, and white and black stay.

    Args:
        pixels: uint8 [H, W, 3].
        grade: how much of each; a grade of zeros returns `pixels` themselves.
        threads: how many threads share the work; the result does not depend on it.
        seed: of the grain: the same photo and seed give the same grain.

    Returns:
        uint8 [H, W, 3]. Needed beside it: about 20 MB for the fields, 60 MB while grain is drawn, and a few MB a thread.
    """
    if not grade:
        return pixels
    height, width = pixels.shape[:2]
    field = _field(pixels, grade, seed)
    # the encoded values' share that is missing in the corners, split over the axes: r^2 = x^2 + y^2
    missing = np.float32(1 - (1 - grade.vignette) ** (1 / DISPLAY_GAMMA))
    down, across = (missing * square for square in _squared_radius(height, width))
    result = np.empty_like(pixels)

    def strip(top: int, bottom: int) -> None:
        shaded = pixels[top:bottom].astype(np.float32)
        if missing:
            shaded *= (1 - down[top:bottom, None] - across)[:, :, None]
        if field is not None:
            light = shaded @ _LUMA
            amount = _rows(field, top, bottom, width, height)
            # luminance moves by 4 * amount * Y * (1 - Y), towards white by a share 4 * amount * Y, or black
            towards_white = amount > 0
            share = np.clip(4 * amount * np.where(towards_white, light, 1 - light), -1, 1)
            shaded *= (1 - np.abs(share))[:, :, None]
            shaded += np.where(towards_white, 255 * share, 0)[:, :, None]
        np.rint(shaded, out=shaded)
        result[top:bottom] = shaded

    in_strips(strip, height, STRIP, threads)
    return result


_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255  # of Pillow's "L" (ITU-R BT.601), to 0..1


def _squared_radius(height: int, width: int) -> tuple[F32, F32]:
    """[H] and [W]: their sum at a pixel is its squared distance from the middle, 1 in the picture's corners."""
    down, across = ((np.arange(size, dtype=np.float32) * 2 + 1 - size) for size in (height, width))
    corner = np.float32(height**2 + width**2)
    return down**2 / corner, across**2 / corner


def _field(pixels: U8, grade: Grade, seed: int) -> Image.Image | None:
    """What local contrast and grain add to a middle grey, in 0..1 units: a float picture on the coarsest grid that holds it."""
    height, width = pixels.shape[:2]
    band = grain = None
    if grade.local_contrast:
        band = np.float32(grade.local_contrast) * _bounded(middle_band(luminance(pixels, BAND_PX[0])))
    if grade.grain:
        grain = np.float32(grade.grain / 255) * grain_field(height, width, seed)
    if grain is None:
        return None if band is None else Image.fromarray(band)
    if band is not None:
        grain += np.asarray(Image.fromarray(band).resize(grain.shape[::-1], Image.Resampling.BICUBIC))
    return Image.fromarray(grain)


def _bounded(band: F32) -> F32:
    return np.float32(BAND_LIMIT) * np.tanh(band / np.float32(BAND_LIMIT))


def luminance(pixels: U8, short_px: int) -> F32:
    """The encoded luminance of uint8 [H, W, 3] in 0..1, shrunk to a short side of `short_px`: float32 [h, w].

    A smaller picture keeps its size: its short side already shows no more than that.
    """
    height, width = pixels.shape[:2]
    light = Image.fromarray(pixels).convert("L")
    scale = min(1.0, short_px / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # whole factors first, then floats: eight bits would leave steps in a sky
    factor = max(1, int(1 / (3 * scale)))
    shrunk = light.reduce(factor).convert("F").resize(size, Image.Resampling.BICUBIC)
    return np.asarray(shrunk, np.float32) / np.float32(255)


def middle_band(light: F32) -> F32:
    """What is left of a luminance [h, w] without what a short side of 24 px shows of it."""
    image = Image.fromarray(light)
    scale = BAND_PX[1] / min(light.shape)
    if scale >= 1:
        return np.zeros_like(light)
    coarse = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BICUBIC)
    return light - np.asarray(coarse.resize(image.size, Image.Resampling.BICUBIC))


def grain_field(height: int, width: int, seed: int) -> F32:
    """Grain of deviation 1, about two points in size, on the grid for a photo of that size: float32 [h, w].

    A photo and its preview have the same grain: numbers are drawn along the long side, of which both show as much.
    """
    scale = min(GRAIN_PX / min(height, width), (MOST_GRAIN / (height * width)) ** 0.5)
    short, long = (max(1, round(side * scale)) for side in sorted((height, width)))
    noise = np.random.default_rng(seed).standard_normal((long + 2, short + 2), dtype=np.float32)
    noise = noise[:-2] + noise[2:] + 2 * noise[1:-1]
    noise = noise[:, :-2] + noise[:, 2:] + 2 * noise[:, 1:-1]
    noise /= 6  # the root of (1 + 4 + 1)^2, of the squared weights
    return noise if height >= width else np.ascontiguousarray(noise.T)


def _rows(field: Image.Image, top: int, bottom: int, width: int, height: int) -> F32:
    """Rows top..bottom of a float picture at width x height: float32 [bottom - top, width]."""
    scale = field.height / height
    margin = math.ceil(4 / min(scale, 1.0))  # in rows of the result: Pillow reads nothing outside the box
    first, last = max(0, top - margin), min(height, bottom + margin)
    box = (0.0, first * scale, float(field.width), min(last * scale, float(field.height)))
    grown = field.resize((width, last - first), Image.Resampling.BICUBIC, box=box)
    return np.asarray(grown)[top - first : bottom - first]
