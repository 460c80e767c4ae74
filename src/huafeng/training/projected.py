"""A discriminator that sees pictures through a trained network (Sauer, Chitta, Müller & Geiger, "Projected GANs Converge
Faster", NeurIPS 2021; Kumari et al., "Ensembling Off-the-shelf Models for GAN Training", CVPR 2022).

What tells a painting from a photo, edges, texture, colours, a feature network knows before the first step. A discriminator of
pixels has to find it out, which takes longer than a short run lasts.

    D_l(x) = head_l(M_l z_l(x)),   z_l = (F_l - mean) / deviation

F_l is layer l of the frozen network, mean and deviation of each of its channels are those of real pictures, M_l is a random
matrix that stays as it is: it spreads what the network knows over all channels, so that no head leans on a few of them
(Sauer et al., section 3.2). Only heads learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.pixels import U8
from huafeng.training.data import to_batch
from huafeng.training.features import FeatureNetwork, load_features
from huafeng.training.network import M, instance_norm
from huafeng.training.patchgan import PatchGan, PatchGanOptions
from huafeng.training.recipe import Machine
from huafeng.training.translation import LEAK
from huafeng.translator import NORM_EPSILON

PIXELS = "pixels"
See = Callable[[Tensor], dict[str, Tensor]]


class ProjectedDiscriminator(nn.Module):
    """Pictures [B, 3 N, H, W] in 0..1 -> scores [B, L, h, w], one a patch and layer; sides are halved `halvings` times.

    Args:
        features: the frozen network; its style layers are looked at. It is no part of this module's state.
        examples: real pictures [E, 3, H, W] in 0..1 that say how large features usually are.
        inputs: 3 N; 6 where a picture is judged beside the one that it was made of.
    """

    def __init__(self, options: PatchGanOptions, features: FeatureNetwork, examples: Tensor, *, inputs: int = 3,
                 spectral_norm: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.layers = (PIXELS, *features.style_layers)
        # a function, not a module: neither saved in checkpoints nor unfrozen with the heads
        self.see: See = lambda pictures: {PIXELS: pictures} | features(pictures, self.layers[-1])
        with torch.no_grad():
            seen = self.see(examples)
        self.levels = nn.ModuleList(
            Level(options, seen[name].float(), examples.shape[-1] // seen[name].shape[-1], inputs // 3, spectral_norm)
            for name in self.layers
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        seen = self.see(pictures.reshape(-1, 3, *pictures.shape[2:]))
        scores = [level(seen[name]) for name, level in zip(self.layers, self.levels, strict=True)]
        least = min(score.shape[2] for score in scores), min(score.shape[3] for score in scores)
        return torch.cat([F.adaptive_avg_pool2d(score, least) for score in scores], 1)  # layers of odd sides differ by one


def patch_discriminator(
    options: PatchGanOptions, machine: Machine, examples: Sequence[U8], *, inputs: int = 3, spectral_norm: bool
) -> nn.Module:
    """A discriminator of patches of pixels, or, where `options.features` names a network, of its features, untrained.

    Args:
        examples: real pictures [H, W, 3] of one size, see `ProjectedDiscriminator`.   inputs: channels of what is judged.

    Raises:
        DataError: there is no such network.
    """
    if options.features is None:
        return PatchGan(options, inputs=inputs, spectral_norm=spectral_norm)
    features, seen = machine.place(load_features(options.features)), machine.batch(to_batch(examples))
    return ProjectedDiscriminator(options, features, seen, inputs=inputs, spectral_norm=spectral_norm)


class Level(nn.Module):
    """One layer's features [B N, C, H / stride, W / stride] -> scores [B, 1, H / 2^halvings, W / 2^halvings].

    Args:
        examples: this layer's features of real pictures [E, C, h, w].   stride: of this layer.   count: N.
    """

    def __init__(self, options: PatchGanOptions, examples: Tensor, stride: int, count: int, spectral_norm: bool) -> None:
        super().__init__()
        variance, mean = torch.var_mean(examples, (0, 2, 3), correction=0)
        self.register_buffer("mean", mean[:, None, None])
        width, mixed = options.width, min(options.width, count * len(mean))
        mix = nn.init.orthogonal_(torch.empty(mixed, count * len(mean)))  # nothing is lost where it is square
        self.register_buffer("mix", (mix / (variance + NORM_EPSILON).sqrt().repeat(count))[:, :, None, None])

        def plain(layer: M) -> M:
            nn.init.kaiming_normal_(layer.weight, LEAK)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            return nn.utils.parametrizations.spectral_norm(layer) if spectral_norm else layer  # type: ignore[return-value]

        self.count, self.norm = count, options.norm
        halvings = max(0, options.halvings - (stride.bit_length() - 1))
        widths = [mixed, *[width] * halvings]
        self.convolutions = nn.ModuleList(plain(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(widths))
        self.convolutions.append(plain(nn.Conv2d(widths[-1], width, 3, padding=1)))
        self.head = plain(nn.Conv2d(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = (x - self.get_buffer("mean")).unflatten(0, (-1, self.count)).flatten(1, 2)  # [B, N C, h, w]
        x = F.conv2d(x, self.get_buffer("mix"))  # [B, width, h, w]
        for convolution in self.convolutions:
            x = convolution(x)
            if self.norm == "instance":
                x = instance_norm(x, NORM_EPSILON)
            x = F.leaky_relu(x, LEAK)
        scores: Tensor = self.head(x)
        return scores
