"""Tables of colours [N, N, N, 3] as plain arrays: looked up, and enlarged by splines. `look.Lut` is applied to photos."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from huafeng.pixels import Array

F64 = NDArray[np.float64]


def corners(colors: Array, size: int) -> tuple[NDArray[np.intp], Array]:
    """The eight nodes around each colour in a flattened table of `size` nodes per axis, and its share in each.

    Args:
        colors: floats [P, 3]; those beyond 0..1 count as on the rim.
        size: nodes per axis, at least 2.

    Returns:
        intp [8, P], and shares of the colours' own type [8, P], which sum to 1.
    """
    place = np.clip(colors, 0, 1) * (size - 1)
    below = np.minimum(place.astype(np.intp), size - 2)
    part = place - below.astype(place.dtype)
    nodes, shares = [], []
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (below + corner).T
        nodes.append((red * size + green) * size + blue)
        shares.append(np.where(corner, part, 1 - part).prod(1))
    return np.stack(nodes), np.stack(shares)


def sample(table: Array, colors: Array) -> Array:
    """Colours [P, 3] through a table [N, N, N, 3] indexed [r, g, b], trilinear -> [P, 3]. Values may be beyond 0..1."""
    nodes, shares = corners(colors, len(table))
    return np.asarray((shares[..., None] * table.reshape(-1, table.shape[-1])[nodes]).sum(0))


def enlarged(table: Array, size: int) -> F64:
    """[n, n, n, 3] -> [N, N, N, 3], by natural cubic splines along each axis: curves stay curves."""
    up = spline(len(table), size)
    return np.asarray(np.einsum("abcd,xa,yb,zc->xyzd", table, up, up, up, optimize=True))


@cache
def spline(nodes: int, places: int) -> F64:
    """The matrix [places, nodes] from values at evenly spread nodes to those of the natural cubic spline through them."""
    # second derivatives m: m[i-1] + 4 m[i] + m[i+1] = 6 (y[i-1] - 2 y[i] + y[i+1]), and 0 at both ends
    inner = np.eye(nodes)[1:-1]
    bend = 6 * (np.eye(nodes)[:-2] - 2 * inner + np.eye(nodes)[2:])
    rows = 4 * np.eye(nodes - 2) + np.eye(nodes - 2, k=1) + np.eye(nodes - 2, k=-1)
    second = np.zeros((nodes, nodes))
    second[1:-1] = np.linalg.solve(rows, bend)
    at = np.linspace(0, nodes - 1, places)
    below = np.minimum(at.astype(int), nodes - 2)
    t = (at - below)[:, None]
    value = np.eye(nodes)
    cubic = ((1 - t) ** 3 - (1 - t)) * second[below] + (t**3 - t) * second[below + 1]
    return (1 - t) * value[below] + t * value[below + 1] + cubic / 6
