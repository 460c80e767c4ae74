"""What a result keeps of its photo, pixel by pixel: SSIM, MS-SSIM, PSNR, MSE and edges.

Every figure takes photo and result as uint8 [H, W, 3] of equal size; the five scales of MS-SSIM need a short side of 176 px.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.feature import canny

from huafeng.pixels import F32, U8

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SIGMA, RADIUS = 1.5, 5  # the Gaussian window of 11 px
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # fine to coarse
EDGE_SIGMA = 1.4


def luminance(picture: U8) -> F32:
    """uint8 [H, W, 3] -> float32 [H, W] in 0..255, weights of Rec. 601."""
    light: F32 = picture @ LUMA
    return light


def ssim(photo: U8, result: U8) -> float:
    """Mean structural similarity of the luminance in Gaussian windows of 11 px (Wang et al., IEEE TIP 2004), -1..1."""
    return _similarity(luminance(photo), luminance(result))[0]


def ms_ssim(photo: U8, result: U8) -> float:
    """Structural similarity of the luminance over five scales (Wang et al., Asilomar 2003), 0..1.

    Negative terms count as 0, for they have no real power.
    """
    first, second = luminance(photo), luminance(result)
    product = 1.0
    for weight in SCALE_WEIGHTS[:-1]:
        product *= max(_similarity(first, second)[1], 0.0) ** weight
        first, second = _halved(first), _halved(second)
    return product * max(_similarity(first, second)[0], 0.0) ** SCALE_WEIGHTS[-1]


def mse(photo: U8, result: U8) -> float:
    """Mean squared difference of RGB values in 0..1."""
    return float(np.square(photo.astype(np.float32) - result).mean()) / 255**2


def psnr(photo: U8, result: U8) -> float:
    """10 log10(1 / MSE) in dB, at most 100."""
    return min(100.0, -10 * float(np.log10(max(mse(photo, result), 1e-10))))


def edges_kept(photo: U8, result: U8) -> float:
    """F measure of the two pictures' Canny edges, 0..1; an edge pixel is met by one of the other picture within 2 px.

    NaN where the photo has no edges.
    """
    wanted, found = _edges(photo), _edges(result)
    if not wanted.any():
        return np.nan
    if not found.any():
        return 0.0
    # two steps to the four neighbours reach just the pixels within 2 px
    precision = binary_dilation(wanted, iterations=2)[found].mean()
    recall = binary_dilation(found, iterations=2)[wanted].mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


PAIR_FIGURES: Mapping[str, Callable[[U8, U8], float]] = {
    "ssim": ssim,
    "ms-ssim": ms_ssim,
    "psnr": psnr,
    "mse": mse,
    "edges-kept": edges_kept,
}


def _similarity(first: F32, second: F32) -> tuple[float, float]:
    """Means of SSIM and of its contrast-structure term, over all windows that lie wholly in the picture.

    Separable windows take a third of the time of torchmetrics' 11 x 11 weights; of the two variances only the sum counts.
    """

    def mean(values: F32) -> F32:
        smooth: F32 = gaussian_filter(values, SIGMA, truncate=RADIUS / SIGMA + 0.1)
        return smooth[RADIUS:-RADIUS, RADIUS:-RADIUS]

    one, two = mean(first), mean(second)
    squares, product = one * one + two * two, one * two
    variances = mean(first * first + second * second) - squares
    covariance = mean(first * second) - product
    structure = (2 * covariance + C2) / (variances + C2)
    brightness = (2 * product + C1) / (squares + C1)
    return float((brightness * structure).mean()), float(structure.mean())


def _halved(values: F32) -> F32:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    even = values[:height, :width]
    halved: F32 = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
    return halved


def _edges(picture: U8) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    edges: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = canny(
        luminance(picture) / 255, sigma=EDGE_SIGMA, low_threshold=0.1, high_threshold=0.2
    )
    return edges
