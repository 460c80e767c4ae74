"""Tables of colours that networks learn through: looked up, enlarged and compared, all with gradient. See `huafeng.look`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from huafeng.colortable import spline

# sRGB primaries to XYZ, divided by the white point D65 (IEC 61966-2-1)
_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
) / torch.tensor([[0.95047], [1.0], [1.08883]])
_ROUNDED = 0.2  # under the root: without it equal colours have no gradient


def identity(size: int, device: torch.device | str = "cpu") -> Tensor:
    """The table [N, N, N, 3] that changes nothing."""
    nodes = torch.linspace(0, 1, size, device=device)
    return torch.stack(torch.meshgrid(nodes, nodes, nodes, indexing="ij"), -1)


def lookup(tables: Tensor, colors: Tensor) -> Tensor:
    """Colours [F, P, 3] in 0..1 through tables [F, N, N, N, 3], trilinear -> [F, P, 3]."""
    at = (2 * colors - 1).flip(-1)[:, None, None]  # grid_sample wants the last axis first
    found = F.grid_sample(tables.permute(0, 4, 1, 2, 3), at, align_corners=True, padding_mode="border")
    return found[:, :, 0, 0].transpose(1, 2)


def enlarged(tables: Tensor, size: int) -> Tensor:
    """[F, n, n, n, 3] -> [F, N, N, N, 3], by natural cubic splines along each axis: curves stay curves."""
    matrix = torch.from_numpy(spline(tables.shape[1], size)).to(tables)
    return torch.einsum("fabcd,xa,yb,zc->fxyzd", tables, matrix, matrix, matrix)


def lab(colors: Tensor) -> Tensor:
    """sRGB [..., 3] -> CIELAB, D65; goes on beyond 0..1."""
    linear = torch.where(colors > 0.04045, ((colors.clamp_min(0.04) + 0.055) / 1.055) ** 2.4, colors / 12.92)
    xyz = linear @ _XYZ.T.to(colors.device)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(0.008) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def color_difference(first: Tensor, second: Tensor) -> Tensor:
    """sRGB [..., 3] twice -> about CIE94 (CIE 116-1995) with both chromas' geometric mean, rounded off near 0: [...].

    CIEDE2000's gradient jumps where hues meet; CIE94 is near it and smooth.
    """
    a, b = lab(first), lab(second)
    difference = (a - b).square()
    chroma_a, chroma_b = ((x[..., 1:].square().sum(-1) + 1e-4).sqrt() for x in (a, b))
    chroma, saturation = (chroma_a * chroma_b).sqrt(), (chroma_a - chroma_b).square()
    hue = (difference[..., 1:].sum(-1) - saturation).clamp_min(0)
    scaled = difference[..., 0] + saturation / (1 + 0.045 * chroma).square() + hue / (1 + 0.015 * chroma).square()
    return (scaled + _ROUNDED).sqrt()


def density(colors: Tensor, size: int) -> Tensor:
    """Colours [P, 3] in 0..1 -> how much of them lies at each node of a table [N, N, N], sum 1."""
    place = colors * (size - 1)
    below = place.long().clamp_max(size - 2)
    part = place - below
    found = torch.zeros(size**3, device=colors.device)
    for corner in range(8):
        offset = torch.tensor([corner >> 2 & 1, corner >> 1 & 1, corner & 1], device=colors.device)
        weight = torch.where(offset.bool(), part, 1 - part).prod(-1)
        at = below + offset
        found.index_add_(0, (at[:, 0] * size + at[:, 1]) * size + at[:, 2], weight)
    return (found / found.sum()).reshape(size, size, size)
