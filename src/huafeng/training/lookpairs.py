"""Photos before and after: which ones belong together, by name and by what they show, and the look between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from huafeng.colortable import sample
from huafeng.errors import PhotoError
from huafeng.pixels import F32, U8
from huafeng.training.ahead import in_order
from huafeng.training.lookregression import Explained, Samples, explain, lit
from huafeng.training.pictures import Pictures, listing
from huafeng.training.registration import Registered, directions, register, sought

READ_PX = 384  # short side at which pictures are compared
MOST = 200  # pairs that are read: more tell nothing new
PIXELS, FEWEST_PIXELS = 64_000, 1_000  # of all pairs together; of each
SQUARE = 24  # side of the small fields by which whole pictures are compared
WHOLE = 0.35  # their least correlation
CROP_PX, CROP_STEP, MOST_CROPS = 48, 1.09, 10_000  # at which other crops are sought, and how many are tried
EDGE = 6.0  # levels between neighbours at which a pixel counts half: what is not quite registered, and JPEG's chroma
TILES = 6  # per side: every fourth of a chequerboard of tiles is held out
EDITED = 0.08  # share of a pair's pixels that disagree with the look: more are a local edit
DARKER = 0.06  # of corners: a vignette


class Pair(NamedTuple):
    """Two pictures of one scene: their numbers, and both pixel by pixel."""

    before: int
    after: int
    seen: Registered


def find_pairs(after: Pictures, before: Pictures, progress: Callable[[int, int], None] = lambda done, of: None) -> list[Pair]:
    """Pairs of pictures that show the same: those of one name first, then by what they show; each picture once."""
    chosen = sorted({int(k) for k in np.linspace(0, len(after) - 1, min(len(after), MOST))})
    by_name = named(after.names, before.names)
    if len(after) == len(before) == 1:
        by_name = {0: 0}

    def one(i: int) -> Pair | None:
        k = by_name.get(i)
        return None if k is None else _pair(after, before, i, k)

    found: dict[int, Pair] = {}
    with closing(in_order(one, chosen)) as results:
        for done, (i, pair) in enumerate(zip(chosen, results, strict=True), 1):
            progress(done, len(chosen))
            if pair:
                found[i] = pair
    rest = [i for i in chosen if i not in found]
    taken = {pair.before for pair in found.values()}
    free = [k for k in range(len(before)) if k not in taken]
    candidates = by_content(after, before, rest, free)
    with closing(in_order(lambda ik: _pair(after, before, *ik), candidates)) as results:
        for (i, k), pair in zip(candidates, results, strict=True):
            if pair and i not in found and k not in taken:
                found[i] = pair
                taken.add(k)
    return [found[i] for i in sorted(found)]


def named(after: list[str], before: list[str]) -> dict[int, int]:
    """Which picture before has the name of which one after: IMG_1.jpg and img_1.png, or IMG_1-edit.jpg; only if one does."""
    where: dict[str, list[int]] = {}
    for k, name in enumerate(before):
        where.setdefault(stem(name), []).append(k)
    found = {}
    for i, name in enumerate(after):
        key = stem(name)
        shorter = [key, *(key[: cut.start()] for cut in reversed(list(re.finditer(r"[-_ (.]+", key))) if cut.start() > 2)]
        hit = next((where[s] for s in shorter if s in where), [])
        if len(hit) == 1:
            found[i] = hit[0]
    return found


def stem(name: str) -> str:
    """A file's name without folder and suffix, in small letters."""
    return PurePosixPath(name).stem.lower()


def by_content(after: Pictures, before: Pictures, rest: list[int], free: list[int]) -> list[tuple[int, int]]:
    """Numbers of pictures after and before that may show the same, likeliest first."""
    rest, small = _there(after, rest[:MOST])
    free, others = _there(before, free[: 5 * MOST])
    if not rest or not free:
        return []
    fields, sides = (np.stack([_whole(p) for p in some]) for some in (small, others))
    alike = (fields @ sides.conj().T).real
    likely = [(float(alike[a, b]), a, b) for a, b in zip(*np.nonzero(alike > WHOLE), strict=True)]
    known = {a for _, a, _ in likely}
    unknown = [a for a in range(len(rest)) if a not in known]
    tries = [(a, b) for a in unknown for b in range(len(free))][:MOST_CROPS]
    crops = []
    for a, b in tries:
        hit = sought(others[b], small[a], CROP_PX, CROP_STEP)
        if hit:
            crops.append((hit.score, a, b))
    best: dict[int, int] = {}
    ordered = []
    for _, a, b in [*sorted(likely, reverse=True), *sorted(crops, reverse=True)]:
        if best.get(a, 0) < 2:  # the second likeliest, too, if the likeliest is none
            best[a] = best.get(a, 0) + 1
            ordered.append((rest[a], free[b]))
    return ordered


def _there(pictures: Pictures, numbers: list[int]) -> tuple[list[int], list[U8]]:
    """Those of the numbers whose picture can be read, and the pictures, small."""
    found = {}
    for i in numbers:
        try:
            found[i] = pictures.read_exactly(i, 2 * CROP_PX)
        except PhotoError:
            continue  # has been told
    return list(found), list(found.values())


def _whole(picture: U8) -> NDArray[np.complex64]:
    field = directions(picture, SQUARE, SQUARE).ravel()
    return field / (np.linalg.norm(field) + 1e-6)


def _pair(after: Pictures, before: Pictures, i: int, k: int) -> Pair | None:
    try:
        done, plain = after.read_exactly(i, READ_PX), before.read_exactly(k, READ_PX)
    except PhotoError:
        return None
    if min(*done.shape[:2], *plain.shape[:2]) < 32:
        return None
    seen = register(plain, done)
    return Pair(k, i, seen) if seen else None


def enough(pairs: list[Pair], count: int) -> bool:
    """Whether so many pairs among `count` pictures are what the look is learned from: three, or half of the pictures."""
    return len(pairs) >= 3 or (bool(pairs) and 2 * len(pairs) >= count)


def unpaired(found: int, count: int) -> str:
    """What is said where there are too few pairs."""
    if found == 0 and count == 1:
        return "The photos do not show the same scene, so they are no pair: the look is learned as from unpaired photos."
    pairs = "No pictures" if found == 0 else f"Only {found:,} of {count:,} pictures"
    verb = "has its" if found == 1 else "have their"
    return f"{pairs} {verb} own photo before in the other folder: the look is learned as from unpaired photos."


def pairs_said(pairs: list[Pair], explained: Explained, names: list[str]) -> list[str]:
    """What is told of a look between pairs: how many, how well it explains them, and what it cannot."""
    count, error = len(pairs), explained.error
    said = [
        f"Learned from {count:,} pair{'s' if count > 1 else ''} of photos before and after: on pixels that were held out the "
        f"look is {error:.1f} from the finished photos (mean CIEDE2000; about 1 is just seen)."
    ]
    if count == 1:
        said.append("One pair: colours that it does not show are continued from those that it does.")
    if explained.corrected:
        spread = float(np.abs(explained.stops).max(1).mean())
        said.append(
            f"The photos were also corrected one by one ({explained.corrected}, {spread:.1f} stops in the mean): that is left "
            "out of the look."
        )
    usual = max(1.5, 2 * float(np.median(explained.each)))
    strange = [names[pairs[k].after] for k in range(count) if explained.each[k] > usual and explained.edited[k] > 0.5]
    local = [
        names[pairs[k].after] for k in range(count) if explained.edited[k] > EDITED and names[pairs[k].after] not in strange
    ]
    if local:
        said.append(
            f"{len(local):,} of them have local edits that a look cannot hold, and that are left out: {listing(local)}."
        )
    if strange and count > 1:
        said.append(f"{len(strange):,} of them were finished in another way: {listing(strange)}.")
    darker = corners_darker(pairs, explained)
    if abs(darker) > DARKER:
        said.append(
            f"Corners became {'darker' if darker > 0 else 'lighter'} by {abs(darker):.0%}: that is no part of the table."
        )
    return said


def corners_darker(pairs: list[Pair], explained: Explained) -> float:
    """How much darker corners are after than the look makes them, a share: the median over pairs of whole photos."""
    found = []
    for k, pair in enumerate(pairs):
        seen = pair.seen
        if seen.share < 0.9:
            continue
        height, width = seen.both.shape
        y, x = (np.arange(4, n - 4, 6) for n in (height, width))
        before, after = (p[np.ix_(y, x)].reshape(-1, 3).astype(np.float32) / 255 for p in (seen.before, seen.after))
        made = sample(explained.table, lit(before, explained.stops[k][None])) @ _GREEN
        far = np.hypot(*np.meshgrid(2 * y / height - 1, 2 * x / width - 1, indexing="ij")).ravel()
        shown = (made > 0.1) & (made < 0.95)
        rim, middle = shown & (far > 1.1), shown & (far < 0.7)
        if rim.sum() > 20 and middle.sum() > 20:
            ratio = (after @ _GREEN) / np.maximum(made, 0.02)
            found.append(1 - float(np.median(ratio[rim]) / np.median(ratio[middle])))
    return float(np.median(found)) if found else 0.0


def samples_of(pairs: list[Pair]) -> Samples:
    """Pixels of pairs, those within even areas more than those at edges; a quarter of each picture's tiles is held out."""
    each = max(FEWEST_PIXELS, PIXELS // max(3, len(pairs)))
    parts = [_pixels(pair.seen, each, number) for number, pair in enumerate(pairs)]
    before, after, trust, pair, held = (np.concatenate(x) for x in zip(*parts, strict=True))
    return Samples(before, after, trust, pair, held)


def _pixels(seen: Registered, count: int, number: int) -> Samples:
    height, width = seen.both.shape
    smooth = [np.asarray(Image.fromarray(p).filter(ImageFilter.BoxBlur(1)), np.float32) for p in (seen.before, seen.after)]
    edge = np.maximum(*(np.hypot(*np.gradient(p @ _GREEN)) for p in smooth))
    trust = 1 / (1 + (edge / EDGE) ** 2)
    y, x = np.nonzero(seen.both)
    draw = np.random.default_rng(number)
    take = draw.permutation(len(y))[:count]
    y, x = y[take], x[take]
    tiles = y * TILES // height + 2 * (x * TILES // width)
    before, after = ((p[y, x] / np.float32(255)).astype(np.float32) for p in smooth)
    trusted: F32 = trust[y, x].astype(np.float32)
    return Samples(before, after, trusted, np.full(len(y), number), tiles % 4 == 0)


_GREEN = np.array([0.3, 0.6, 0.1], np.float32)


def look_between(pairs: list[Pair], fields: F32) -> Explained:
    """The look that explains pairs."""
    return explain(samples_of(pairs), fields)
