"""Pictures for training: decoded once, kept in memory as uint8, cropped at random."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from huafeng.pixels import U8

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif"}


def list_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted, so that a seed means the same everywhere."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def read_picture(path: Path, short_side: int | None = None) -> U8:
    """Upright RGB uint8 [H, W, 3], shrunk (never grown) to a short side in pixels."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    if short_side and min(image.size) > short_side:
        scale = short_side / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return np.asarray(image)


def random_crop(picture: U8, side: int, rng: random.Random, reach: tuple[float, float] = (0.5, 1.0)) -> U8:
    """A square crop covering `reach` of the short side, resized to `side` px, mirrored half the time."""
    height, width = picture.shape[:2]
    extent = max(8, round(min(height, width) * rng.uniform(*reach)))
    left, top = rng.randint(0, width - extent), rng.randint(0, height - extent)
    crop = Image.fromarray(picture[top : top + extent, left : left + extent])
    crop = crop.resize((side, side), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        crop = ImageOps.mirror(crop)
    return np.asarray(crop)


def to_batch(crops: Sequence[U8]) -> Tensor:
    """uint8 crops [S, S, 3] -> float32 [B, 3, S, S] in 0..1."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def batches(pictures: Sequence[U8], size: int, side: int, seed: int, reach: tuple[float, float]) -> Iterator[Tensor]:
    """Endless random batches [B, 3, S, S], prepared one ahead in a thread."""
    rng = random.Random(seed)

    def make() -> Tensor:
        return to_batch([random_crop(rng.choice(pictures), side, rng, reach) for _ in range(size)])

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make)
        while True:
            ready = ahead.result()
            ahead = pool.submit(make)
            yield ready
