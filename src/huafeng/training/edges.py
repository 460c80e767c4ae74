"""Edges of photos, as dark lines on white: the inputs of a pix2pix that draws photos. Needs OpenCV (the extra `portrait`).

Canny, "A Computational Approach to Edge Detection", IEEE PAMI 1986; both thresholds follow the photo's median gradient, so
that a soft photo has lines, too.
"""

from __future__ import annotations

import numpy as np

from huafeng.errors import DataError
from huafeng.pixels import U8

BLUR_PX = 1.0  # sigma; finer edges than that are noise and texture
STRONG = 4.0  # times the median gradient: a line begins there
WEAK = 2.0  # and goes on down to there
FAINTEST = 40.0  # of Sobel's gradient: plain grounds stay empty


def edge_map(pixels: U8) -> U8:
    """Photo uint8 [H, W, 3] -> the same in white with black lines of one pixel.

    Raises:
        DataError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise DataError('Edges need OpenCV 4: pip install "huafeng[portrait]".') from error
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), BLUR_PX)
    across, down = cv2.Sobel(grey, cv2.CV_16S, 1, 0), cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    usual = max(FAINTEST / WEAK, float(np.median(np.hypot(across.astype(np.float32), down))))
    lines = cv2.Canny(across, down, WEAK * usual, STRONG * usual, L2gradient=True)
    return np.repeat(255 - np.asarray(lines, np.uint8)[:, :, None], 3, 2)
