"""Drawings of photos, black on white: the inputs of a pix2pix that makes photos. Needs OpenCV (the extra `portrait`).

Lines: Canny, "A Computational Approach to Edge Detection", IEEE PAMI 1986; both thresholds follow the photo's median gradient,
so that a soft photo has lines, too. Ink: where a difference of Gaussians is negative (Marr & Hildreth, "Theory of Edge
Detection", 1980; as drawings: Winnemöller et al., "XDoG", Computers & Graphics 2012): a line lies on the darker side of its
edge, as people draw, and so tells which side that is.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from huafeng.errors import DataError
from huafeng.pixels import U8

BLUR_PX = 1.0  # sigma; finer edges than that are noise and texture
STRONG = 4.0  # times the median gradient: a line begins there
WEAK = 2.0  # and goes on down to there
FAINTEST = 40.0  # of Sobel's gradient: plain grounds stay empty

FINE, COARSE = 1.0, 1.6  # sigmas of ink's two Gaussians, px: about the Laplacian of one (Marr & Hildreth)
PAPER, INK = -1.0, -3.0  # levels by which the finer one is darker: white from here, black from there


def line_map(pixels: U8) -> U8:
    """Photo uint8 [H, W, 3] -> the same in white with black lines of one pixel.

    Raises:
        DataError: OpenCV is not installed.
    """
    cv2 = _opencv()
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), BLUR_PX)
    across, down = cv2.Sobel(grey, cv2.CV_16S, 1, 0), cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    usual = max(FAINTEST / WEAK, float(np.median(np.hypot(across.astype(np.float32), down))))
    lines = cv2.Canny(across, down, WEAK * usual, STRONG * usual, L2gradient=True)
    return _white_with(np.asarray(lines, np.uint8))


def ink_map(pixels: U8) -> U8:
    """Photo uint8 [H, W, 3] -> the same in white, with ink where it is darker than around: uint8 [H, W, 3].

    Raises:
        DataError: OpenCV is not installed.
    """
    cv2 = _opencv()
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (FINE, COARSE))
    return _white_with(np.rint(255 * np.clip((PAPER - (fine - coarse)) / (PAPER - INK), 0, 1)).astype(np.uint8))


def _white_with(ink: U8) -> U8:
    return np.repeat(255 - ink[:, :, None], 3, 2)


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise DataError('Edges need OpenCV 4: pip install "huafeng[portrait]".') from error
    return cv2
