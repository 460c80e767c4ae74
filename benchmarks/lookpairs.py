"""Looks from photos before and after, through files: `python benchmarks/looks.py DATA --pairs [--tables 24,66,...]`.

Tables of DATA/looks_train are laid over photos of three sources; before and after are saved as JPEG 92, 4:2:0, short side
384 px. Compared on photos of other sources: mean CIEDE2000 over pixels, median over photos. `changed`: each photo after
shows 60 to 100 % of the width at 70 to 100 % of the size, and a third have an ellipse that was brightened and warmed.
`one`: median of three pairs.
"""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.look import Lut, apply_lut
from huafeng.looklearner import WEIGHTS, load_learner
from huafeng.pixels import U8, resize
from huafeng.training.lookpairs import find_pairs, look_between
from huafeng.training.pictures import open_pictures, read_upright

FOLDER = ("flower", "urban", "cook")
OTHERS = ("cloth", "free", "gov18f", "kodak", "pixabay", "pixls", "coco")
CONDITIONS = ("none", "clean", "changed", "one")


def main(data: Path, count: int, tables: list[int]) -> None:
    """Print a line a look: of how many pairs and how far from the truth."""
    with (data / "looks_train/stocks.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file)]
    stocks = np.load(data / "looks_train/stocks.npz")["tables"].astype(np.float32) / 65535
    fields = load_learner(WEIGHTS)[1].fields
    folder, others = (chosen(data / "photos/clean", kinds, n) for kinds, n in ((FOLDER, count), (OTHERS, 40)))
    others = [resize(p, p.shape[1] // 2, p.shape[0] // 2) for p in others]
    print(f"{'look':<28}{'nothing':>9}" + "".join(f"{c:>14}" for c in CONDITIONS[1:]), flush=True)
    found: dict[str, list[float]] = {c: [] for c in CONDITIONS}
    for k in tables:
        truth = Lut(np.ascontiguousarray(stocks[k].transpose(2, 1, 0, 3)))
        found["none"].append(apart(Lut.identity(17), truth, others))
        line = f"{names[k]:<28}{found['none'][-1]:>9.2f}"
        for condition in CONDITIONS[1:]:
            errors, pairs = learned(folder, truth, condition, fields, others)
            found[condition].append(errors)
            line += f"{errors:>8.2f} ({pairs:2})"
        print(line, flush=True)
    print(
        f"{'median over looks':<28}{np.median(found['none']):>9.2f}"
        + "".join(f"{np.median(found[c]):>8.2f}     " for c in CONDITIONS[1:])
    )


def learned(folder: list[U8], truth: Lut, condition: str, fields: np.ndarray, others: list[U8]) -> tuple[float, int]:
    """How far the look is off that is learned from pairs, and how many of these were found."""
    if condition == "one":
        parts = [learned([folder[k]], truth, "clean", fields, others) for k in np.linspace(0, len(folder) - 1, 3).astype(int)]
        return float(np.median([error for error, _ in parts])), 1
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        before, after = Path(place, "before"), Path(place, "after")
        before.mkdir()
        after.mkdir()
        for k, photo in enumerate(folder):
            done = apply_lut(photo, truth, threads=1)
            if condition == "changed":
                done = changed(done, draw, edited=k % 3 == 0)
            for where, picture in ((before, photo), (after, done)):
                Image.fromarray(picture).save(where / f"{k:03}.jpg", quality=92, subsampling=2)
        done_pictures = open_pictures(after, print)
        pairs = find_pairs(done_pictures, open_pictures(before, print))
    if not pairs:
        return apart(Lut.identity(17), truth, others), 0
    return apart(look_between(pairs, fields).lut, truth, others), len(pairs)


def changed(done: U8, draw: np.random.Generator, *, edited: bool) -> U8:
    """A part of a picture at another size, maybe with an ellipse that is brighter and warmer."""
    height, width = done.shape[:2]
    if edited:
        y, x = np.mgrid[:height, :width]
        middle, radius = draw.uniform(0.3, 0.7, 2), draw.uniform(0.15, 0.3)
        mask = np.clip(2 - 2 * np.hypot(y / height - middle[0], x / width - middle[1]) / radius, 0, 1)[..., None]
        done = np.clip(done * (1 + mask * (0.4, 0.3, 0.15)), 0, 255).astype(np.uint8)
    share, scale = draw.uniform(0.6, 1), draw.uniform(0.7, 1)
    h, w = int(share * height), int(share * width)
    top, left = int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1))
    return resize(np.ascontiguousarray(done[top : top + h, left : left + w]), int(w * scale), int(h * scale))


def chosen(folder: Path, kinds: tuple[str, ...], count: int) -> list[U8]:
    """Photos of some sources, evenly chosen, short side 384 px, as a JPEG file holds them."""
    paths = sorted(p for p in folder.iterdir() if p.name.split("_")[0] in kinds)
    photos = []
    for k in np.linspace(0, len(paths) - 1, count).astype(int):
        memory = io.BytesIO()
        Image.fromarray(read_upright(paths[k].read_bytes(), paths[k].name, 384)).save(memory, "JPEG", quality=95, subsampling=0)
        photos.append(np.asarray(Image.open(memory)))
    return photos


def apart(one: Lut, other: Lut, photos: list[U8]) -> float:
    """Mean CIEDE2000 over pixels, median over photos."""

    def error(photo: U8) -> float:
        some = np.ascontiguousarray(photo[::2, ::2])
        first, second = (srgb_to_lab(apply_lut(some, lut, threads=1).astype(np.float32) / 255) for lut in (one, other))
        return float(ciede2000(first, second).mean())

    return float(np.median([error(photo) for photo in photos]))
