"""What the classic GANs reached, on pictures that no training used (every twentieth, as the recipes hold them out).

    python benchmarks/gans.py enlarge FILE.enlarge PHOTOS [--limit N] [--sheet X.png]
    python benchmarks/gans.py pairs FILE.style PAIRS [--limit N] [--sheet X.png]
    python benchmarks/gans.py noise FILE.generator PICTURES [--limit N]

enlarge: photos shrunk by the file's scale (Pillow, bicubic), then enlarged by Pillow's bicubic and by the file: PSNR and SSIM
to the photo, and KID between crops of results and of photos. pairs: pictures A|B (folder or .tar): SSIM of A to B, and of
what the file makes of A to B. noise: Frechet distance and KID between 1,000 new pictures and all of PICTURES, from which the
generator should not have learned. Features: features-v1, of the last layer, means over space. Translators from photos to
works are measured by `huafeng evaluate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from huafeng.edit import Edit, StyleWeight
from huafeng.evaluation.networks import load_network, look
from huafeng.evaluation.pairs import psnr, ssim
from huafeng.generator import Generator
from huafeng.library import Library
from huafeng.photo import Photo
from huafeng.pixels import U8
from huafeng.stylizer import Stylizer
from huafeng.training.distances import F64, frechet, kid
from huafeng.training.pairs import open_pairs
from huafeng.training.pictures import open_pictures
from huafeng.training.recipes.painting import square
from huafeng.training.recipes.srgan import shrunk

HOLD_OUT_EVERY = 20
MADE = 1000
CROP_PX = 128  # for KID: each picture in crops side by side
SHOWN, SHOWN_PX = 5, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["enlarge", "pairs", "noise"])
    parser.add_argument("file", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--sheet", type=Path, help="rows of pictures: before, result, truth")
    args = parser.parse_args()
    rows = {"enlarge": enlarged, "pairs": paired, "noise": made}[args.what](args)
    if args.sheet and rows:
        sheet = [np.concatenate([middle(picture) for picture in rows[i]], 1) for i in evenly(len(rows), SHOWN)]
        Image.fromarray(np.concatenate(sheet)).save(args.sheet)


def enlarged(args: argparse.Namespace) -> list[tuple[U8, U8, U8]]:
    """Prints the figures; gives (bicubic, result, photo)."""
    enlarger, stylizer, rows = Library().enlarger(str(args.file)), Stylizer(), []
    scale = stylizer.translator(enlarger).plan.scale
    _, held_out = open_pictures([args.pictures], print).split(HOLD_OUT_EVERY)
    for i in evenly(len(held_out), args.limit):
        photo = held_out.read(i)
        height, width = (side // scale * scale for side in photo.shape[:2])
        photo = photo[:height, :width]
        small = shrunk(photo, scale, "bicubic")
        plain = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
        rows.append((plain, stylizer.enlarge(Photo(small), enlarger).pixels, photo))
    network = load_network("features-v1")
    truth = pooled(network, [photo for _, _, photo in rows])
    print(f"{len(rows)} photos, {len(truth)} crops of {CROP_PX} px")
    for name, k in (("bicubic", 0), (args.file.name, 1)):
        found = [(psnr(row[2], row[k]), ssim(row[2], row[k])) for row in rows]
        decibel, alike = np.mean(found, 0)
        distance = kid(pooled(network, [row[k] for row in rows]), truth)
        print(f"{name}: PSNR {decibel:.2f} dB, SSIM {alike:.4f}, KID {distance:.5f}")
    return rows


def paired(args: argparse.Namespace) -> list[tuple[U8, U8, U8]]:
    """Prints the figures; gives (A, result, B)."""
    edit, stylizer, rows = Edit((StyleWeight(str(args.file)),), detail=0), Stylizer(), []
    _, held_out = open_pairs(args.pictures, None, print).split(HOLD_OUT_EVERY)
    for i in evenly(len(held_out), args.limit):
        before, after = held_out.read(i)
        rows.append((before, stylizer.apply(Photo(before), edit).pixels, after))
    for name, k in (("A", 0), (args.file.name, 1)):
        print(f"{name}: SSIM to B {np.mean([ssim(row[2], row[k]) for row in rows]):.3f}, {len(rows)} pairs")
    return rows


def made(args: argparse.Namespace) -> list[tuple[U8, U8, U8]]:
    """Prints the figures; gives nothing."""
    generator, network = Generator(args.file), load_network("features-v1")
    found = open_pictures([args.pictures], print)
    side = generator.side
    real = [square(found.read(i, 2 * side), side) for i in evenly(len(found), args.limit)]
    new = generator.generate(MADE, seed=0)
    a, b = (look(network, pictures).pooled.astype(np.float64) for pictures in (list(new), real))
    print(f"{args.file.name}: Frechet {frechet(a, b):.3f}, KID {kid(a, b):.4f}, {MADE:,} made against {len(real):,} pictures")
    return []


def evenly(count: int, most: int | None) -> list[int]:
    """At most so many of `count` indices, evenly out of all."""
    return list(range(count)) if most is None else sorted({i * count // most for i in range(most)})


def pooled(network: object, pictures: Sequence[U8]) -> F64:
    """Pictures -> means over space of the last layer's features, of all their crops [N, C]."""
    crops = [
        picture[top : top + CROP_PX, left : left + CROP_PX]
        for picture in pictures
        for top in range(0, picture.shape[0] - CROP_PX + 1, CROP_PX)
        for left in range(0, picture.shape[1] - CROP_PX + 1, CROP_PX)
    ]
    return look(network, crops).pooled.astype(np.float64)  # type: ignore[arg-type]


def middle(picture: U8) -> U8:
    """A square of SHOWN_PX px, or as large as the picture allows, padded."""
    side = min(SHOWN_PX, *picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    rest = SHOWN_PX - side
    return np.pad(picture[top : top + side, left : left + side], ((0, rest), (0, rest), (0, 0)))


if __name__ == "__main__":
    main()
