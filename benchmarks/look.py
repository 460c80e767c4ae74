"""Speed of `apply_lut` against one call of Pillow's Color3DLUT on a ready image, 12 MP, medians of interleaved runs.

    python benchmarks/look.py [--threads 2] [--runs 9] [--photo FILE]

Without a photo of your own one is made up. The last rows are the worst case: noise, where hardly a colour repeats.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from race import race

from huafeng.look import Lut, apply_lut
from huafeng.photo import Photo
from huafeng.pixels import U8, resize

WIDTH, HEIGHT = 4000, 3000


def made_photo() -> U8:
    """uint8 [H, W, 3] with a photo's share of distinct colours: light and weaker hues that vary smoothly, and grain."""
    random = np.random.default_rng(0)
    light = resize(random.integers(0, 256, (9, 12), dtype=np.uint8), WIDTH, HEIGHT).astype(np.float32)
    hues = resize(random.integers(0, 256, (6, 8, 3), dtype=np.uint8), WIDTH, HEIGHT).astype(np.float32)
    grain = random.standard_normal((HEIGHT, WIDTH, 3), dtype=np.float32)
    return np.clip(light[..., None] + 0.2 * (hues - 128) + 2 * grain, 0, 255).astype(np.uint8)


def made_look(size: int) -> Lut:
    """A film-like look: an S curve, warm lights, cool shadows."""
    x = Lut.identity(size).table
    curve = x * x * (3 - 2 * x)
    return Lut(np.clip(curve * [1.05, 1.0, 0.9] + [0.0, 0.02, 0.06], 0, 1).astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--photo", type=Path, help="a photo of your own, resized to 4000 x 3000")
    args = parser.parse_args()

    photo = resize(Photo.open(args.photo).pixels, WIDTH, HEIGHT) if args.photo else made_photo()
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    print(f"{WIDTH} x {HEIGHT}, {args.threads} threads, medians of {args.runs} interleaved runs")
    print(f"{'picture':8} {'colours':>8} {'LUT':>4} {'Pillow ms':>10} {'huafeng ms':>11} {'ratio':>6} {'difference':>10}")
    for name, pixels in (("photo", photo), ("noise", noise)):
        colors = len(np.unique(pixels.reshape(-1, 3) @ np.array([1, 256, 65536])))
        image = Image.fromarray(pixels)
        for size in (33, 65):
            lut = made_look(size)
            cube = ImageFilter.Color3DLUT(size, lut.table.transpose(2, 1, 0, 3))
            ours = partial(apply_lut, pixels, lut, threads=args.threads)
            took = race(args.runs, {"pillow": partial(image.filter, cube), "huafeng": ours})
            difference = np.abs(ours().astype(np.int16) - np.asarray(image.filter(cube))).max()
            print(
                f"{name:8} {colors:8} {size:3}³ {took['pillow']:10.0f} {took['huafeng']:11.0f} "
                f"{took['pillow'] / took['huafeng']:6.2f} {difference:6}/255"
            )


if __name__ == "__main__":
    main()
