"""The recipe `srgan`: photos enlarged to twice or four times their size (Ledig et al., "Photo-Realistic Single Image
Super-Resolution Using a Generative Adversarial Network", CVPR 2017).

    min over G:  l_p |y - G(x)| + l_c content(G(x), y) + w fool(D(G(x)))        min over D:  cross entropy between y and G(x)

x is y, shrunk. docs/recipes/srgan.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from huafeng.pixels import U8
from huafeng.training.adversary import AdversarialOptions
from huafeng.training.data import Augment
from huafeng.training.enlarging import Enlarger, bicubic
from huafeng.training.losses import content_loss
from huafeng.training.options import Between
from huafeng.training.patchgan import PatchGanOptions
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.painting import side_by_side
from huafeng.training.recipes.translating import TranslatingOptions, TranslatingRecipe, paper_adversary

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "box": Image.Resampling.BOX}
Filter = Literal["bicubic", "box"]


@dataclass(frozen=True)
class EnlargerOptions:
    """The generator's size."""

    width: Annotated[int, Between(1)] = 64
    """Channels."""
    blocks: Annotated[int, Between(1, 64)] = 16
    """Residual blocks, all at the small size."""


@dataclass(frozen=True, kw_only=True)
class SrganOptions(TranslatingOptions):
    """Small to large."""

    recipe: Literal["srgan"] = "srgan"
    """Which recipe this file configures."""
    photos: tuple[Path, ...]
    """Folders, files or shards with sharp photos."""
    scale: Literal[2, 4] = 4
    """How many times larger the result is."""
    shrink: Filter = "bicubic"
    """How photos are made small for training, by Pillow and without aliasing: bicubic, or means of whole blocks (box)."""
    network: EnlargerOptions = field(default_factory=EnlargerOptions)
    """The generator's size."""
    short_side_px: Annotated[int, Between(16)] = 768
    """Short side to which photos are shrunk when they are read: what is sharp at that size is what is learned."""
    augment: Augment = field(default_factory=lambda: Augment(reach=(0.3, 1.0)))
    """How crops are drawn from the photos."""
    distance: Literal["l1", "l2"] = "l2"
    """Distance of pixels: mean absolute (sharper), or mean square (more PSNR; the paper's)."""
    pixel: Annotated[float, Between(0)] = 1.0
    """Weight of that distance to the true photo."""
    content: Annotated[float, Between(0)] = 0.006
    """Weight of the relative distance of features to the true photo's."""
    discriminator: PatchGanOptions = field(default_factory=lambda: PatchGanOptions(halvings=3, norm="none"))
    """The discriminator's size."""
    adversarial: AdversarialOptions = field(
        default_factory=lambda: replace(
            paper_adversary(), loss="non-saturating", weight=1e-3, spectral_norm=True, betas=(0.9, 0.999), since=0.5
        )
    )
    """How the discriminator learns; before `since` the generator learns from pixels and features alone."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.photos:
            yield "photos is empty: name at least one folder"
        if not (self.pixel or self.content):
            yield "pixel and content are both 0: nothing would tie results to their photos"
        if self.augment.reach[0] * self.short_side_px < max(self.crop_sizes):
            yield "augment.reach begins too low: crops below crop_px would be enlarged and teach blur (or raise short_side_px)"

    @property
    def multiple_of(self) -> int:
        """Crops are shrunk by the scale."""
        return self.scale

    @property
    def working_px(self) -> int:
        """What enlarges takes photos as they are; this is the size that it has learned from."""
        return self.short_side_px // self.scale


class Srgan(TranslatingRecipe):
    """See the module. `held_out` are small photos, `wanted` the true ones."""

    options: SrganOptions

    def __init__(self, options: SrganOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        photos, self.wanted = self.opened("photos", options.photos)
        self.held_out = [shrunk(photo, options.scale, options.shrink) for photo in self.wanted]
        self.photos = self.crops(photos, "photos")
        o = options.network
        self.begin({"generator": Enlarger(options.scale, o.width, o.blocks)}, {"discriminator": 3})
        self.there = machine.compiled(self.networks["generator"])

    def step(self, clock: Clock) -> Report:
        """One step of the generator, then one of the discriminator."""
        o = self.options
        truth = self.drawn(self.photos, clock)
        levels = (truth * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        small = self.batch_of([shrunk(photo, o.scale, o.shrink) for photo in levels])

        # Generator phase: min over G of l_p |y - G(x)| + l_c content(G(x), y) + w fool(D(G(x)))
        with self.machine.autocast():
            made = self.there(small)
        losses: dict[str, Tensor] = {}
        if o.pixel:
            losses["pixel"] = o.pixel * (F.l1_loss(made, truth) if o.distance == "l1" else F.mse_loss(made, truth))
        if o.content:
            losses["content"] = o.content * self.content(made, truth)

        # Discriminator phase: min over D of the adversarial loss between true and enlarged photos
        return self.learn_in_turn(losses, clock, truth, made)

    def content(self, made: Tensor, truth: Tensor) -> Tensor:
        """Relative squared distance of the content layer's features."""
        layer = self.features.content_layer
        with self.machine.autocast():
            ours = self.features(made, layer)[layer]
            with torch.no_grad():
                theirs = self.features(truth, layer)[layer]
        return content_loss(ours, theirs)

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """`objective`: the mean PSNR of bicubic enlargement less the results', dB (below 0: better); and the content loss."""
        small, truth = self.batch_of(self.held_out), self.batch_of(self.wanted)
        made = self.made(small)
        behind = psnr(bicubic(small, self.options.scale).clamp(0, 1), truth) - psnr(made, truth)
        return {"objective": float(behind.mean()), "content": float(self.content(made, truth))}

    @torch.no_grad()
    def samples(self) -> U8:
        """Held-out photos down; across: enlarged bicubically, by the network, and the truth."""
        rows = []
        for x, y in zip(self.batch_of(self.held_out), self.batch_of(self.wanted), strict=True):
            plain = bicubic(x[None], self.options.scale).clamp(0, 1)
            rows.append(side_by_side(torch.cat([plain, self.made(x[None]), y[None]])))
        return np.concatenate(rows)


def shrunk(photo: U8, scale: int, how: Filter) -> U8:
    """uint8 [H, W, 3] -> [H / scale, W / scale, 3] by Pillow, whose filters widen as they shrink: no aliasing."""
    height, width = photo.shape[:2]
    return np.asarray(Image.fromarray(photo).resize((width // scale, height // scale), FILTERS[how]))


def psnr(made: Tensor, truth: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] in 0..1 -> peak signal-to-noise ratio in dB [B]; 100 dB at most."""
    return -10 * (made.float() - truth.float()).square().mean((1, 2, 3)).clamp_min(1e-10).log10()
