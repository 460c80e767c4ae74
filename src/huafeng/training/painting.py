"""The generator with a run's codes, and the losses with which it learns to paint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
CALM = 0.3  # share of plain ground in a work, from which on a result's plain grounds shall stay as plain as the photo's
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
    statistics: Annotated[float, Between(0)] = 0.0
    """Distance of the features' means and deviations to the works' (AdaIN)."""
    total_variation: Annotated[float, Between(0)] = 0.1
    """Differences between neighbouring pixels."""
    flat: Annotated[float, Between(0)] = 6.0
    """Differences between cells of 16 px where the photo has none: against blotches."""
    calm: Annotated[float, Between(0)] = 1.5
    """The same between cells of 2 px, as far as the works are calm: against texture in a clear sky."""
    tone: Annotated[float, Between(0)] = 0.0
    """What an affine map of the photo's luminance, over cells of 16 px, leaves of the result's: against smudges."""
    stain: Annotated[float, Between(0)] = 0.0
    """What a map of the photo's colours, over cells of 16 px, leaves of the result's: against stains on fur and cloth."""
    grid: Annotated[float, Between(0)] = 0.15
    """Peaks in the spectrum at periods of 8, 4 and 2 px: against checkerboards."""
    detail: Annotated[float, Between(0)] = 0.0
    """Difference of the finest detail to the photo's."""
    crowding: Annotated[float, Between(0)] = 0.0
    """Texture heaped up in a few places where the photo has none: against scales and rings in soft shades."""
    direction: Annotated[float, Between(0)] = 0.0
    """How far strokes lie in all directions at one place, beyond the works': against rings and scales."""
    rhythm: Annotated[float, Between(0)] = 0.0
    """Strokes that repeat themselves at equal distances: against scales, lattices and hatching."""
    droplets: Annotated[float, Between(0)] = 0.0
    """Heaps in the generator's inner layers, from where they come."""
    plain: Annotated[float, Between(0.01, 1)] = 1.0
    """How much plain places of the photo count in the results' Gram matrices, where the works are calm; 1 = as all others. With
    less, what is not painted on a plain ground need not be painted twice elsewhere."""
    pooled: Annotated[float, Between(0, 0.999)] = 0.0
    """How much each further result leaves of the moving mean over a style's results, by which Gram matrices are compared;
    0 = each by itself, which makes them all paler."""
    strokes_since: Annotated[float, Between(0, 1)] = 0.0
    """Share of the run after which crowding, direction, rhythm and droplets count: before, there are no strokes to judge."""

    def at(self, progress: float) -> LossWeights:
        """Those that hold at `progress` 0..1 of the run."""
        if progress >= self.strokes_since:
            return self
        return replace(self, crowding=0.0, direction=0.0, rhythm=0.0, droplets=0.0)


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
    """What a batch shall come near to, by layer: Gram matrices [B, C, C], those of works at half their size, and channel
    statistics [B, 2, C]; the directions that strokes have, as `losses.coherence` gives them [B, 3]; and how calm the works
    are [B], 0..1: how far plain grounds shall stay plain."""

    grams: dict[str, Tensor]
    coarse: dict[str, Tensor]
    statistics: dict[str, Tensor]
    directions: Tensor
    calm: Tensor

    def each(self, change: Callable[..., Tensor], *others: Target) -> Target:
        """change(tensor, that of the first other, ...) of every tensor."""

        def layered(*parts: dict[str, Tensor]) -> dict[str, Tensor]:
            return {k: change(*(part[k] for part in parts)) for k in parts[0]}

        all_of = (self, *others)
        grams, coarse, statistics = (layered(*(getattr(one, name) for one in all_of)) for name in self._fields[:3])
        directions, calm = (change(*(getattr(one, name) for one in all_of)) for name in self._fields[3:])
        return Target(grams, coarse, statistics, directions, calm)


def target_of(features: FeatureNetwork, works: Tensor) -> Target:
    """What works [B, 3, H, W] in 0..1 ask for, one row each."""
    names = features.style_layers
    layers, halved = features(works), features(F.avg_pool2d(works, 2))
    grams, coarse = ({k: losses.gram(found[k]) for k in names} for found in (layers, halved))
    statistics = {k: losses.channel_statistics(layers[k]) for k in names}
    return Target(grams, coarse, statistics, losses.coherence(works), calmness(works))


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
    device = table.calm.device
    rows = torch.tensor([row for some in chosen for row in some], dtype=torch.long, device=device)
    starts = torch.tensor([0, *accumulate(map(len, chosen))][:-1], device=device)

    def mean(t: Tensor) -> Tensor:
        return F.embedding_bag(rows, t.reshape(len(t), -1), starts, mode="mean").reshape(-1, *t.shape[1:]).float()

    return table.each(mean)


def calmness(works: Tensor) -> Tensor:
    """Works [B, 3, H, W] -> [B] in 0..1: their share of plain ground, of which CALM is as much as any style needs.

    Prints leave paper bare, Van Gogh no inch: strokes that may not lie on a photo's walls are heaped elsewhere.
    """
    return ((1 - losses.busyness(works)).mean((1, 2, 3)) / CALM).clamp(max=1)


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


def droplets(inner: Sequence[Tensor], photo: Tensor) -> Tensor:
    """How far the generator's inner layers (`Generator.forward`) for photos [B, 3, S, S] heap up; without their margin."""
    rim = MARGIN // STRIDE
    maps = [losses.feature_energy(layer, photo.shape[2] // layer.shape[2]) for layer in inner]
    first, *others = (energy[..., rim:-rim, rim:-rim] for energy in [losses.fine_energy(photo), *maps])
    return torch.stack([losses.crowding(energy, first) for energy in others]).mean()


def painting_losses(
    weights: LossWeights,
    features: FeatureNetwork,
    machine: Machine,
    made: Tensor,
    photo: Tensor,
    target: Target,
    keeping: Tensor | None = None,
    pool: Callable[[str, Tensor, Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of results `made` [B, 3, S, S] of `photo`, by name.

    keeping: how much content counts for each [B].
    pool: how far Gram matrices [B, C, C] are from the wanted ones, by the layer's name (`PooledGrams`); None: one by one.
    """
    with machine.autocast():
        found = features(made)
        with torch.no_grad():
            wanted = features(photo, features.content_layer)[features.content_layer]
    layers = features.style_layers
    counts = None if weights.plain == 1 else losses.busyness(photo, 1 - target.calm * (1 - weights.plain))

    def manner(part: str, seen: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        grams = {k: losses.gram(seen[k], counts) for k in layers}
        if pool is None:
            return torch.stack([losses.style_loss(grams[k], wanted[k]) for k in layers]).mean()
        return torch.stack([pool(f"{part}_{k}", grams[k], wanted[k]) for k in layers]).mean()

    parts = {}
    if weights.content:
        parts["content"] = weights.content * losses.content_loss(found[features.content_layer], wanted, keeping)
    if weights.style:
        parts["style"] = weights.style * manner("grams", found, target.grams)
    if weights.coarse:
        with machine.autocast():
            halved = features(F.avg_pool2d(made, 2))
        parts["coarse"] = weights.coarse * manner("coarse", halved, target.coarse)
    if weights.statistics:
        distances = [losses.adain_loss(losses.channel_statistics(found[k]), target.statistics[k]) for k in layers]
        parts["statistics"] = weights.statistics * torch.stack(distances).mean()
    if weights.total_variation:
        parts["variation"] = weights.total_variation * losses.total_variation(made)
    if weights.flat:
        parts["flat"] = weights.flat * losses.flatness_loss(made, photo)
    if weights.calm:
        parts["calm"] = weights.calm * losses.flatness_loss(made, photo, cell=2, edge=0.02, weights=target.calm)
    if weights.tone:
        parts["tone"] = weights.tone * losses.tone_loss(made, photo)
    if weights.stain:
        parts["stain"] = weights.stain * losses.stain_loss(made, photo)
    if weights.grid:
        parts["grid"] = weights.grid * losses.grid_excess(made, mean=machine.processes.mean)
    if weights.detail:
        parts["detail"] = weights.detail * losses.detail_loss(made, photo)
    if weights.direction:
        parts["direction"] = weights.direction * losses.direction_loss(made, target.directions)
    if weights.rhythm:
        parts["rhythm"] = weights.rhythm * losses.rhythm_loss(made, photo)
    if weights.crowding:
        heaps = [losses.crowding(energy(made), energy(photo)) for energy in (losses.fine_energy, losses.finest_energy)]
        parts["crowding"] = weights.crowding * torch.stack(heaps).sum()
    return parts
