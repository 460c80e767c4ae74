"""The works that a style is compared with: crops of them, and what a network sees there, kept in a cache."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from huafeng.errors import DataError, OutputError
from huafeng.evaluation.networks import BATCH, Looked, Network, look
from huafeng.evaluation.protocol import VERSION, Protocol, at_short_side
from huafeng.evaluation.values import layers
from huafeng.files import write_whole
from huafeng.pixels import F32, U8, Array
from huafeng.training.pictures import open_pictures
from huafeng.training.randomness import numbers
from huafeng.training.recipe import RunOptions
from huafeng.training.recipes.art import ArtOptions
from huafeng.training.recipes.works import load_works

WORKS_PX = 512  # short side to which works are shrunk, unless told otherwise: the size at which photos are styled
LEAST_CROPS = 200
BETWEEN_CROPS_PX = 16  # crops of one work that lie nearer are one and the same
FEWEST_CROPS = 8  # in a half of fewer than four, resampling draws one and the same crop too often
LEAST_TO_SPLIT = 4  # works; of fewer, the two halves are made of crops of the same works


@dataclass(frozen=True)
class Works:
    """Works, cut into crops of one size.

    Args:
        source: where they come from.
        crops: uint8 [S, S, 3], equally many of each work, work after work.
        count: how many works.
        halves: rows of the crops of two halves of the works, for the split.
    """

    source: str
    crops: Sequence[U8]
    count: int
    halves: tuple[NDArray[np.intp], NDArray[np.intp]]

    @property
    def per_work(self) -> int:
        """Crops of each work."""
        return len(self.crops) // self.count

    @property
    def split_by_work(self) -> bool:
        """Whether no work has crops in both halves."""
        return self.count >= LEAST_TO_SPLIT

    @property
    def digest(self) -> str:
        """sha256 of all crops' pixels."""
        found = hashlib.sha256()
        for crop in self.crops:
            found.update(crop.tobytes())
        return found.hexdigest()


def read_works(source: Path, protocol: Protocol, tell: Callable[[str], None], short_side_px: int = WORKS_PX) -> Works:
    """The works in a folder, a file or a shard.

    Raises:
        DataError: there are none that can be read.
    """
    found = open_pictures(source, tell)
    return cut([found.read(i, short_side_px) for i in range(len(found))], str(source), protocol)


def cut(pictures: Sequence[U8], source: str, protocol: Protocol) -> Works:
    """Works uint8 [H, W, 3] -> their crops at random places, the same ones each time.

    Works smaller than a crop are enlarged to it. There are at least 200 crops, as far as different ones can be cut.

    Raises:
        DataError: there are no works, or fewer than 8 crops in all.
    """
    side = protocol.crop_px
    if not pictures:
        raise DataError(f"There are no works in {source}: name a folder with at least one.")
    large = [p if min(p.shape[:2]) >= side else at_short_side(p, side) for p in pictures]
    places = min(((p.shape[0] - side) // BETWEEN_CROPS_PX + 1) * ((p.shape[1] - side) // BETWEEN_CROPS_PX + 1) for p in large)
    per_work = max(1, min(-(-LEAST_CROPS // len(large)), places))
    crops = []
    for i, picture in enumerate(large):
        draw = numbers(0, "crops of works", i)
        for _ in range(per_work):
            y, x = (int(draw.integers(extent - side + 1)) for extent in picture.shape[:2])
            crops.append(picture[y : y + side, x : x + side])
    if len(crops) < FEWEST_CROPS:
        raise DataError(
            f"Only {len(crops)} different crops of {side} px can be cut from {source}, and {FEWEST_CROPS} are needed: "
            "give more works, or larger ones."
        )
    order = numbers(0, "split of works").permutation(len(large) if len(large) >= LEAST_TO_SPLIT else len(crops))
    first = np.zeros(len(order), bool)
    first[order[: len(order) // 2]] = True
    rows = np.repeat(first, len(crops) // len(first))
    return Works(source, crops, len(large), (np.flatnonzero(rows), np.flatnonzero(~rows)))


def works_of_run(options: RunOptions, style: str, protocol: Protocol, tell: Callable[[str], None]) -> Works | None:
    """The works that a run learned a style from, prepared as its recipe says; None, and told, where they are not there."""
    try:
        if isinstance(options, ArtOptions):
            spec = options.styles[style]
            return cut(load_works(options.data / spec.works, spec, tell)[0], str(spec.works), protocol)
    except DataError as error:
        tell(f"{style}: the run's own works are not there ({error}) Give --works DIR.")
    return None


@dataclass(frozen=True)
class Seen:
    """What a network sees in works.

    style: by layer [N, 2, C].   pooled: [N, D].   grams: by layer the mean [C, C] over all crops.
    grams_of_half: by layer the mean over the first half's crops.
    """

    style: tuple[F32, ...]
    pooled: F32
    grams: tuple[F32, ...]
    grams_of_half: tuple[F32, ...]


def see(works: Works, network: Network) -> Seen:
    """What the network sees in the works; read from the cache where it was counted before, with the same of everything."""
    key = hashlib.sha256(f"{VERSION} {network.name} {network.sha256} {works.digest}".encode()).hexdigest()
    file = cache_folder() / f"works-{key}.npz"
    if (kept := _read(file)) is not None:
        return kept
    halves = [_see([works.crops[i] for i in rows], network) for rows in works.halves]
    order = np.argsort(np.concatenate(works.halves), kind="stable")
    shares = [len(rows) / len(works.crops) for rows in works.halves]

    def joined(first: F32, second: F32) -> F32:
        return np.concatenate([first, second])[order]

    (a, grams_a), (b, grams_b) = halves
    found = Seen(
        tuple(joined(*pair) for pair in zip(a.style, b.style, strict=True)),
        joined(a.pooled, b.pooled),
        tuple(x * np.float32(shares[0]) + y * np.float32(shares[1]) for x, y in zip(grams_a, grams_b, strict=True)),
        grams_a,
    )
    _write(file, found)
    return found


def _see(crops: Sequence[U8], network: Network) -> tuple[Looked, tuple[F32, ...]]:
    """Looked without Gram matrices, and their means: all of a large network's would not fit in memory."""
    parts, sums = [], list[F32]()
    for start in range(0, len(crops), BATCH):
        part = look(network, crops[start : start + BATCH], grams=True)
        totals = [grams.sum(0) for grams in part.grams]
        sums = [old + new for old, new in zip(sums, totals, strict=True)] if sums else totals
        parts.append(part)
    style = layers([part.style for part in parts])
    return Looked(style, np.concatenate([p.pooled for p in parts])), tuple(total / np.float32(len(crops)) for total in sums)


def cache_folder() -> Path:
    """Where statistics are kept: $HUAFENG_CACHE, or huafeng/evaluation in the platform's folder for caches."""
    if own := os.environ.get("HUAFENG_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "huafeng" / "evaluation"


def _read(file: Path) -> Seen | None:
    try:
        with np.load(file, allow_pickle=False) as held:
            groups = {name: [held[f"{name}.{i}"] for i in range(int(held["layers"]))] for name in ("style", "all", "half")}
            return Seen(tuple(groups["style"]), held["pooled"], tuple(groups["all"]), tuple(groups["half"]))
    except Exception:  # not there, or damaged: it is counted anew
        return None


def _write(file: Path, seen: Seen) -> None:
    buffer = io.BytesIO()
    groups = {"style": seen.style, "all": seen.grams, "half": seen.grams_of_half}
    arrays: dict[str, Array] = {f"{name}.{i}": layer for name, kept in groups.items() for i, layer in enumerate(kept)}
    arrays |= {"layers": np.array(len(seen.style)), "pooled": seen.pooled}
    np.savez(buffer, allow_pickle=False, **arrays)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, buffer.getvalue(), force=True)
    except (OSError, OutputError):  # a cache that cannot be written is no fault of the evaluation
        return
