"""Batches for training: random crops of pictures, every one a pure function of its number."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from huafeng.errors import DataError
from huafeng.pixels import U8, resize
from huafeng.training.ahead import Ahead
from huafeng.training.options import Between
from huafeng.training.pairs import PicturePairs, open_pairs
from huafeng.training.pictures import CACHE_MB, Pictures, open_pictures
from huafeng.training.randomness import numbers

__all__ = [
    "Augment", "Crops", "Pairs", "PicturePairs", "Pictures", "crop", "open_pairs", "open_pictures", "recolored", "to_batch",
]  # fmt: skip

P = TypeVar("P", bound=Pictures | PicturePairs)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue; ITU-R BT.601
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass(frozen=True)
class Augment:
    """How crops are drawn at random."""

    reach: Annotated[tuple[float, float], Between(0.01, 1)] = (0.4, 1.0)
    """Share of a picture's short side that a crop covers, least and most."""
    flip: bool = True
    """Mirror half of the crops, left to right."""
    color: Annotated[float, Between(0, 1)] = 0.0
    """Strength of random brightness, contrast and saturation: each is multiplied by 1 - color to 1 + color."""
    recolored: Annotated[float, Between(0, 1)] = 0.0
    """Share of crops that are shown in other colours: hues turned by any angle, more or less saturation."""
    gamma: Annotated[float, Between(0, 2)] = 0.0
    """Strength of random tone curves: levels 0..1 to a power of e^-gamma to e^gamma."""
    mosaic: Annotated[float, Between(0, 1)] = 0.0
    """Share of crops that are four smaller ones, two by two: what is large in the pictures is seen small as well."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        if self.reach[0] > self.reach[1]:
            yield "reach must be the least share, then the most"


def crop(picture: U8, side_px: int, augment: Augment, draws: NDArray[np.float64]) -> U8:
    """A square of uint8 [H, W, 3], resized to uint8 [S, S, 3].

    draws: twelve numbers in 0..1: the crop's size, left, top; mirrored below 0.5; brightness, contrast, saturation; shown in
    other colours below `recolored`, and these (three); tone curve.
    """
    height, width = picture.shape[:2]
    least, most = augment.reach
    short = min(height, width)
    extent = min(short, max(1, round(short * (least + (most - least) * draws[0]))))
    left, top = int(draws[1] * (width - extent + 1)), int(draws[2] * (height - extent + 1))
    square = resize(np.ascontiguousarray(picture[top : top + extent, left : left + extent]), side_px, side_px)
    if augment.flip and draws[3] < 0.5:
        square = square[:, ::-1]
    if augment.recolored and draws[7] < augment.recolored:
        square = recolored(square, draws[8:11])
    if augment.gamma:
        curve = (np.arange(256) / 255) ** math.exp(augment.gamma * (2 * draws[11] - 1))
        square = np.rint(255 * curve).astype(np.uint8)[square]
    if augment.color:
        square = _graded(square, *(1 + augment.color * (2 * draws[4:7] - 1)))
    return np.ascontiguousarray(square)


def _graded(pixels: U8, brightness: float, contrast: float, saturation: float) -> U8:
    """Away from black, then from the mean luminance, then from each pixel's own luminance, by these factors."""
    x = pixels * np.float32(brightness)
    mean = (x @ _LUMA).mean()
    x = mean + np.float32(contrast) * (x - mean)
    luma = (x @ _LUMA)[:, :, None]
    x = luma + np.float32(saturation) * (x - luma)
    return np.rint(np.clip(x, 0, 255)).astype(np.uint8)


def recolored(picture: U8, draws: NDArray[np.float64]) -> U8:
    """uint8 [H, W, 3] in other colours: hues turned by any angle, saturation times 0.4 to 1.4, contrast times 0.8 to 1.2.

    draws: three numbers in 0..1. Luminance keeps its place: strokes stay what they are.
    """
    angle, saturation, contrast = 2 * math.pi * draws[0], 0.4 + draws[1], 0.8 + 0.4 * draws[2]
    c, s = saturation * math.cos(angle), saturation * math.sin(angle)
    turned = np.linalg.inv(_YIQ) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ _YIQ
    x = (picture.astype(np.float32) - 127.5) @ (contrast * turned).T.astype(np.float32) + 127.5
    return np.rint(np.clip(x, 0, 255)).astype(np.uint8)


def to_batch(crops: Sequence[U8]) -> Tensor:
    """uint8 crops [S, S, 3] -> float32 [B, 3, S, S] in 0..1."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


@functools.lru_cache(maxsize=16)
def _order(seed: int, purpose: str, epoch: int, count: int) -> NDArray[np.int64]:
    """In which order an epoch shows `count` pictures."""
    return numbers(seed, purpose, epoch).permutation(count)


class _Samples(Generic[P]):
    """Sample n of an endless stream: the crop of a picture, or the same crop of both of a pair."""

    def __init__(
        self, pictures: P, seed: int, purpose: str, augment: Augment, short_side_px: int | None, cache_mb: int
    ) -> None:
        if not len(pictures):
            raise DataError("There are no pictures to train on.")
        self.pictures, self.seed, self.purpose, self.augment = pictures, seed, purpose, augment
        self.short_side_px = short_side_px
        self._kept: dict[int, tuple[U8, ...]] = {}
        self._room = cache_mb * 10**6
        self._lock = threading.Lock()
        self._sides: set[int] = set()

    def make(self, n: int, side_px: int) -> tuple[U8, ...]:
        """uint8 [S, S, 3], once or twice; a pure function, but for its speed."""
        self._tell_small(side_px)
        draws = numbers(self.seed, f"{self.purpose}/crop", n).random(13)
        if draws[7] >= self.augment.mosaic:
            return self._crops(self._nth(n), side_px, np.delete(draws, 7))
        half = -(-side_px // 2)  # its four are others than n's neighbours, which are in the same batch
        others = numbers(self.seed, f"{self.purpose}/mosaic", n)
        tiles = [self._crops(int(others.integers(len(self.pictures))), half, others.random(12)) for _ in range(4)]
        return tuple(
            np.vstack([np.hstack([a, b]), np.hstack([c, d])])[:side_px, :side_px] for a, b, c, d in zip(*tiles, strict=True)
        )

    def _nth(self, n: int) -> int:
        """Which picture sample n shows."""
        epoch, place = divmod(n, len(self.pictures))
        return int(_order(self.seed, self.purpose, epoch, len(self.pictures))[place])

    def _crops(self, i: int, side_px: int, draws: NDArray[np.float64]) -> tuple[U8, ...]:
        return tuple(crop(picture, side_px, self.augment, draws) for picture in self._read(i))

    def _read(self, i: int) -> tuple[U8, ...]:
        kept = self._kept.get(i)
        if kept is None:
            read = self.pictures.read(i, self.short_side_px)
            kept = read if isinstance(read, tuple) else (read,)
            size = sum(picture.nbytes for picture in kept)
            with self._lock:  # the first that fit stay: an epoch shows each once, so the latest are no better than others
                if i not in self._kept and size <= self._room:
                    self._room -= size
                    self._kept[i] = kept
        return kept

    def _tell_small(self, side_px: int) -> None:
        if side_px in self._sides:
            return
        self._sides.add(side_px)
        if small := self.pictures.smaller_than(side_px):
            of = f"{small:,} of {len(self.pictures):,} pictures {'is' if small == 1 else 'are'}"
            self.pictures.told.once(f"{of} smaller than the crops of {side_px} px, which are enlarged from them.")


class _Stream(Generic[P]):
    """What `Crops` and `Pairs` share."""

    def __init__(
        self,
        pictures: P,
        seed: int,
        purpose: str,
        augment: Augment,
        short_side_px: int | None,
        cache_mb: int = CACHE_MB,
        threads: int | None = None,
    ) -> None:
        self._samples = _Samples(pictures, seed, purpose, augment, short_side_px, cache_mb)
        self._ahead = Ahead(self._samples.make, threads)

    @property
    def waited_s(self) -> float:
        """Seconds for which callers of `batch` have waited."""
        return self._ahead.waited_s

    def close(self) -> None:
        """End the threads that prepare batches; they also end with this object, or with the process."""
        self._ahead.close()


class Crops(_Stream[Pictures]):
    """An endless stream of random crops; sample n depends on the files, (seed, purpose, n) and the size, and on nothing else.

    Each epoch shows every picture once, in an order of its own. So there is no state to save: a resumed run goes on at its
    sample number, and each of several processes takes its slice of every global batch.

    Args:
        pictures: as `open_pictures` gives them.
        seed, purpose: name the stream, as for `randomness.numbers`.
        augment: how crops are drawn.
        short_side_px: pictures are shrunk to it when they are read; None: full size.
        cache_mb: how many decoded pictures are kept in memory, in millions of bytes.
        threads: prepare batches; by default one a core.

    Raises:
        DataError: there are no pictures.
    """

    def sample(self, n: int, side_px: int) -> U8:
        """Sample n, uint8 [S, S, 3]."""
        return self._samples.make(n, side_px)[0]

    def batch(self, first: int, count: int, side_px: int) -> Tensor:
        """Samples first .. first + count - 1, float32 [count, 3, S, S] in 0..1. The next batches are prepared meanwhile.

        They are expected as far on as this one is from the last; a wrong guess costs time, and changes nothing.

        Raises:
            DataError: no picture can be read any more.
        """
        return to_batch([picture for (picture,) in self._ahead.take(first, count, side_px)])


class Pairs(_Stream[PicturePairs]):
    """As `Crops`, for pairs of pictures: one crop, one mirroring and one grading for both."""

    def sample(self, n: int, side_px: int) -> tuple[U8, U8]:
        """Sample n, twice uint8 [S, S, 3]."""
        first, second = self._samples.make(n, side_px)
        return first, second

    def batch(self, first: int, count: int, side_px: int) -> tuple[Tensor, Tensor]:
        """Samples first .. first + count - 1, twice float32 [count, 3, S, S] in 0..1; as `Crops.batch`."""
        left, right = zip(*self._ahead.take(first, count, side_px), strict=True)
        return to_batch(left), to_batch(right)
