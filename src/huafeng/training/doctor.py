"""What a set of pictures is like, and what can be learned from it. Without torch."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from huafeng import exif
from huafeng.errors import PhotoError
from huafeng.photo import DEFAULT_LIMITS, READ
from huafeng.photo_decode import decode
from huafeng.pixels import F32, U8
from huafeng.stylizer import cores
from huafeng.training.ahead import in_order
from huafeng.training.pictures import CACHE_MB, Entry, files_below, list_entries, open_header, read_upright

SMALL_PX = 256  # side of the crops that recipes take by default
READ_PX = 384  # short side at which the recipes keep photos in memory
PREPARED_PX = 512  # short side that `huafeng prepare` makes by default
ENOUGH_PHOTOS = 100  # to train on: fewer are soon known by heart
LARGE_PX = 1024  # a median short side from which on preparing pays
NEAR_BITS = 4  # in which the hashes of near duplicates differ at most
NEAR_CORRELATION = 0.97  # at least; studio portraits of different people share a hash and reach 0.92, rarely 0.98
_THUMB_PX = 64
_GREY_LEVELS = 8  # of 255: what the channels of a grey photo may differ after JPEG

# Measured on one core of a server (Xeon, AVX-512, Pillow 13, libjpeg-turbo), JPEGs of 0.1 to 16 megapixels:
DECODE_S_PER_MP = 0.003  # reading, per megapixel of the file
ENCODE_S_PER_MP = 0.011  # shrinking and writing, per megapixel of the result
JPEG_BYTES_PER_PX = 0.5  # quality 95 without subsampling
# Measured on two cores of it, bf16, 4 crops of 256 px; and what the recipes that come with Huafeng show in a full run:
TRAINED_PER_S = 12.0
NETWORKS_MB = 800
WORK_MB = 2  # the recipe art keeps so much for each work of a style
TRAINING_IMAGES = {"fast-style": 16_000, "art": 52_000}


@dataclass(frozen=True)
class Findings:
    """What `examine` finds; pictures are told by their names in the folder."""

    source: str
    """What was examined."""
    files: int
    """Files that look like pictures."""
    megabytes: float
    """Their size, in millions of bytes."""
    formats: dict[str, int]
    """How many can be read, by format."""
    short_side_px: dict[str, int]
    """Their short sides: min, median, max."""
    unreadable: dict[str, str]
    """Files that cannot be read, and why."""
    exact_duplicates: list[list[str]]
    """Groups of files that are equal byte for byte."""
    near_duplicates: list[list[str]]
    """Groups of pictures that look alike and are not equal: difference hashes at most 4 of 64 bits apart, and correlated."""
    grey: list[str]
    """Pictures without colour."""
    transparent: list[str]
    """Pictures with transparent places; training sees white there."""
    turned: list[str]
    """Pictures that are stored on their side and turned upright by their EXIF; training sees them upright."""
    small: list[str]
    """Pictures whose short side is below 256 px; crops are enlarged from them."""
    others: dict[str, int]
    """Other files in the folder, by suffix; nothing reads them."""
    memory_mb: int
    """Estimate: memory that training on them takes, pictures (at a short side of 384 px) and networks (4 crops of 256 px)."""
    training_minutes: dict[str, int]
    """Estimate: a full run of each recipe on two cores; it depends on the recipe, hardly on the pictures."""
    prepare_s: float
    """Estimate: `huafeng prepare` on this computer's cores."""
    prepare_mb: int
    """Estimate: what it writes."""
    advice: list[str]
    """What can be learned from the set, and what to mend."""

    @property
    def readable(self) -> int:
        """How many can be read."""
        return sum(self.formats.values())

    @property
    def different(self) -> int:
        """How many can be read, exact duplicates counted once."""
        return self.readable - sum(len(group) - 1 for group in self.exact_duplicates)


class Look(NamedTuple):
    """What near duplicates have in common."""

    hash: int
    """64 bits: whether the luminance grows from each to the next of 9 columns, in 8 rows (N. Krawetz, "Kind of Like That",
    2013)."""
    light: F32
    """Luminance at 32 x 32 px, less its mean, divided by its norm: float32 [1024]."""


class _Seen(NamedTuple):
    """One picture."""

    name: str
    format: str = ""
    width: int = 0
    height: int = 0
    digest: bytes = b""
    look: Look | None = None
    grey: bool = False
    transparent: bool = False
    turned: bool = False
    problem: str = ""


def examine(source: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Findings:
    """Read every picture of a folder, file or shard and say what there is; `progress` is told (done, total).

    Raises:
        DataError: the folder is not there, may not be read, or has no pictures.
    """
    entries = list_entries(source)
    seen: list[_Seen] = []
    with (
        warnings.catch_warnings(action="ignore"),  # Pillow's, on sizes and odd headers: our own limits and words hold
        contextlib.closing(in_order(_look, entries)) as results,
    ):
        for done, one in enumerate(results, 1):
            seen.append(one)
            progress(done, len(entries))
    good = [one for one in seen if not one.problem]
    sides = [min(one.width, one.height) for one in good]
    exact = _exact(good)
    megapixels = sum(one.width * one.height for one in good) / 1e6
    prepared = sum(_pixels_at(one, PREPARED_PX) for one in good) / 1e6
    facts = Findings(
        source=str(source),
        files=len(entries),
        megabytes=round(sum(entry.size for entry in entries) / 1e6, 1),
        formats=dict(Counter(one.format for one in good).most_common()),
        short_side_px={"min": min(sides), "median": round(statistics.median(sides)), "max": max(sides)} if sides else {},
        unreadable={one.name: one.problem for one in seen if one.problem},
        exact_duplicates=exact,
        near_duplicates=_near(good, exact),
        grey=[one.name for one in good if one.grey],
        transparent=[one.name for one in good if one.transparent],
        turned=[one.name for one in good if one.turned],
        small=[one.name for one in good if min(one.width, one.height) < SMALL_PX],
        others=_others(source),
        memory_mb=NETWORKS_MB + min(CACHE_MB, round(sum(3 * _pixels_at(one, READ_PX) for one in good) / 1e6)),
        training_minutes={name: round(images / TRAINED_PER_S / 60) for name, images in TRAINING_IMAGES.items()},
        prepare_s=round((megapixels * DECODE_S_PER_MP + prepared * ENCODE_S_PER_MP) / cores(), 1),
        prepare_mb=round(prepared * JPEG_BYTES_PER_PX),
        advice=[],
    )
    return replace(facts, advice=_advice(facts))


def _look(entry: Entry) -> _Seen:
    try:
        data = entry.read()
        header = open_header(io.BytesIO(data), entry.name)
        small = read_upright(data, entry.name, _THUMB_PX)
        alpha = decode(data, entry.name, DEFAULT_LIMITS).alpha if header.may_be_transparent else None
    except PhotoError as error:
        return _Seen(entry.name, problem=str(error))
    transparent = alpha is not None and alpha.min() < 255
    digest = hashlib.blake2b(data, digest_size=16).digest()
    turned = exif.orientation(header.exif) != 1
    return _Seen(entry.name, header.format, *header.size, digest, look_of(small), is_grey(small), transparent, turned)


def look_of(pixels: U8) -> Look:
    """Of uint8 [H, W, 3]; hardly changed by shrinking, compression and slight changes of tone."""
    light = Image.fromarray(pixels).convert("L")
    columns = np.asarray(light.resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(columns[:, 1:] > columns[:, :-1])
    centred = np.asarray(light.resize((32, 32), Image.Resampling.BOX), np.float32).ravel()
    centred -= centred.mean()
    return Look(int.from_bytes(bits.tobytes(), "big"), centred / max(float(np.linalg.norm(centred)), 1e-6))


def is_grey(pixels: U8, levels: int = _GREY_LEVELS) -> bool:
    """Whether the channels of nearly all pixels [H, W, 3] differ by no more than so many of 255."""
    spread = pixels.max(2) - pixels.min(2)
    return bool(np.percentile(spread, 99) <= levels)


def _pixels_at(one: _Seen, short_side_px: int) -> int:
    """How many pixels it has when it is shrunk to a short side."""
    scale = min(1.0, short_side_px / min(one.width, one.height))
    return round(one.width * scale) * round(one.height * scale)


def _exact(seen: Iterable[_Seen]) -> list[list[str]]:
    groups: dict[bytes, list[str]] = {}
    for one in seen:
        groups.setdefault(one.digest, []).append(one.name)
    return [group for group in groups.values() if len(group) > 1]


def near_duplicates(looks: Sequence[Look]) -> list[list[int]]:
    """Groups of indices, linked by steps of at most NEAR_BITS in the hash, with a correlation of at least NEAR_CORRELATION.

    Two hashes that are at most 4 bits apart are equal in one of five parts, so only those with an equal part are compared.
    """
    leader = list(range(len(looks)))

    def find(i: int) -> int:
        while leader[i] != i:
            i = leader[i]
        return i

    for shift in range(0, 64, 13):
        parts: dict[int, list[int]] = {}
        for i, look in enumerate(looks):
            parts.setdefault(look.hash >> shift & 0x1FFF, []).append(i)
        for same in parts.values():
            for i, j in itertools.combinations(same, 2):
                a, b = looks[i], looks[j]
                if (a.hash ^ b.hash).bit_count() <= NEAR_BITS and a.light @ b.light >= NEAR_CORRELATION:
                    leader[find(j)] = find(i)
    groups: dict[int, list[int]] = {}
    for i in range(len(looks)):
        groups.setdefault(find(i), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _near(seen: Iterable[_Seen], exact: Iterable[Sequence[str]]) -> list[list[str]]:
    """Names; of exact duplicates the first counts."""
    copies = {name for group in exact for name in group[1:]}
    looks = {one.name: one.look for one in seen if one.look and one.name not in copies}
    names = list(looks)
    return [[names[i] for i in group] for group in near_duplicates(list(looks.values()))]


def _others(source: Path) -> dict[str, int]:
    if not source.is_dir():
        return {}
    suffixes = (PurePosixPath(name).suffix.lower() for name in files_below(source))
    return dict(Counter(suffix or "no suffix" for suffix in suffixes if suffix not in READ).most_common())


def _advice(facts: Findings) -> list[str]:
    """One sentence each: what the set can carry, then what to mend."""
    count, said = facts.different, []
    if count == 0:
        return ["No picture can be read: copy them again from where they came."]
    if count == 1:
        said.append("One picture: its manner can be learned with the recipe fast-style, or as one of the styles of art.")
    else:
        said.append(f"As works of one manner: {count:,} make a style of the recipe art; for fast-style choose the best one.")
    if count >= ENOUGH_PHOTOS:
        said.append(f"As photos to train on: {count:,} are enough for both recipes.")
    else:
        said.append(f"As photos to train on: {count:,} are too few, both recipes need about {ENOUGH_PHOTOS} or more.")
    if 2 * len(facts.grey) > facts.readable:
        said.append("Most are grey: what is learned from them will be grey.")
    if facts.unreadable:
        said.append("Files that cannot be read are left out of training: mend or remove them.")
    if facts.exact_duplicates or facts.near_duplicates:
        said.append("Duplicates count twice in training: huafeng prepare leaves out exact ones, remove near ones by hand.")
    if facts.small:
        said.append(f"Crops of pictures below {SMALL_PX} px are enlarged and soft: remove them, or lower the recipe's crop_px.")
    if facts.short_side_px["median"] >= LARGE_PX:
        said.append("The pictures are large: huafeng prepare makes them small once, and training starts faster.")
    return said
