"""A folder of finished pictures, as looks are learned from: what is read of it, and what is left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from huafeng.errors import DataError, PhotoError
from huafeng.lookmoments import Glimpse, glimpse
from huafeng.pixels import U8
from huafeng.training.ahead import in_order
from huafeng.training.doctor import Look, is_grey, look_of, near_duplicates
from huafeng.training.pictures import Pictures, listing

MOST = 2000  # pictures that are looked at
READ_PX = 384  # short side at which they are
KEPT = 48  # of them that are kept at that size: for the grade, the card and the search for faces
GREY_LEVELS = 10  # of 255: what channels of a grey picture may differ
FLAT_SHARE = 0.6  # of neighbouring pixels that are equal: more are in screenshots and drawings, fewer in photos
PAPER_SHARE = 0.95  # the same where white and black count, too, which photos may have whole areas of

Progress = Callable[[int, int], None]
"""Is told how many pictures are done, of how many."""


def unwatched(done: int, of: int) -> None:
    """Nobody looks."""


@dataclass
class Seen:
    """What was read of a folder: each picture's name, a glimpse of it, whether it is grey; and some pictures at READ_PX."""

    names: list[str] = field(default_factory=list)
    glimpses: list[Glimpse] = field(default_factory=list)
    grey: list[bool] = field(default_factory=list)
    kept: list[U8] = field(default_factory=list)


class Glance(NamedTuple):
    """What is seen of one picture, in the thread that reads it."""

    picture: U8
    look: Look
    glimpse: Glimpse
    grey: bool
    drawn: bool


def read(
    pictures: Pictures, what: str, end: float, tell: Callable[[str], None], progress: Progress, threads: int | None = None
) -> Seen:
    """Look at the pictures of a folder, over threads (by default one a core).

    Near duplicates count once, screenshots and drawings not at all.
    """
    step = max(1.0, len(pictures) / MOST)
    chosen = sorted({int(k * step) for k in range(min(len(pictures), MOST))})

    def one(i: int) -> Glance | None:
        if time.monotonic() > end:
            return None
        try:
            picture = pictures.read_exactly(i, READ_PX)
        except PhotoError:
            return None  # has been told
        return Glance(picture, look_of(picture), glimpse(picture), is_grey(picture, GREY_LEVELS), is_drawn(picture))

    seen, looks, drawn = Seen(), list[Look](), list[str]()
    every = max(1, len(chosen) // KEPT)
    with closing(in_order(one, chosen, threads)) as results:
        for done, (i, found) in enumerate(zip(chosen, results, strict=True), 1):
            progress(done, len(chosen))
            if found is None:
                continue
            if found.drawn:
                drawn.append(pictures.names[i])
                continue
            looks.append(found.look)
            seen.names.append(pictures.names[i])
            seen.glimpses.append(found.glimpse)
            seen.grey.append(found.grey)
            if len(looks) % every == 0 or len(chosen) <= KEPT:
                seen.kept.append(found.picture)
    if drawn:
        tell(f"{len(drawn):,} of {len(chosen):,} {what} look like screenshots or drawings and are left out: {listing(drawn)}.")
    if not looks and not drawn:
        raise DataError(f"None of the {what} can be read: copy them again from where they came.")
    if not looks:
        raise DataError(f"There are no photos among the {what}: screenshots and drawings have no look to learn.")
    again = {k for group in near_duplicates(looks) for k in group[1:]}
    if again:
        tell(f"Near duplicates count once: {len(again):,} of {len(looks):,} {what} are left out.")
        seen.names = [name for k, name in enumerate(seen.names) if k not in again]
        seen.glimpses = [g for k, g in enumerate(seen.glimpses) if k not in again]
        seen.grey = [g for k, g in enumerate(seen.grey) if k not in again]
    return seen


def is_drawn(picture: U8) -> bool:
    """Whether a picture [H, W, 3] is a screenshot, a chart or a flat drawing: most neighbours are equal."""
    across = (picture[:, 1:] == picture[:, :-1]).all(2)
    inner = ((picture[:, 1:] > 4) & (picture[:, 1:] < 251)).any(2)
    plain = across.mean() > PAPER_SHARE
    return bool(plain or (inner.any() and across[inner].mean() > FLAT_SHARE))
