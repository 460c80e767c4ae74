"""Pictures to look at: some photos in every style, small, and a square of each result at full size.

    python benchmarks/gallery.py PHOTOS --out DIR [--styles A,B] [--folder FOLDER] [--limit N] [--at 0.5,0.5] [--strength 1]

PHOTOS is a folder or one photo. Pages of five photos, one a row, the photo itself on the left: `sheet-1.png` has whole
results, `detail-1.png` squares cut out of them, pixel for pixel. A, B may also be paths, of pictures as styles among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from huafeng.edit import Edit, StyleWeight
from huafeng.evaluation.evaluate import limited
from huafeng.library import BUILT_IN, Library
from huafeng.photo import Photo
from huafeng.pixels import U8, resize
from huafeng.sheet import INK, PAPER, cell_size
from huafeng.stylizer import Stylizer
from huafeng.training.pictures import open_pictures

ROWS, GAP_PX, HEAD_PX = 5, 6, 26
SMALL_PX, SQUARE_PX = 280, 280  # long side of a small picture; side of a square


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--styles", type=lambda text: text.split(","), help="default: all of FOLDER")
    parser.add_argument("--folder", type=Path, default=BUILT_IN, help="of style files; a run's, for instance")
    parser.add_argument("--limit", type=int, help="take N of the photos")
    parser.add_argument("--at", type=lambda text: tuple(map(float, text.split(","))), default=(0.5, 0.5),
                        help="where the squares' middle lies, X,Y from 0 to 1")  # fmt: skip
    parser.add_argument("--strength", type=float, default=1.0)
    given = parser.parse_args()

    stylizer = Stylizer(Library([given.folder]))
    styles = given.styles or stylizer.library.names()
    titles = ["photo", *(stylizer.library.get(style).name for style in styles)]
    photos = limited(open_pictures(given.photos, print), given.limit)
    given.out.mkdir(parents=True, exist_ok=True)
    for page, first in enumerate(range(0, len(photos), ROWS), 1):
        small, squares = [], []
        for i in range(first, min(first + ROWS, len(photos))):
            for result in results(photos.read(i), styles, stylizer, given.strength):
                small.append(resize(result, *cell_size(result.shape[1], result.shape[0], SMALL_PX)))
                squares.append(square(result, *given.at))
        for name, cells in (("sheet", small), ("detail", squares)):
            path = given.out / f"{name}-{page}.png"
            Image.fromarray(grid(cells, titles)).save(path)
            print(path, flush=True)


def results(photo: U8, styles: Sequence[str], stylizer: Stylizer, strength: float) -> Iterator[U8]:
    """The photo, then what each style makes of it."""
    yield photo
    for style in styles:
        yield stylizer.apply(Photo.from_array(photo), Edit((StyleWeight(style, 1.0),), strength=strength)).pixels


def square(picture: U8, x: float, y: float) -> U8:
    """SQUARE_PX of a picture around a place, or what there is of it."""
    height, width = picture.shape[:2]
    left, top = (max(0, min(round(at * n) - SQUARE_PX // 2, n - SQUARE_PX)) for at, n in ((x, width), (y, height)))
    return picture[top : top + SQUARE_PX, left : left + SQUARE_PX]


def grid(cells: Sequence[U8], titles: Sequence[str]) -> U8:
    """Cells row by row, as many across as titles above; uint8 [H, W, 3]."""
    rows = [cells[i : i + len(titles)] for i in range(0, len(cells), len(titles))]
    pitch = max(cell.shape[1] for cell in cells) + GAP_PX
    heights = [max(cell.shape[0] for cell in row) + GAP_PX for row in rows]
    page = Image.new("RGB", (len(titles) * pitch + GAP_PX, sum(heights) + HEAD_PX + GAP_PX), PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(HEAD_PX * 0.6)
    for column, title in enumerate(titles):
        draw.text((GAP_PX + column * pitch, GAP_PX), title, INK, font)
    for row, top in zip(rows, np.cumsum([HEAD_PX + GAP_PX, *heights]).tolist(), strict=False):
        for column, cell in enumerate(row):
            page.paste(Image.fromarray(np.ascontiguousarray(cell)), (GAP_PX + column * pitch, top))
    return np.asarray(page)


if __name__ == "__main__":
    main()
