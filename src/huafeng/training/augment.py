"""DiffAugment: random changes that real and made pictures both go through before the discriminator, with gradient.

With few real pictures the discriminator learns them by heart; changed anew each time, they are too many for that (Zhao et al.,
"Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020). Unlike augmented data alone, the generator
does not learn to make changed pictures, for its own are changed, too. Pictures are 0..1 here and -1..1 in the paper:
brightness moves by half the number, which is the same, and what comes in from outside and what is cut out is black, not grey.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Augmentation = Literal["color", "translation", "cutout"]
# What the columns of `draw` hold: lowest and highest value, and the value that changes nothing
COLUMNS: tuple[tuple[Augmentation, float, float, float], ...] = (
    ("color", -0.25, 0.25, 0.0),  # brightness: added
    ("color", 0.0, 2.0, 1.0),  # saturation: times the distance from the pixel's grey
    ("color", 0.5, 1.5, 1.0),  # contrast: times the distance from the picture's mean
    ("translation", -0.125, 0.125, 0.0),  # down, as a share of the height
    ("translation", -0.125, 0.125, 0.0),  # right, as a share of the width
    ("cutout", 0.5, 0.5, 0.0),  # sides of the hole, as shares of the picture's
    ("cutout", 0.0, 1.0, 0.5),  # the hole's centre from the top, as a share of the height
    ("cutout", 0.0, 1.0, 0.5),  # the hole's centre from the left, as a share of the width
)


def draw(policy: Collection[str], count: int, generator: torch.Generator) -> Tensor:
    """Parameters [count, 8] on the CPU, a row for each picture of the whole batch; a process takes its rows.

    policy: which of the augmentations "color", "translation" and "cutout" to do. A kind's numbers do not depend on the others.

    Raises:
        ValueError: an augmentation that does not exist.
    """
    if unknown := set(policy).difference(get_args(Augmentation)):
        raise ValueError(f"no such augmentation: {', '.join(sorted(unknown))}")
    uniform = torch.rand(count, len(COLUMNS), generator=generator)
    low, high, nothing = torch.tensor([bounds for _, *bounds in COLUMNS]).unbind(1)
    used = torch.tensor([kind in policy for kind, *_ in COLUMNS])
    return torch.where(used, torch.lerp(low, high, uniform), nothing)


def diff_augment(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Pictures [B, 3 N, H, W] and rows [B, 8] of `draw` -> the same, not clipped; in order: color, translation, cutout.

    N pictures that are seen as one (a photo and what becomes of it) are changed alike, each with its own grey and mean.
    The paper draws anew for real and for made pictures.
    """
    brightness, saturation, contrast, *_ = parameters.to(pictures)[:, :, None, None, None, None].unbind(1)
    each = pictures.unflatten(1, (-1, 3)) + brightness  # [B, N, 3, H, W]
    each = torch.lerp(each.mean(2, keepdim=True), each, saturation)
    each = torch.lerp(each.mean((2, 3, 4), keepdim=True), each, contrast)
    return _cut_out(_translate(each.flatten(1, 2), parameters[:, 3:5]), parameters[:, 5:])


def _translate(pictures: Tensor, shifts: Tensor) -> Tensor:
    """Each picture moved by whole pixels; a negative padding crops."""
    h, w = pictures.shape[2:]
    moved = [pictures[:0]]  # a process may have no picture at all
    for picture, (down, right) in zip(pictures, shifts.tolist(), strict=True):
        dy, dx = round(down * h), round(right * w)
        moved.append(F.pad(picture, (dx, -dx, dy, -dy))[None])
    return torch.cat(moved).contiguous(memory_format=torch.channels_last)


def _cut_out(pictures: Tensor, holes: Tensor) -> Tensor:
    """A rectangle of each picture set to 0; it may hang over the rim, its centre does not."""
    share, *centres = holes.to(pictures.device).unbind(1)
    within = []
    for side, centre in zip(pictures.shape[2:], centres, strict=True):
        length = (share * side).round()
        start = (centre * side - length / 2).round()[:, None]
        place = torch.arange(side, device=pictures.device)
        within.append((place >= start) & (place < start + length[:, None]))  # [B, side]
    rows, columns = within
    return pictures.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)
