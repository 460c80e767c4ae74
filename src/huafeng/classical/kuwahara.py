"""Flat paint with sharp edges: the anisotropic Kuwahara filter (Kyprianidis, Kang & Doellner, Computer Graphics Forum 2009).

Around each pixel lie eight sectors of an ellipse along the flow; the result is their means, weighted by how little they vary. A
sector is a Gaussian, so that all means and variances come of two blurred pictures and are read at eight places.
"""

from __future__ import annotations

import numpy as np

from huafeng.classical.flow import Flow
from huafeng.classical.planes import blur
from huafeng.pixels import F32, in_strips

SECTORS = 8
_STRIP = 48


def kuwahara(planes: F32, flow: Flow, radius: float, *, sharpness: float = 4.0, threads: int = 1) -> F32:
    """The picture float32 [C, h, w] in 0..1, flattened.

    Args:
        planes: the picture.
        flow: of the same size.
        radius: of the ellipse where there is no direction, px; where there is one, it is up to twice as long and half as wide.
        sharpness: the power of a sector's inverse variance that it counts by.
        threads: how many share the work.
    """
    channels, height, width = planes.shape
    sigma = radius * 0.42
    mean = blur(planes, sigma)
    variance = np.maximum((blur(planes * planes, sigma) - mean * mean).sum(0), 0)
    weight = (1 / (variance * np.float32(255**2 / 20) + np.float32(0.3))) ** np.float32(sharpness)
    flat, weights = mean.reshape(channels, -1), weight.ravel()
    stretch = 1 + flow.anisotropy
    forth, aside = radius * 0.62 * stretch, radius * 0.62 / stretch
    result = np.empty_like(planes)

    def strip(top: int, bottom: int) -> None:
        rows = slice(top, bottom)
        y, x = np.mgrid[rows, 0:width].astype(np.float32)
        flow_x, flow_y = flow.x[rows], flow.y[rows]
        total = weight[rows].copy()
        sums = mean[:, rows] * total
        for sector in range(SECTORS):
            angle = 2 * np.pi * sector / SECTORS
            u, v = np.float32(np.cos(angle)) * forth[rows], np.float32(np.sin(angle)) * aside[rows]
            at_x = np.clip(np.rint(x + u * flow_x - v * flow_y), 0, width - 1).astype(np.int32)
            at_y = np.clip(np.rint(y + u * flow_y + v * flow_x), 0, height - 1).astype(np.int32)
            at = at_y * np.int32(width) + at_x
            share = weights.take(at, mode="clip")
            total += share
            for result_plane, values in zip(sums, flat, strict=True):
                result_plane += share * values.take(at, mode="clip")
        result[:, rows] = sums / np.maximum(total, np.float32(1e-30))

    in_strips(strip, height, _STRIP, threads)
    return result
