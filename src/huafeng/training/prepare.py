"""Pictures -> shards: upright, sRGB, small, in one file that is read faster than many large ones. Without torch."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from huafeng.errors import DataError, OutputError, PhotoError
from huafeng.faces import find_frames
from huafeng.pixels import U8
from huafeng.training.ahead import in_order
from huafeng.training.edges import ink_map, line_map
from huafeng.training.pictures import Entry, list_entries, read_upright, shrunk
from huafeng.training.shards import ShardWriter

FACE_SHARE = 0.55  # of a face crop's side, for the frame from brow to chin: hair and the neck's beginning are in it
FACE_MIDDLE = 0.53  # of its height, where that frame's middle lies: hair takes more than a chin


@dataclass(frozen=True)
class Prepared:
    """What `prepare` has written, and what it has left out."""

    files: list[Path]
    """X.tar, or X-000.tar, X-001.tar, ..."""
    pictures: int
    """How many they hold."""
    duplicates: list[str]
    """Names of files that equal an earlier one, byte for byte."""
    unreadable: dict[str, str]
    """Names of files that cannot be read, and why."""
    faceless: list[str]
    """Names of photos left out as no face was found in them, where faces were asked for."""


class _Made(NamedTuple):
    entry: Entry
    digest: bytes
    jpeg: bytes
    width: int
    height: int
    problem: str = ""
    faceless: bool = False


def prepare(
    source: Path,
    out: Path,
    *,
    short_side_px: int = 512,
    quality: int = 95,
    shard_mb: int = 256,
    faces: bool = False,
    edges: Literal["lines", "ink"] | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Write the pictures of `source` as shards; equal pictures and options give equal bytes.

    Each becomes a JPEG without subsampling under its own name (the suffix becomes .jpg), at most `short_side_px` on its
    short side, never grown. Exact duplicates and files that cannot be read are left out. All files appear, or none.

    Args:
        out: X.tar; where more than `shard_mb` (millions of bytes) are needed, X-000.tar, X-001.tar, ...
        quality: of the JPEGs, 1..100.
        faces: keep of each photo only the square around its largest face, all cut alike (see `face_square`).
        edges: put each picture's edges to its left, as lines or in ink: pairs for the recipe pix2pix.
        force: replace an older set of this name.
        progress: is told (done, total).

    Raises:
        DataError: no pictures are there, or none can be used; or `faces` or `edges` without OpenCV.
        OutputError: `out` is no .tar, lies in `source`, exists (without `force`), or cannot be written.
    """
    if out.suffix.lower() != ".tar":
        raise OutputError(f"{out} does not say what is written: let its name end in .tar.")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{out} would lie among the pictures that it is made of: choose a place outside {source}.")
    entries = list_entries(source)

    def make(entry: Entry) -> _Made:
        try:
            data = entry.read()
            pixels = read_upright(data, entry.name, None if faces else short_side_px)
            if faces:
                square = face_square(pixels)
                if square is None:
                    return _Made(entry, b"", b"", 0, 0, faceless=True)
                pixels = shrunk(square, short_side_px)
            if edges:
                drawn = line_map(pixels) if edges == "lines" else ink_map(pixels)
                pixels = np.concatenate([drawn, pixels], 1)
            jpeg = io.BytesIO()
            Image.fromarray(pixels).save(jpeg, "JPEG", quality=quality, subsampling="4:4:4")
        except PhotoError as error:
            return _Made(entry, b"", b"", 0, 0, str(error))
        return _Made(entry, hashlib.blake2b(data).digest(), jpeg.getvalue(), pixels.shape[1], pixels.shape[0])

    seen: set[bytes] = set()
    names: set[str] = set()
    duplicates: list[str] = []
    unreadable: dict[str, str] = {}
    faceless: list[str] = []
    about = {"short_side_px": short_side_px, "quality": quality, "faces": faces, "edges": edges or False}
    with (
        ShardWriter(out, about, shard_mb * 10**6, force) as writer,
        contextlib.closing(in_order(make, entries)) as results,
    ):
        for done, made in enumerate(results, 1):
            if made.problem:
                unreadable[made.entry.name] = made.problem
            elif made.faceless:
                faceless.append(made.entry.name)
            elif made.digest in seen:
                duplicates.append(made.entry.name)
            else:
                seen.add(made.digest)
                name = _free_name(made.entry.name, names)
                names.add(name)
                writer.add(name, made.jpeg, made.width, made.height)
            progress(done, len(entries))
        if not names:
            if faceless:
                raise DataError(f"No face was found in any of the {len(faceless):,} pictures in {source}: leave --faces away.")
            raise DataError(f"None of the {len(entries):,} pictures in {source} can be read; huafeng doctor says why.")
        files = writer.finish()
    return Prepared(files, len(names), duplicates, unreadable, faceless)


def face_square(pixels: U8) -> U8 | None:
    """The square of a photo [H, W, 3] around its largest frontal face; None where there is none.

    The face's frame takes FACE_SHARE of the side, its middle lies at half the width and FACE_MIDDLE of the height. Near an
    edge the square is moved into the photo, and where the photo is too small for it, it is as large as the photo allows.

    Raises:
        DataError: OpenCV is not installed.
    """
    frames = find_frames(pixels)
    if not frames:
        return None
    face, (height, width) = frames[0], pixels.shape[:2]
    side = min(round(face.width / FACE_SHARE), height, width)
    left = round(face.x + face.width / 2 - side / 2)
    top = round(face.y + face.height / 2 - FACE_MIDDLE * side)
    left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    return pixels[top : top + side, left : left + side]


def _free_name(name: str, taken: set[str]) -> str:
    """album/a.png -> album/a.jpg, or album/a-2.jpg, ... where that is taken."""
    stem = PurePosixPath(name).with_suffix("")
    free, number = f"{stem}.jpg", 1
    while free in taken:
        number += 1
        free = f"{stem}-{number}.jpg"
    return free
