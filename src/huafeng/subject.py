"""The subject of a photo, cut out from its background: people, an animal, a dish, whatever the photo is of.

U2-Netp (Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern Recognition 2020) sees
it in 320 x 320 px; the guided filter (`guided.py`) then makes its edges, hair among them, those of the photo.
"""

from __future__ import annotations

import numpy as np

from huafeng import models
from huafeng.errors import RegionError
from huafeng.guided import follow_edges
from huafeng.pixels import F32, U8, resize

INPUT_PX = 320
SIDE = 384  # px, short side at which edges are followed
SMALLEST_PX = 32  # a smaller photo has no subject to find
MEAN, DEVIATION = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)  # of ImageNet's photos
FAINT = 0.5  # the map's largest value, below which nothing stands out
SHARE = (0.005, 0.985)  # of the photo, that a subject takes


def find_subject(pixels: U8, *, threads: int = 1) -> U8:
    """The subject of uint8 [H, W, 3] as a mask uint8 [H, W], 255 = subject, its edges those of the photo.

    Raises:
        RegionError: nothing stands out, or everything does.
        DataError: the network is not installed.
        EngineError: onnxruntime is missing or fails.
    """
    session = models.session(models.SUBJECT)
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise RegionError(f"The photo of {width} x {height} pixels is too small to find a subject in; use --box or --mask.")
    salient = session.run({"input.1": network_input(pixels)})[session.outputs[0]][0, 0]
    subject = mask_of(salient)
    scale = min(1.0, SIDE / min(height, width))
    small = resize(pixels, round(width * scale), round(height * scale))
    return follow_edges(resize(subject, small.shape[1], small.shape[0]), small, pixels, threads=threads)


def network_input(pixels: U8) -> F32:
    """uint8 [H, W, 3] -> float32 [1, 3, 320, 320], as in U2-Net's training: over the maximum, then normalised."""
    small = resize(pixels, INPUT_PX, INPUT_PX).astype(np.float32)
    small /= max(1.0, float(small.max()))
    return np.asarray(((small - MEAN) / DEVIATION).transpose(2, 0, 1)[None], np.float32)


def mask_of(salient: F32) -> U8:
    """The network's map [h, w], from its least value to its largest, as a mask uint8.

    Raises:
        RegionError: nothing stands out, or everything does.
    """
    least, most = float(salient.min()), float(salient.max())
    if not most > FAINT:  # stretched, it would be noise
        raise RegionError("Nothing stands out clearly as the subject; use --box or --mask.")
    spread = (salient - least) / max(most - least, 1e-6)
    share = 1.0 if least > FAINT else float((spread > 0.5).mean())
    if share < SHARE[0]:
        raise RegionError("Nothing stands out clearly as the subject; use --box or --mask.")
    if share > SHARE[1]:
        raise RegionError("The subject fills the whole photo, there is no background; use --box or --mask.")
    return np.rint(255 * spread).astype(np.uint8)
