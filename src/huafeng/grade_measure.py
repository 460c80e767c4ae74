"""The small grade of a folder of finished pictures, measured without their originals.

Each number is read where content says least, and counts only where it stands out of what folders of neutral photos vary by:

- vignette: light that falls off evenly towards the corners shows in flat areas, whose own gradients point anywhere (the
  symmetry of radial gradients: Zheng et al., "Single-Image Vignetting Correction from Gradient Distribution Symmetries",
  IEEE TPAMI 2013). The fall-off that makes the most area flat is the folder's;
- grain: the flattest blocks have as much of it as others. A finish lays it over every picture, so the cleanest ones tell;
- local contrast: the middle of the three parts of a picture's spectrum, against the finer and the coarser one. Contrast as a
  whole, which a colour table changes too, cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.grade import DISPLAY_GAMMA, LEAST, MOST, Grade, luminance
from huafeng.pixels import F32

F64 = NDArray[np.float64]

MEASURED_PX = 384  # short side at which pictures are measured; one of less than LEAST_PX says too little
LEAST_PX = 300
STANDS_OUT = 2.5  # deviations of neutral folders
OWN_SPREAD = 0.3  # photos of one's own show the same things: what is left of the spread between folders


class Signs(NamedTuple):
    """What one picture, or a folder's mean, shows: `flatness` for each of FALLS, grain in 1/255, log local contrast."""

    flatness: F64
    grain: float
    contrast: float


class Level(NamedTuple):
    """What neutral photos show of a thing, its deviation between large folders, and what a single picture adds to that."""

    mean: float
    spread: float
    picture: float


@dataclass(frozen=True)
class GradeStatistics:
    """What neutral photos show: the part of the encoded value missing in the corners, grain in 1/255 at a short side of 384 px,
    and log local contrast."""

    vignette: Level
    grain: Level
    local_contrast: Level


# from 642 everyday photos and portraits of 16 sources; spreads are between those, from folders drawn of one source each
BUILT_IN = GradeStatistics(Level(0.105, 0.075, 0.145), Level(0.33, 0.15, 0.2), Level(-0.255, 0.088, 0.18))

# what the signs show of a grade, from grades laid over 108 of these photos
FALL_SHOWN, GRAIN_SHOWN, CONTRAST_SHOWN = 0.88, 0.459, 0.31

FALLS = np.linspace(-0.1, 0.5, 31)  # of the encoded value, in the corners
CELLS_PX = 8  # flatness is judged between cells of so many px
FLAT = 0.008  # change of log luminance from cell to cell
DARK, LIGHT = 0.06, 0.97  # cells beyond are black or clipped: flat by themselves
BLOCK_PX, FLATTEST, CLEANEST = 8, 0.05, 0.2
MIDDLE = np.array([-0.5, 1 / 3, 1 / 3, 1 / 3, 0.0, -0.5])  # of the log deviations of six octaves, fine to coarse


def measure_grade(styled: Iterable[NDArray[np.uint8]], neutral: GradeStatistics = BUILT_IN) -> Grade:
    """The grade that a folder of finished pictures uint8 [H, W, 3] has, as far as it stands out of neutral photos.

    Args:
        styled: the pictures, one at a time in memory; those with a short side below 300 px are passed over.
        neutral: what photos without a finish show; `grade_statistics` measures it of the user's own.
    """
    found = folder_signs(styled)
    if found is None:
        return Grade()
    fall = max(0.0, _excess(found.fall, neutral.vignette, found.pictures)) / FALL_SHOWN
    grainy = _excess(found.grain, neutral.grain, found.pictures) > 0
    grain = math.sqrt(found.grain**2 - neutral.grain.mean**2) if grainy else 0.0  # variances add
    gain = _excess(found.contrast, neutral.local_contrast, found.pictures)
    numbers = 1 - (1 - fall) ** DISPLAY_GAMMA, grain / GRAIN_SHOWN, gain / CONTRAST_SHOWN
    return Grade(*(float(number) for number in np.clip(np.round(numbers, 3), LEAST, MOST)))


def grade_statistics(pictures: Iterable[NDArray[np.uint8]]) -> GradeStatistics:
    """What the user's own unedited photos uint8 [H, W, 3] show; the built-in statistics where all are too small."""
    found = folder_signs(pictures)
    if found is None:
        return BUILT_IN
    levels = []
    for mean, usual in zip(found[:3], (BUILT_IN.vignette, BUILT_IN.grain, BUILT_IN.local_contrast), strict=True):
        spread = math.hypot(OWN_SPREAD * usual.spread, usual.picture / math.sqrt(found.pictures))
        levels.append(Level(mean, spread, usual.picture))
    return GradeStatistics(*levels)


class FolderSigns(NamedTuple):
    """What a folder of so many pictures shows, in the units of GradeStatistics."""

    fall: float
    grain: float
    contrast: float
    pictures: int


def folder_signs(pictures: Iterable[NDArray[np.uint8]]) -> FolderSigns | None:
    """Of a folder's pictures uint8 [H, W, 3]; None where none is large enough."""
    found = [signs(luminance(picture, MEASURED_PX)) for picture in pictures if min(picture.shape[:2]) >= LEAST_PX]
    return together(found) if found else None


def together(found: list[Signs]) -> FolderSigns:
    """A folder's signs from its pictures'."""
    flatness = np.mean([one.flatness for one in found], 0)
    best = int(np.clip(flatness.argmax(), 1, len(FALLS) - 2))
    below, at, above = flatness[best - 1 : best + 2]
    bend = 2 * at - below - above
    fall = FALLS[best] + (FALLS[1] - FALLS[0]) * (np.clip((above - below) / (2 * bend), -1, 1) if bend > 0 else 0.0)
    grains = [one.grain for one in found if not math.isnan(one.grain)]
    grain = float(np.quantile(grains, CLEANEST)) if grains else 0.0
    return FolderSigns(float(fall), grain, float(np.mean([one.contrast for one in found])), len(found))


def signs(light: F32) -> Signs:
    """Of one picture's luminance float32 [h, w] in 0..1, its short side MEASURED_PX."""
    softer = _softened(light)
    grain = _grain(light, light - softer)
    # grain is no detail: its variance is taken out of the finest octave
    noise = 0.0 if math.isnan(grain) else (grain / 255) ** 2 * float(np.square(4 * light * (1 - light)).mean())
    total = float((light - softer).var())
    variances = [max(total - noise, total / 10)]
    for _ in MIDDLE[1:]:
        level = softer[::2, ::2]
        softer = _softened(level)
        variances.append(float((level - softer).var()))
    return Signs(_flatness(light), grain, float(MIDDLE @ np.log(np.sqrt(variances) + 1e-4)))


def _flatness(light: F32) -> F64:
    """How much of the picture is flat once a fall-off is taken back, for each of FALLS."""
    cells = _blocks(light, CELLS_PX).mean((1, 3))
    height, width = cells.shape
    values = np.log(np.maximum(cells, DARK / 2))
    down, across = ((np.arange(size) * 2.0 + 1 - size) / math.hypot(height, width) for size in (height, width))
    radius2 = down[:, None] ** 2 + across**2
    shown = (cells > DARK) & (cells < LIGHT)
    inner = np.s_[1:-1, 1:-1]
    # outer cells tell more: there a fall-off is steep
    weight = np.where(shown[inner], radius2[inner], 0)
    if not weight.any():
        return np.zeros(len(FALLS))
    result = []
    for fall in FALLS:
        taken = values - np.log(1 - fall * radius2)
        slope2 = ((taken[2:, 1:-1] - taken[:-2, 1:-1]) ** 2 + (taken[1:-1, 2:] - taken[1:-1, :-2]) ** 2) / 4
        result.append((weight / (1 + slope2 / FLAT**2)).sum() / weight.sum())
    return np.array(result)


def _grain(light: F32, fine: F32) -> float:
    """Deviation of the finest octave in the flattest blocks, in 1/255 of a middle grey; NaN with too few blocks to tell."""
    mean = _blocks(light, BLOCK_PX).mean((1, 3)).ravel()
    weight = 4 * mean * (1 - mean)
    told = weight > 0.5
    if told.sum() < 40:
        return math.nan
    deviation = _blocks(fine, BLOCK_PX).std((1, 3)).ravel()[told] / weight[told]
    return float(255 * np.quantile(deviation, FLATTEST))


def _softened(light: F32) -> F32:
    """By the binomial 1 4 6 4 1 along both axes, edges mirrored."""
    for _ in range(2):
        padded = np.pad(light, ((2, 2), (0, 0)), mode="symmetric")
        light = ((padded[:-4] + padded[4:] + 4 * (padded[1:-3] + padded[3:-1]) + 6 * padded[2:-2]) / np.float32(16)).T
    return np.ascontiguousarray(light)


def _blocks(light: F32, side: int) -> F32:
    """[h, w] -> [h / side, side, w / side, side]; what is left over at the rim is left out."""
    rows, columns = light.shape[0] // side, light.shape[1] // side
    return light[: rows * side, : columns * side].reshape(rows, side, columns, side)


def _excess(value: float, neutral: Level, pictures: int) -> float:
    """How far a folder's value lies from the neutral level; 0 where it does not stand out."""
    excess = value - neutral.mean
    return excess if abs(excess) > STANDS_OUT * math.hypot(neutral.spread, neutral.picture / math.sqrt(pictures)) else 0.0
