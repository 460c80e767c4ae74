"""The generator with a run's codes, and the losses with which it learns to paint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.art import NOISE_PLANES, RIM, STRIDE, noise_for
from huafeng.training import losses
from huafeng.training.encoder import Encoder
from huafeng.training.features import FeatureNetwork
from huafeng.training.network import Generator
from huafeng.training.options import Between
from huafeng.training.recipe import Clock, Machine

MARGIN = 32  # px around the crop that the losses never see: from zero padding the generator would learn where it is
JITTER = 8  # px by which the crop moves within its margin


@dataclass(frozen=True)
class LossWeights:
    """Weights of the painting losses; 0 switches one off."""

    content: Annotated[float, Between(0)] = 1.0
    """Distance of features to the photo's."""
    style: Annotated[float, Between(0)] = 8.0
    """Distance of Gram matrices to the works'."""
    coarse: Annotated[float, Between(0)] = 0.0
    """Distance of Gram matrices to the works', both at half their size: long strokes and swirls."""
    total_variation: Annotated[float, Between(0)] = 0.1
    """Differences between neighbouring pixels."""
    grid: Annotated[float, Between(0)] = 0.15
    """Peaks in the spectrum at periods of 8, 4 and 2 px: against checkerboards."""


class Painter(nn.Module):
    """The base generator, codes [N, K] and deltas [N, M] of a run's styles, and perhaps an encoder for any other picture."""

    def __init__(self, styles: int, *, encoder: bool = False) -> None:
        super().__init__()
        self.generator = Generator()
        length, numbers = self.generator.modulation.in_features, self.generator.modulation.out_features
        self.codes = nn.Parameter(torch.randn(styles, length))
        self.deltas = nn.Parameter(torch.zeros(styles, numbers))
        self.encoder = Encoder(length) if encoder else None

    def forward(self, photo: Tensor, style: Tensor) -> Tensor:
        """Photo [B, 3, H, W] in 0..1 and style numbers [B] -> picture [B, 3, H, W] in 0..1, with the runtime's own noise."""
        noise = torch.from_numpy(noise_for(*photo.shape[2:])).to(photo.device)[None]
        picture: Tensor = self.generator(photo, self.codes[style], self.deltas[style], noise)
        return picture

    def paint(self, photo: Tensor, style: Tensor) -> Tensor:
        """The same with the rim that the runtime mirrors around a photo, and cuts off again."""
        framed = F.pad(photo, (RIM, RIM, RIM, RIM), mode="reflect")
        return self(framed, style)[..., RIM : RIM + photo.shape[2], RIM : RIM + photo.shape[3]]

    def arts(self, names: Iterable[str]) -> dict[str, dict[str, Tensor]]:
        """Each style's code and delta, detached, as float32 on the CPU."""
        rows = zip(names, self.codes.detach().float().cpu(), self.deltas.detach().float().cpu(), strict=True)
        return {name: {"code": code, "delta": delta} for name, code, delta in rows}


class Target(NamedTuple):
    """What a batch shall come near to, by layer: Gram matrices [B, C, C], and those of works at half their size."""

    grams: dict[str, Tensor]
    coarse: dict[str, Tensor]

    def each(self, change: Callable[..., Tensor], *others: Target) -> Target:
        """change(tensor, that of the first other, ...) of every tensor."""

        def layered(*parts: dict[str, Tensor]) -> dict[str, Tensor]:
            return {k: change(*(part[k] for part in parts)) for k in parts[0]}

        return Target(*(layered(*parts) for parts in zip(self, *others, strict=True)))


def target_of(features: FeatureNetwork, works: Tensor) -> Target:
    """What works [B, 3, H, W] in 0..1 ask for, one row each."""
    layers, halved = features(works), features(F.avg_pool2d(works, 2))
    return Target(*({k: losses.gram(found[k]) for k in features.style_layers} for found in (layers, halved)))


def stacked(targets: Iterable[Target], count: int) -> Target:
    """`count` targets of one row each, one below the other; no two copies of all at once, as collections have many."""
    table: Target | None = None
    for row, target in enumerate(targets):
        table = table or target.each(lambda t: t.new_empty(count, *t.shape[1:]))
        table.each(lambda all_rows, t, row=row: all_rows[row].copy_(t[0]), target)
    assert table is not None
    return table


def means(table: Target, chosen: Sequence[Sequence[int]]) -> Target:
    """Means over some of a table's rows for each of a batch; where none are chosen, 0."""
    device = next(iter(table.grams.values())).device
    rows = torch.tensor([row for some in chosen for row in some], dtype=torch.long, device=device)
    starts = torch.tensor([0, *accumulate(map(len, chosen))][:-1], device=device)

    def mean(t: Tensor) -> Tensor:
        return F.embedding_bag(rows, t.reshape(len(t), -1), starts, mode="mean").reshape(-1, *t.shape[1:]).float()

    return table.each(mean)


def noise(clock: Clock, photo: Tensor) -> Tensor:
    """This process's noise of the step for photos [B, 3, H, W]: [B, 4, H/8, W/8]."""
    size = (clock.batch, NOISE_PLANES, photo.shape[2] // STRIDE, photo.shape[3] // STRIDE)
    return torch.randn(size, generator=clock.numbers("noise"))[clock.mine].to(photo.device)


def window(clock: Clock, *pictures: Tensor) -> list[Tensor]:
    """The crop without its margin, at an offset of its own in each step.

    The loss network's strides must not teach the generator a grid of their phase.
    """
    dy, dx = (MARGIN - JITTER + torch.randint(2 * JITTER + 1, (2,), generator=clock.numbers("window"))).tolist()
    return [p[..., dy : dy + clock.crop_px, dx : dx + clock.crop_px] for p in pictures]


def painting_losses(
    weights: LossWeights,
    features: FeatureNetwork,
    machine: Machine,
    made: Tensor,
    photo: Tensor,
    target: Target,
    keeping: Tensor | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of results `made` [B, 3, S, S] of `photo`, by name; keeping: how much content counts for each [B]."""
    with machine.autocast():
        found = features(made)
        with torch.no_grad():
            wanted = features(photo, features.content_layer)[features.content_layer]

    def style(seen: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        return torch.stack([losses.style_loss(losses.gram(seen[k]), wanted[k]) for k in features.style_layers]).mean()

    parts = {}
    if weights.content:
        parts["content"] = weights.content * losses.content_loss(found[features.content_layer], wanted, keeping)
    if weights.style:
        parts["style"] = weights.style * style(found, target.grams)
    if weights.coarse:
        with machine.autocast():
            halved = features(F.avg_pool2d(made, 2))
        parts["coarse"] = weights.coarse * style(halved, target.coarse)
    if weights.total_variation:
        parts["variation"] = weights.total_variation * losses.total_variation(made)
    if weights.grid:
        parts["grid"] = weights.grid * losses.grid_excess(made, mean=machine.processes.mean)
    return parts
