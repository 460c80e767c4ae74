"""Folders of photos as people have them, at random: what the look learner learns from. On any device.

A folder is of one source or of all, of photos that resemble each other at times, unevenly lit at times. Its pictures are parts
of photos or collages of two, so that no photo is known by heart. Seen is what `huafeng.lookmoments` sees of finished pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from huafeng.lookmoments import FAR_PX, PLACES, close_by, glimpse, places
from huafeng.pixels import U8
from huafeng.training.grades import luma_of
from huafeng.training.moments import moments
from huafeng.training.pictures import Pictures
from huafeng.training.tables import lookup

THREES, DRAWS = 3072, 2  # of neighbours close by that are kept of a photo; times as many as PLACES are looked at
TRAITS, LEAN = 12, 1.0  # main differences between photos seen from afar, and how far a folder leans to one side
NEAR = 160  # photos that a photo's likes are drawn from
LEAST_SIDE = 0.55  # of the picture that is shown, where it is a part
EXPOSURE, BALANCE, GAMMA, SATURATION = 0.12, 0.04, 0.1, 0.12  # deviations of their logarithms from photo to photo


class Photos:
    """All photos of some sources.

    whole: squeezed to squares, uint8 [N, 3, S, S].   threes: neighbours close by, from top to bottom, uint8 [N, 3072, 3, 3].
    places: neighbours as the runtime keeps them, uint8 [N, 2, 64, 3, 3].   neutral: their moments [N, M].
    chances: how often each is drawn, from all sources and from each by itself [1 + sources, N].
    """

    def __init__(self, sources: Sequence[Pictures], shares: Sequence[float], side: int, device: str) -> None:
        def read(at: tuple[Pictures, int]) -> tuple[U8, U8, U8]:
            return _read(at[0].read(at[1]), side)

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = list(pool.map(read, [(pictures, i) for pictures in sources for i in range(len(pictures))]))
        self.whole, self.threes, self.places = (
            torch.from_numpy(np.stack(part)).to(device) for part in zip(*found, strict=True)
        )
        self.neutral = moments(unit(self.places))
        source = torch.arange(len(sources)).repeat_interleave(torch.tensor([len(pictures) for pictures in sources]))
        each = F.one_hot(source).T / torch.tensor([[len(pictures)] for pictures in sources])
        share = torch.tensor(shares, dtype=torch.float32)
        self.share = (share / share.sum()).to(device)
        self.chances = torch.cat([(share / share.sum()) @ each[None], each]).to(device)
        seen = F.adaptive_avg_pool2d(unit(self.whole), 4).flatten(1)
        apart = torch.cdist(seen, seen) + 1e3 * (source[:, None] != source).to(device)
        self.traits = _traits(seen)
        self.near = apart.topk(min(NEAR, int(each.count_nonzero(1).min())), largest=False).indices  # [N, NEAR]

    def kinds(self, count: int, mixed: float, alike: float, leaning: float, draw: torch.Generator) -> Tensor:
        """How often each photo is drawn for each of some folders [count, N].

        mixed: share of the folders of all sources at once.   alike: share whose photos resemble each other.
        leaning: share whose photos lean to one side, such as dark ones or green ones.
        """
        device = self.whole.device

        def chance(share: float) -> Tensor:
            return torch.rand(count, 1, device=device, generator=draw) < share

        kinds = torch.cat([torch.tensor([mixed], device=device), (1 - mixed) * self.share])
        chances = self.chances[torch.multinomial(kinds, count, replacement=True, generator=draw)]
        side = torch.randn(count, self.traits.shape[1], device=device, generator=draw) / self.traits.shape[1] ** 0.5
        chances = torch.where(chance(leaning), chances * (LEAN * side @ self.traits.T).exp(), chances)
        near = torch.zeros_like(chances).scatter_(1, self.near[self.some(count, draw)], 1.0)
        return torch.where(chance(alike), near, chances)

    def some(self, count: int, draw: torch.Generator) -> Tensor:
        """Numbers of photos [count] of all sources."""
        return torch.multinomial(self.chances[0], count, replacement=True, generator=draw)

    def colors(self, draw: torch.Generator, photos: int = 4000, each: int = 32) -> Tensor:
        """Colours of photos in general [photos * each, 3] in 0..1."""
        return unit(self.threes[self.some(photos, draw), :: THREES // each, 1]).flatten(0, 1)

    def seen(
        self, grades: Tensor, chosen: Tensor, draw: torch.Generator, *, collages: float = 0, parts: float = 0, uneven: float = 0
    ) -> Tensor:
        """Moments [F, n, M] of finished pictures.

        grades: tables [F, N, N, N, 3].   chosen: numbers of photos [F, n, 2]; the second is for collages.
        collages, parts: shares of pictures that are two photos side by side, and of which a part is shown.
        uneven: share of the folders whose photos differ in light.
        """
        folders, device = len(chosen), self.whole.device
        first, other = chosen.flatten(0, 1).T
        count = len(first)

        def random(*shape: int) -> Tensor:
            return torch.rand(count, *shape, device=device, generator=draw)

        line = torch.where(random(1) < collages, 0.25 + 0.5 * random(1), 1.0)  # where one photo ends and the other begins
        side = torch.where(random(2) < parts, LEAST_SIDE + (1 - LEAST_SIDE) * random(2), 1.0)
        middle = (2 * random(2) - 1) * (1 - side)  # of what is shown, across and down, in -1..1
        left = torch.arange(self.whole.shape[-1], device=device) / self.whole.shape[-1] < line
        whole = unit(torch.where(left[:, None, None], self.whole[first], self.whole[other]))
        whole = cropped(whole, side * torch.where(random(1) < 0.5, _MIRROR.to(device), 1.0), middle).movedim(1, 3)
        rows = (middle[:, 1:] + 1) / 2 + side[:, 1:] * (random(DRAWS * PLACES) - 0.5)
        of = torch.where(random(DRAWS * PLACES) < line, first[:, None], other[:, None])
        close = unit(self.threes[of, (rows * THREES).long().clamp(0, THREES - 1)])
        differ = torch.rand(folders, 1, device=device, generator=draw) < uneven
        light = torch.randn(count, 6, device=device, generator=draw) * differ.repeat_interleave(count // folders, 0)
        whole, close = (
            lookup(grades, lit(x, light).reshape(folders, -1, 3)).reshape(x.shape).clamp(0, 1) for x in (whole, close)
        )
        far = neighbours(rounded(F.adaptive_avg_pool2d(whole.movedim(3, 1), FAR_PX)), DRAWS * PLACES, draw)
        both = torch.stack([x.unflatten(1, (DRAWS, PLACES)) for x in (far, rounded(close))], 2)  # [F n, draws, 2, 64, 3, 3]
        return moments(both.flatten(0, 1)).unflatten(0, (folders, -1, DRAWS)).mean(2)


def _traits(seen: Tensor) -> Tensor:
    """Principal components of photos [N, D], one deviation of each: [N, TRAITS]."""
    left, _, _ = torch.linalg.svd(seen - seen.mean(0), full_matrices=False)
    return left[:, :TRAITS] * len(seen) ** 0.5


_MIRROR = torch.tensor([-1.0, 1.0])  # across, down


def unit(levels: Tensor) -> Tensor:
    """Levels 0..255 -> 0..1."""
    return levels.float() / 255


def rounded(colors: Tensor) -> Tensor:
    """To levels of 8 bits."""
    return colors.mul(255).round().div(255)


def cropped(pictures: Tensor, side: Tensor, middle: Tensor) -> Tensor:
    """Parts of pictures [N, 3, S, S].

    side: their share across and down, negative where mirrored [N, 2].   middle: where they lie, in -1..1 [N, 2].
    """
    turned = torch.cat([torch.diag_embed(side), middle[..., None]], 2)
    grid = F.affine_grid(turned, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False, padding_mode="border").clamp(0, 1)


def lit(colors: Tensor, light: Tensor) -> Tensor:
    """Colours [N, ..., 3] in another light [N, 6]: exposure, white balance (3), gamma, saturation, in deviations."""
    light = light.reshape(len(light), *[1] * (colors.ndim - 2), 6)
    gain = (EXPOSURE * light[..., :1] + BALANCE * light[..., 1:4]).exp()
    changed = (colors.clamp_min(1e-4) ** (GAMMA * light[..., 4:5]).exp() * gain).clamp(0, 1)
    luma = luma_of(changed)
    return (luma + (SATURATION * light[..., 5:]).exp() * (changed - luma)).clamp(0, 1)


def neighbours(pictures: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """As `lookmoments.threes`: random pixels of each picture [N, 3, S, S] between two neighbours [N, count, 3, 3]."""
    total, side, device = len(pictures), pictures.shape[-1], pictures.device
    row, column = torch.randint(1, side - 1, (2, total, count), device=device, generator=draw)
    step = torch.where(torch.rand(total, count, device=device, generator=draw) < 0.5, side, 1)
    middle = row * side + column
    index = torch.stack([middle - step, middle, middle + step], 2).flatten(1)  # [N, 3 count]
    found = pictures.flatten(2).gather(2, index[:, None].expand(-1, 3, -1))
    return found.transpose(1, 2).unflatten(1, (count, 3))


def _read(pixels: U8, side: int) -> tuple[U8, U8, U8]:
    whole = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
    return whole.transpose(2, 0, 1).copy(), _threes_down(close_by(pixels)), places([glimpse(pixels)])[0]


def _threes_down(pixels: U8) -> U8:
    """Random pixels of a picture [H, W, 3] between two neighbours, from top to bottom: uint8 [3072, 3, 3]."""
    height, width = pixels.shape[:2]
    draw = np.random.default_rng(1)
    row, column = np.sort(draw.integers(1, height - 1, size=THREES)), draw.integers(1, width - 1, size=THREES)
    down = draw.integers(2, size=THREES)
    return np.stack([pixels[row + k * down, column + k * (1 - down)] for k in (-1, 0, 1)], 1)
