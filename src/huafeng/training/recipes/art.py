"""The recipe `art`: one generator that paints in many styles; their codes and deltas, and an encoder for any other picture,
learned together.

    min over G, codes, E:  content + style + smoothness + w E[fool(D(G(x, s), s))]        min over D:  E[adversarial loss]

The style loss asks for the Gram matrices (Gatys et al., CVPR 2016) of those views of the works whose colours are nearest to
the photo's. The discriminator is conditional (projection, Miyato & Koyama, ICLR 2018) and compares results with works of
collections; a single work is too little for it. docs/recipes/art.md has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from huafeng.art import QUIET
from huafeng.encoder import SHORT_SIDE_PX, VIEW_PX, spread
from huafeng.pixels import U8
from huafeng.training.adversary import Shown
from huafeng.training.ahead import Ahead
from huafeng.training.data import Augment, Crops, recolored, to_batch
from huafeng.training.encoder import DROPPED, HIDDEN
from huafeng.training.options import Between
from huafeng.training.painting import Painter, Target, means, painting_losses, stacked, target_of, window
from huafeng.training.pictures import open_pictures
from huafeng.training.randomness import numbers
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.painting import CardOptions, PaintingOptions, PaintingRecipe
from huafeng.training.recipes.works import WorkOptions, load_works, tell_absent, without, work_crop

ANY = -1  # in place of a style's number: whatever the encoder sees
AROUND_PX = 64  # beyond a view, where the discriminator's crops may begin
USUAL = 96  # photos and views that show what is usual


@dataclass(frozen=True, kw_only=True)
class WorksOptions(WorkOptions):
    """A style: its works and its card."""

    card: CardOptions
    """What the style file says about itself."""
    views: Annotated[int, Between(1)] = 1
    """Into how many views each work is cut, squares of 256 px that cover it; 1: it is seen as a whole."""
    nearest_works: Annotated[int, Between(1)] | None = None
    """How many of the views a result is asked to be like; null: as for the other styles."""
    quiet: Annotated[float, Between(0, 1)] = QUIET
    """Share of the generator's noise that is left away when the style is used: flat areas stay flat, or repeat themselves."""
    content: Annotated[float, Between(0)] = 1.0
    """How much the content loss counts for this style, relative to the recipe's weight."""
    collection: bool = False
    """Many works of one manner: the discriminator compares with them, too."""


@dataclass(frozen=True)
class AnyOptions:
    """Any picture as a style: the encoder, and the works with which it learns."""

    works: dict[str, Annotated[float, Between(0)]]
    """Folders or files with works, and how often they are drawn relative to each other."""
    leave_out: tuple[str, ...] = ()
    """Names of files that are not drawn: to measure later what the encoder makes of pictures that it never saw."""
    share: Annotated[float, Between(0, 1)] = 0.5
    """Share of the pictures of a batch that are painted through the encoder."""
    reach: Annotated[tuple[float, float], Between(0.1, 1)] = (0.4, 0.8)
    """Share of a work's short side that a view covers, least and most; at half of it strokes are as later in use."""
    content: Annotated[float, Between(0)] = 1.0
    """How much the content loss counts for these, relative to the recipe's weight."""
    recolored: Annotated[float, Between(0, 1)] = 0.5
    """Share of the views that are shown in other colours: turned hues, more or less saturation."""


@dataclass(frozen=True, kw_only=True)
class ArtOptions(PaintingOptions):
    """Many styles, one generator."""

    recipe: Literal["art"] = "art"
    """Which recipe this file configures."""
    styles: dict[str, WorksOptions]
    """The styles by name."""
    nearest_works: Annotated[int, Between(1)] = 5
    """How many works, those with the colours nearest to the photo's, a result is asked to be like."""
    any: AnyOptions | None = None
    """Any picture as a style; null = no encoder."""
    styles_per_step: dict[str, Annotated[float, Between(0)]] = field(default_factory=dict)
    """How often a style is drawn, relative to 1 for the others."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.styles:
            yield "styles is empty: name at least one"
        elif not any(self.styles_per_step.get(name, 1.0) for name in self.styles):
            yield "styles_per_step is 0 for all styles"
        for name in self.styles_per_step:
            if name not in self.styles:
                yield f"styles_per_step names {name!r}, which is not among the styles"

    def cards(self) -> dict[str, CardOptions]:
        """The styles' cards."""
        return {name: spec.card for name, spec in self.styles.items()}

    def quiets(self) -> dict[str, float]:
        """As the styles say."""
        return {name: spec.quiet for name, spec in self.styles.items()}

    def painter(self) -> Painter:
        """With an encoder, where any picture may be a style."""
        return Painter(len(self.styles), encoder=self.any is not None)


class Art(PaintingRecipe):
    """See the module."""

    options: ArtOptions

    def __init__(self, options: ArtOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        usual = palette(self.photos.batch(0, USUAL, VIEW_PX)).cpu()
        self.works, cut = list[Works](), list[U8]()
        for name, spec in options.styles.items():
            pictures, fingerprint = load_works(options.data / spec.works, spec, machine.tell)
            self.data[name] = fingerprint
            own = [view for picture in pictures for view in cut_views(picture, spec.views)]
            near = [part for picture in pictures for part in cut_views(picture, spec.views, AROUND_PX)]
            self.works.append(Works(own, near, len(cut), spec.nearest_works or options.nearest_works, usual))
            cut += own
        shown = tqdm(cut, desc="works", leave=False, disable=None if machine.processes.first else True)
        self.table = stacked((self.asked(machine.batch(to_batch([view]))) for view in shown), len(cut))
        self.collections = torch.tensor([spec.collection for spec in options.styles.values()])
        self.frequencies = torch.tensor([options.styles_per_step.get(name, 1.0) for name in options.styles])
        self.keeping = torch.tensor(
            [spec.content for spec in options.styles.values()] + [options.any.content if options.any else 1.0]
        )
        self.targets = [means(self.table, [works.rows(range(len(works.pictures)))]) for works in self.works]
        self.any = None
        if options.any is not None and self.painter.encoder is not None:
            self.any = AnyWorks(options.any, options.data, options.seed, machine.tell)
            self.data |= self.any.fingerprints
            views = self.machine.batch(to_batch([self.any.view(n, VIEW_PX) for n in range(USUAL)]))
            for encoder in (self.painter.encoder, self.average.module.encoder):
                encoder.fit(views)  # type: ignore[union-attr]

    def waited_s(self) -> float:
        """For photos, and for views of any picture."""
        return super().waited_s() + (self.any.ahead.waited_s if self.any is not None else 0.0)

    def step(self, clock: Clock) -> Report:
        """One step of the generator, then one of the discriminator."""
        styles = torch.multinomial(self.frequencies, clock.batch, replacement=True, generator=clock.numbers("styles"))
        if self.any is not None:
            styles[self.any.takes(clock.images, clock.batch)] = ANY
        judged = self.collections[styles] & (styles != ANY) & self.adversary.plays(clock)
        mine = clock.mine
        style, rows = styles[mine], torch.arange(clock.batch)[mine][judged[mine]]
        local = rows - mine.start

        # Generator phase: min content + style + smoothness + w fool(D(G(x, s), s))
        photo = self.photo_batch(clock)
        at = style.clamp_min(0).to(photo.device)
        code, delta = self.painter.codes[at], self.painter.deltas[at]
        anything = (style == ANY).nonzero()[:, 0]
        if len(anything):
            assert self.any is not None and self.painter.encoder is not None
            views = self.machine.batch(self.any.batch(clock.images + mine.start, len(style)))
            kept = (torch.rand(clock.batch, HIDDEN, generator=clock.numbers("dropout")) >= DROPPED)[mine][anything]
            anything = anything.to(photo.device)
            with self.machine.autocast():
                code = code.index_copy(0, anything, self.painter.encoder(views, kept.to(photo.device)))
            delta = delta.index_fill(0, anything, 0)
        made = self.painted(clock, photo, code, delta)
        made, photo = window(clock, made, photo)
        palettes = palette(photo).cpu()
        chosen = [[] if s == ANY else self.works[s].nearest(p) for s, p in zip(style.tolist(), palettes, strict=True)]
        target = means(self.table, [self.works[s].rows(c) for s, c in zip(style.tolist(), chosen, strict=True)])
        if len(anything):
            target = target.each(lambda mean, seen: mean.index_copy(0, anything, seen.float()), self.asked(views))
        keeping = self.keeping[style].to(photo.device)  # ANY is the last
        losses = painting_losses(self.options.losses, self.features, self.machine, made, photo, target, keeping)
        shown = None
        if judged.any():
            real = [self.work_crop(clock, int(row), int(styles[row]), chosen[i]) for row, i in zip(rows, local, strict=True)]
            pictures = self.machine.batch(to_batch(real)) if real else made[:0].detach()
            condition = (style[local].to(made.device),)
            shown = Shown(pictures, made[local], condition, rows, int(judged.sum()))
        return self.learn(clock, losses, shown)

    @torch.no_grad()
    def asked(self, works: Tensor) -> Target:
        """What works [B, 3, H, W] ask for, Gram matrices in half precision: collections have many."""
        return target_of(self.features, works).each(Tensor.bfloat16)

    def work_crop(self, clock: Clock, row: int, style: int, near: Sequence[int]) -> U8:
        """A random crop of the step's size at one of the views `near`, mirrored half the time."""
        picture = self.works[style].around[near[(clock.images + row) % len(near)]]
        return work_crop(picture, clock.crop_px, clock.seed, clock.images + row)


class AnyWorks:
    """An endless stream of views of works, each a style of its own."""

    def __init__(self, options: AnyOptions, data: Path, seed: int, tell: Callable[[str], None]) -> None:
        self.options, self.seed = options, seed
        augment = Augment(reach=options.reach)
        whole = {name: open_pictures(data / name, tell) for name in options.works}
        tell_absent(options.leave_out, [file for source in whole.values() for file in source.names], tell)
        sources = {name: without(source, options.leave_out) for name, source in whole.items()}
        self.fingerprints = {f"any/{name}": source.fingerprint for name, source in sources.items()}
        self.streams = [Crops(source, seed, f"any/{name}", augment, SHORT_SIDE_PX) for name, source in sources.items()]
        shares = np.array(list(options.works.values()))
        self.view = partial(drawn_view, self.streams, np.cumsum(shares / shares.sum()), options.recolored, seed)
        self.ahead = Ahead(self.view)

    def takes(self, first: int, count: int) -> Tensor:
        """Which of the samples first .. first + count - 1 are painted through the encoder, evenly spread: bool [count]."""
        before = torch.tensor([self.before(n) for n in range(first, first + count + 1)])
        return before.diff() > 0

    def before(self, sample: int) -> int:
        """How many of the samples before this one are painted through the encoder."""
        return math.floor(sample * self.options.share)

    def batch(self, first: int, count: int) -> Tensor:
        """The views for those of the samples first .. first + count - 1, float32 [N, 3, 256, 256]; the next are prepared."""
        number = self.before(first)
        return to_batch(self.ahead.take(number, self.before(first + count) - number, VIEW_PX))


def drawn_view(streams: Sequence[Crops], until: NDArray[np.float64], share: float, seed: int, n: int, side_px: int) -> U8:
    """View n of the streams, uint8 [S, S, 3], each drawn up to its number in `until`; a share in other colours."""
    draws = numbers(seed, "any", n).random(5)
    view = streams[min(int(np.searchsorted(until, draws[0])), len(streams) - 1)].sample(n, side_px)
    return recolored(view, draws[2:]) if draws[1] < share else view


class Works:
    """One style's views of its works, and what they ask for.

    One mean over a whole collection would ask every picture for every colour that the painter ever used, in blotches.

    Args:
        pictures: the views, uint8 [H, W, 3].
        around: the same with some of what lies around them: the discriminator sees squares out of these.
        first: row of the first one in the table of all styles.
        nearest: how many of them a photo is asked to be like.
        usual: palettes [N, D] of some photos. A view is near to a photo when it is nearer than to most photos; else those
            with a little of every colour would be near to all, and the others to none.
    """

    def __init__(self, pictures: list[U8], around: list[U8], first: int, nearest: int, usual: Tensor) -> None:
        self.pictures, self.around, self.first, self.count = pictures, around, first, min(nearest, len(pictures))
        self.palettes = torch.cat([palette(to_batch([picture])) for picture in pictures])
        self.usual = torch.cdist(self.palettes, usual).square().mean(1)

    def nearest(self, seen: Tensor) -> list[int]:
        """A photo's palette [D] -> numbers of the views with the nearest colours, nearest first."""
        distance = (self.palettes - seen).square().sum(1) - self.usual
        return distance.topk(self.count, largest=False).indices.tolist()

    def rows(self, chosen: Sequence[int]) -> list[int]:
        """Where these views are in the table of all styles."""
        return [self.first + i for i in chosen]


def palette(pictures: Tensor, levels: int = 4) -> Tensor:
    """[B, 3, H, W] in 0..1 -> square roots of a colour histogram [B, levels^3]: their distance is Hellinger's."""
    small = F.adaptive_avg_pool2d(pictures.float(), 48).clamp(0, 0.999)
    bins = (small * levels).long()
    index = (bins[:, 0] * levels + bins[:, 1]) * levels + bins[:, 2]  # [B, 48, 48]
    return F.one_hot(index.flatten(1), levels**3).float().mean(1).sqrt()


def cut_views(picture: U8, count: int, around: int = 0) -> list[U8]:
    """About `count` squares of VIEW_PX that cover a picture uint8 [H, W, 3] evenly, with what lies `around` px around them;
    the picture itself where it is 1."""
    height, width = picture.shape[:2]
    if count == 1 or min(height, width) < VIEW_PX:
        return [picture]
    rows = max(1, round((count * height / width) ** 0.5))
    tops, lefts = spread(height - VIEW_PX, rows), spread(width - VIEW_PX, -(-count // rows))
    far = VIEW_PX + around
    return [picture[max(0, y - around) : y + far, max(0, x - around) : x + far] for y in tops for x in lefts]
