"""Pictures in pairs: before and after, drawing and photo. Without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from huafeng.errors import DataError
from huafeng.pixels import U8, resize
from huafeng.training.pictures import Pictures, Told, hold_out, listing, next_readable, open_pictures, shrunk

_SAME_SHAPE = 0.02  # how much the ratios of width to height of two partners may differ without a word


def open_pairs(first: Path, second: Path | None, report: Callable[[str], None]) -> PicturePairs:
    """Pictures of the same name in two folders (suffixes may differ), or, without `second`, the halves of pictures A|B.

    Pictures without a partner are left out and reported in one sentence.

    Raises:
        DataError: as for `open_pictures`, or no picture has a partner.
    """
    left = open_pictures(first, report)
    if second is None:
        return PicturePairs(left, None)
    right = open_pictures(second, report)
    ours, theirs = _by_stem(left), _by_stem(right)
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        raise DataError(f"No picture in {first} has a partner of the same name in {second}: name partners alike.")
    first_ones, second_ones = (p.subset(at[s] for s in both) for p, at in ((left, ours), (right, theirs)))
    if alone := sorted({*left.entries, *right.entries} - {*first_ones.entries, *second_ones.entries}):
        verb = "has no partner and is" if len(alone) == 1 else "have no partner and are"
        names = listing([str(entry.path) for entry in alone])
        report(f"{len(alone):,} of {len(left) + len(right):,} pictures {verb} left out: {names}.")
    return PicturePairs(first_ones, second_ones)


def _by_stem(pictures: Pictures) -> dict[str, int]:
    """Name without suffix -> index; of a.jpg and a.png the first counts."""
    stems = [str(PurePosixPath(name).with_suffix("")) for name in pictures.names]
    return {stem: i for i, stem in reversed(list(enumerate(stems)))}


class PicturePairs:
    """A fixed sequence of pairs of pictures; made by `open_pairs`. `second` is None where `first` holds pictures A|B."""

    def __init__(self, first: Pictures, second: Pictures | None) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first)

    @property
    def told(self) -> Told:
        """What has been reported."""
        return self.first.told

    @property
    def names(self) -> list[str]:
        """The first pictures' paths in their folder, with "/"."""
        return self.first.names

    @property
    def fingerprint(self) -> str:
        """A hash of names and sizes in bytes: it changes when the set does."""
        text = self.first.fingerprint + (self.second.fingerprint if self.second else "")
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def smaller_than(self, side_px: int) -> int:
        """How many have a shorter side than `side_px`."""
        across = 1 if self.second else 2
        return sum(min(entry.width // across, entry.height) < side_px for entry in self.first.entries)

    def read(self, i: int, short_side_px: int | None = None) -> tuple[U8, U8]:
        """Pair i, both uint8 [H, W, 3] of the same size, at a short side in px (shrunk, never grown).

        Partners of different sizes are brought to the first's. If one cannot be read, the next whole pair takes its place.

        Raises:
            DataError: none can be read any more.
        """
        return next_readable(len(self), i, lambda j: self._read_exactly(j, short_side_px))

    def _read_exactly(self, i: int, short_side_px: int | None) -> tuple[U8, U8]:
        if self.second is None:
            whole = self.first.read_exactly(i)
            middle = max(1, whole.shape[1] // 2)
            halves = whole[:, :middle], whole[:, -middle:]
            left, right = (shrunk(np.ascontiguousarray(half), short_side_px) for half in halves)
            return left, right
        left, right = (part.read_exactly(i, short_side_px) for part in (self.first, self.second))
        (height, width), (other_height, other_width) = left.shape[:2], right.shape[:2]
        if abs(width * other_height / (height * other_width) - 1) > _SAME_SHAPE:
            self.told.once("Some partners are not of the same shape: the second is stretched to the first's.")
        return left, resize(right, width, height)

    def subset(self, indices: Iterable[int]) -> PicturePairs:
        """The pairs with these indices, in this order."""
        indices = list(indices)
        return PicturePairs(self.first.subset(indices), self.second.subset(indices) if self.second else None)

    def split(self, every: int) -> tuple[PicturePairs, PicturePairs]:
        """As `Pictures.split`."""
        train, held = hold_out([entry.source for entry in self.first.entries], every)
        return self.subset(train), self.subset(held)
