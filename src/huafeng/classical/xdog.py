"""Lines as the difference of two Gaussians (Winnemoeller, Kyprianidis & Olsen, "XDoG", Computers & Graphics 2012).

With means along the flow the lines become coherent (Kang, Lee & Chui, "Coherent Line Drawing", NPAR 2007).
"""

from __future__ import annotations

import numpy as np

from huafeng.classical.flow import Flow, along
from huafeng.classical.planes import blur
from huafeng.pixels import F32

RATIO = 1.6  # of the two Gaussians: near to a Laplacian (Marr & Hildreth 1980)


def lines_of(plane: F32, flow: Flow, sigma: float, length: float, *, threads: int = 1) -> F32:
    """Dark lines of a luminance [h, w]: the wider Gaussian minus the narrower, along the flow; positive where edges are dark.

    `sigma` px: half of a line's width; `length` px: sigma of the mean along it.
    """
    return along(blur(plane, sigma * RATIO) - blur(plane, sigma), flow, length, step=max(1.0, sigma), threads=threads)


def sharpened(plane: F32, sigma: float, amount: float) -> F32:
    """(1 + p) G_sigma - p G_(1.6 sigma): the XDoG operator in its second form, `amount` being p."""
    near = blur(plane, sigma)
    return np.asarray(near + np.float32(amount) * (near - blur(plane, RATIO * sigma)), np.float32)
