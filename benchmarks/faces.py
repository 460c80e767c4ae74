"""Are faces more recognisable when they are painted more gently? Ways to do that, on portraits that no training saw.

    python benchmarks/faces.py DATA/portraits [--styles FOLDER] [--names NAME ...] [--limit 40] [--stroke 1] [--sheets FOLDER]

The portraits are every twentieth, those that the recipes hold out, and of them those in which a face is found. Each is
painted at the evaluation's size, and inside a soft ellipse around each face with smaller strokes, or less strength, or
both. Figures are the evaluation's own (huafeng.evaluation.faces), and two more: `eyes`, the share of the faces that keep
both eyes where the photo shows both, and `change`, which says what it costs: the mean difference between photo and result
inside the frames, in levels of 255. --sheets writes contact sheets, a style a file, to look at. Needs the extras evaluate
and portrait.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

from huafeng import Edit, Library, Photo, Stylizer, faces, parse_styles
from huafeng.evaluation.faces import Face, face_figures, find_faces
from huafeng.evaluation.protocol import Protocol
from huafeng.library import BUILT_IN
from huafeng.pixels import U8, blend
from huafeng.sheet import Cell, contact_sheet
from huafeng.training.pictures import open_pictures

STYLES = ("great-wave", "the-scream", "starry-night", "monet", "composition-vii")
HOLD_OUT_EVERY = 20
ON_SHEET = 6  # portraits


class Way(NamedTuple):
    """How faces are painted: the smallest strokes, the width in px from which on they are as elsewhere, the strength."""

    finest: float = 1.0
    painted_px: float = np.inf
    strength: float = 1.0


WAYS = {
    "plain": Way(),
    "strength 0.7": Way(strength=0.7),
    "strokes 0.6": Way(0.6),
    "strokes 0.6, strength 0.7": Way(0.6, strength=0.7),
    "as shipped, strength 1": Way(faces.FINEST, faces.PAINTED_PX),
    "as shipped": Way(faces.FINEST, faces.PAINTED_PX, faces.STRENGTH),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--styles", type=Path, default=BUILT_IN, help="folder of the style files")
    parser.add_argument("--names", nargs="+", default=STYLES, metavar="NAME")
    parser.add_argument("--limit", type=int, default=40, help="portraits at most")
    parser.add_argument("--stroke", type=float, default=1.0, help="2: as for faces half as large")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    given = parser.parse_args()

    portraits = with_faces(given.portraits, given.limit)
    stylizer = Stylizer(Library([given.styles]), threads=1)
    widths = [face.width / given.stroke for _, found in portraits for face in found]
    print(f"{len(portraits)} portraits, {len(widths)} faces, painted {np.median(widths):.0f} px wide (median)")
    print(f"{'':16} {'':26} {'kept':>6} {'shift':>6} {'eyes':>6} {'change':>7}")
    totals: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for style in given.names:
        painted: dict[str, list[U8]] = {name: [] for name in WAYS}
        for photo, _ in portraits:
            for name, result in results(stylizer, style, given.stroke, photo).items():
                painted[name].append(result)
        for name, pictures in painted.items():
            rows = [figures(photo, result, found) for (photo, found), result in zip(portraits, pictures, strict=True)]
            totals[name] += rows
            tell(style, name, rows)
        if given.sheets:
            given.sheets.mkdir(parents=True, exist_ok=True)
            path = given.sheets / f"faces-{style}-stroke-{given.stroke:g}.png"
            Image.fromarray(sheet([photo for photo, _ in portraits[:ON_SHEET]], painted)).save(path)
    for name, rows in totals.items():
        tell("all", name, rows)


def with_faces(folder: Path, limit: int) -> list[tuple[U8, list[Face]]]:
    """Held-out portraits at the evaluation's size, evenly chosen, with their faces."""
    _, held = open_pictures([folder], print).split(HOLD_OUT_EVERY)
    found = []
    for place in range(len(held)):
        photo = Protocol().shown(held.read_exactly(place))
        if seen := find_faces(photo):
            found.append((photo, seen))
    return [found[i * len(found) // limit] for i in range(limit)] if len(found) > limit else found


def results(stylizer: Stylizer, style: str, stroke: float, photo: U8) -> dict[str, U8]:
    """The way's name -> the portrait painted so."""
    found: dict[str, U8] = {}
    painted: dict[Way, U8] = {}
    for name, way in WAYS.items():
        full = way._replace(strength=1.0)
        if full not in painted:
            edit = Edit(parse_styles(style), stroke=stroke, faces=float(full.finest < 1))
            with mock.patch.multiple(faces, FINEST=full.finest, PAINTED_PX=full.painted_px, STRENGTH=1.0):
                painted[full] = stylizer.apply(Photo.from_array(photo), edit).pixels
        found[name] = blend(painted[full], photo, np.rint(mask_of(photo) * (1 - way.strength)).astype(np.uint8))
    return found


def mask_of(photo: U8) -> U8:
    """All faces' soft ellipses: uint8 [H, W]."""
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for frame in faces.find_frames(photo):
        place = faces.place_of(frame, width, height)
        part = mask[place.rows, place.columns]
        np.maximum(part, place.mask, out=part)
    return mask


def figures(photo: U8, result: U8, before: Sequence[Face]) -> list[float]:
    """Faces kept, their shift, eyes kept, change."""
    found = face_figures(photo, result, before)
    eyed = [face for face in before if face.eyes]
    again = [face for face in find_faces(result) if face.eyes]
    eyes = np.mean([any(near(face, other) for other in again) for face in eyed]) if eyed else np.nan
    inside = [np.s_[int(f.y) : int(f.y + f.height), int(f.x) : int(f.x + f.width)] for f in before]
    change = np.mean([np.abs(photo[part].astype(int) - result[part]).mean() for part in inside])
    return [found.kept, found.shift, float(eyes), float(change)]


def near(one: Face, two: Face) -> bool:
    """Whether both eyes are within a tenth of the face's width."""
    return bool((np.linalg.norm(np.subtract(one.eyes, two.eyes), axis=1) < 0.1 * one.width).all())


def tell(style: str, name: str, rows: Sequence[Sequence[float]]) -> None:
    kept, shift, eyes, change = np.nanmean(np.array(rows), axis=0)
    print(f"{style:16} {name:26} {kept:6.2f} {shift:6.3f} {eyes:6.2f} {change:7.1f}", flush=True)


def sheet(photos: Sequence[U8], painted: dict[str, list[U8]]) -> U8:
    """Portraits downwards, ways across: their middle squares."""
    rows = []
    for place, photo in enumerate(photos):
        cells = [Cell(square(photo), "photo")] + [Cell(square(pictures[place]), name) for name, pictures in painted.items()]
        rows.append(np.concatenate([contact_sheet([cell]) for cell in cells], 1))
    return np.concatenate(rows)


def square(picture: U8) -> U8:
    side = min(picture.shape[:2])
    left = (picture.shape[1] - side) // 2
    return picture[:side, left : left + side]


if __name__ == "__main__":
    main()
