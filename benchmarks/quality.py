"""Quality of the art styles on a fixed list of photos that no training used: the table in docs/quality.md.

    python benchmarks/quality.py DATA [--recipe FILE] [--styles FOLDER] [--features FILE] [--limit N] [--cards] [--page]

DATA is the folder of photos and works that the recipe's paths start from. The photos are those that the recipe holds out,
every twentieth of each folder; the works are prepared as the recipe says. Figures go to out/quality (JSON and HTML).
--page replaces the table in docs/quality.md, and its picture of failures: scikit-image's photos, the worst of them for each
style. --cards writes the figures into the style files, with pictures made from scikit-image's photos.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from huafeng.evaluation import evaluate as door
from huafeng.evaluation.bench import Bench
from huafeng.evaluation.card import example_bytes, with_card
from huafeng.evaluation.evaluate import limited
from huafeng.evaluation.figure import Figure, pinned
from huafeng.evaluation.networks import load_network, look
from huafeng.evaluation.protocol import Protocol
from huafeng.evaluation.result import Evaluation
from huafeng.evaluation.space import ContentSpace
from huafeng.evaluation.subjects import StyleSubject
from huafeng.evaluation.words import interval, number
from huafeng.evaluation.works import works_of_run
from huafeng.library import BUILT_IN, Library
from huafeng.pixels import U8
from huafeng.sheet import Cell, contact_sheet
from huafeng.style import Style
from huafeng.stylizer import Stylizer, cores
from huafeng.training.pictures import open_pictures
from huafeng.training.recipefile import change, read_recipe, resolve
from huafeng.training.recipes.art import ArtOptions

ROOT = Path(__file__).parents[1]
PAGE, FAILURES = ROOT / "docs" / "quality.md", ROOT / "docs" / "quality-failures.jpg"
COLUMNS = {
    "style-gap-closed": "style gap closed", "content-kept": "content kept", "curve-area": "curve area",
    "recoloured-160": "recoloured, 160 px", "recoloured": "recoloured",
    "faces-kept": "faces kept", "grid": "grid, dB", "halo": "halo", "flat-noise": "flat noise",
    "heaped": "heaped", "ssim": "SSIM",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "art.yaml")
    parser.add_argument("--styles", type=Path, default=BUILT_IN, help="folder of the style files")
    parser.add_argument("--features", default="features-v1")
    parser.add_argument("--limit", type=int, help="take N of the photos")
    parser.add_argument("--cards", action="store_true", help="write figures and pictures into the style files")
    parser.add_argument("--page", action="store_true", help="write the table and the failures into docs/")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "quality")
    given = parser.parse_args()

    options = resolve(change(read_recipe(given.recipe), [f"data={given.data}"]))
    assert isinstance(options, ArtOptions)
    _, photos = open_pictures([options.data / folder for folder in options.photos], print).split(options.hold_out_every)
    stylizer = Stylizer(Library([given.styles]), threads=1)
    bench = Bench(limited(photos, given.limit), load_network(given.features), Protocol(), threads=cores())
    evaluations = []
    for name in options.styles:
        works = works_of_run(options, name, bench.protocol, print)
        evaluations.append(bench.against(works).evaluate(StyleSubject(name, stylizer)))
        gap, kept = (evaluations[-1].figure(pinned(f, bench.network.name)) for f in ("style-gap-closed", "content-kept"))
        print(f"{name}: {evaluations[-1].seconds:.0f} s, gap {cell(gap)}, content {cell(kept)}", flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    for path in door.write(evaluations, given.out, force=True):
        print(path)
    if given.cards:
        for evaluation in evaluations:
            path = given.styles / f"{evaluation.subject}.style"
            shown = [example_bytes(StyleSubject(evaluation.subject, stylizer).result("", photo)) for photo in wheel()]
            with_card(Style.load(path), evaluation, shown).save(path, force=True)
    if given.page:
        replace_tables(evaluations, bench)
        Image.fromarray(failures([e.subject for e in evaluations], stylizer)).save(FAILURES, quality=88)


def wheel() -> list[U8]:
    """Photos of scikit-image's wheel: a portrait and its face, a cat, a cup, a rocket, a grey one."""
    portrait = data.astronaut()
    photos = [portrait, portrait[0:300, 60:360], data.chelsea(), data.coffee(), data.rocket(), data.camera()]
    return [np.ascontiguousarray(np.stack([p] * 3, -1) if p.ndim == 2 else p) for p in photos]


def failures(styles: Sequence[str], stylizer: Stylizer) -> U8:
    """For each style the photo of the wheel of which it keeps least: photo and result."""
    network, side = load_network(), 512
    photos = [Protocol().crop(Protocol().shown(p)).copy() for p in wheel()]
    content = look(network, photos, content=True).content
    assert content is not None
    space, cells = ContentSpace(content), []
    for style in styles:
        results = [StyleSubject(style, stylizer).result("", Protocol().shown(p)) for p in wheel()]
        seen = look(network, [Protocol().crop(r).copy() for r in results], content=True).content
        assert seen is not None
        kept = space.kept(seen, range(len(results)))
        worst = int(kept.argmin())
        pair = np.concatenate([square(Protocol().shown(wheel()[worst]), side), square(results[worst], side)], 1)
        cells.append(Cell(pair, f"{style}: content kept {kept[worst]:.2f}"))
    return contact_sheet(cells)


def square(picture: U8, side: int) -> U8:
    top, left = ((extent - side) // 2 for extent in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def replace_tables(evaluations: Sequence[Evaluation], bench: Bench) -> None:
    """Between <!-- figures --> and <!-- end --> of the page."""
    network = bench.network.name
    rows = ["| style | " + " | ".join(COLUMNS.values()) + " | safe strength |", "|---" * (len(COLUMNS) + 2) + "|"]
    for evaluation in evaluations:
        figures = [evaluation.figure(pinned(name, network)) for name in COLUMNS]
        safe = evaluation.safe_strength
        rows.append(f"| {evaluation.subject} | {' | '.join(map(cell, figures))} | {f'0 to {safe[1]:g}' if safe else '–'} |")
    plain = [evaluations[0].figure(pinned(name, network)) for name in COLUMNS]
    rows.append("| *the plain photo* | " + " | ".join(number(f.identity) if f else "–" for f in plain) + " | |")
    works = [
        np.mean([f.random for e in evaluations if (f := e.figure(pinned(name, network))) and f.random is not None] or [np.nan])
        for name in COLUMNS
    ]
    rows.append("| *works in its place* | " + " | ".join("–" if np.isnan(w) else number(float(w)) for w in works) + " | |")
    found = f"{len(bench.rows)} photos, protocol {bench.protocol.name}, {network}; in brackets 95 % intervals.\n\n"
    text = re.sub(
        r"(<!-- figures -->\n).*?(<!-- end -->)",
        lambda match: match[1] + found + "\n".join(rows) + "\n" + match[2],
        PAGE.read_text("utf-8"),
        flags=re.DOTALL,
    )
    PAGE.write_text(text, "utf-8")


def cell(figure: Figure | None) -> str:
    return f"{number(figure.value)} {interval(figure)}".strip() if figure else "–"


if __name__ == "__main__":
    main()
