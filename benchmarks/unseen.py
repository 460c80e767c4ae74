"""Pictures that training never saw, as styles: what the encoder makes of them at once, and what `huafeng learn` adds.

    python benchmarks/unseen.py DATA PHOTOS [--minutes 3] [--limit N] [--only NAME] [--features FILE] [--out DIR]

DATA is the folder from which the recipe's paths start; its `any.leave_out` names the pictures, `--only` one of them (may be
repeated). PHOTOS are photos that training did not see; `huafeng learn` practises on scikit-image's. Each picture is both
the style and the works with which results are compared. Prints a table in Markdown, after each picture again; JSON, report
and the learned styles go to DIR.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from quality import ROOT, cell

from huafeng.evaluation.bench import Bench
from huafeng.evaluation.evaluate import limited, write
from huafeng.evaluation.figure import pinned
from huafeng.evaluation.networks import load_network
from huafeng.evaluation.protocol import Protocol
from huafeng.evaluation.result import Evaluation
from huafeng.evaluation.subjects import StyleSubject
from huafeng.evaluation.works import read_works
from huafeng.style import SUFFIX, name_of
from huafeng.stylizer import Stylizer, cores
from huafeng.training.learn_art import Lesson, learn
from huafeng.training.pictures import open_pictures
from huafeng.training.recipefile import change, read_recipe, resolve
from huafeng.training.recipes.art import ArtOptions

Pair = tuple[Evaluation, Evaluation]  # of the encoder alone, and of the learned style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "art.yaml")
    parser.add_argument("--minutes", type=float, default=3.0, help="for each picture")
    parser.add_argument("--limit", type=int, help="take N of the photos")
    parser.add_argument("--only", action="append", metavar="NAME", help="a picture's file name, without its suffix if you like")
    parser.add_argument("--features", default="features-v1", help="feature network in which results are measured")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "unseen")
    given = parser.parse_args()

    options = resolve(change(read_recipe(given.recipe), [f"data={given.data}"]))
    assert isinstance(options, ArtOptions)
    pictures = left_out(options, given.only)
    photos = limited(open_pictures(given.photos, print), given.limit)
    bench = Bench(photos, load_network(given.features), Protocol(), threads=cores())
    given.out.mkdir(parents=True, exist_ok=True)
    pairs: list[Pair] = []
    for picture in pictures:
        lesson = Lesson(picture, name_of(picture), minutes=given.minutes)
        learned = learn(lesson, given.out / f"{lesson.name}{SUFFIX}", force=True, tell=lambda text: None)
        ready, stylizer = bench.against(read_works(picture, bench.protocol, print)), Stylizer(threads=1)
        at_once, after = (
            ready.evaluate(StyleSubject(str(path), stylizer, name=f"{lesson.name}, {how}"))
            for path, how in ((picture, "encoder"), (learned, "learned"))
        )
        pairs.append((at_once, after))
        print("\n".join(table(pairs, given.minutes)), flush=True)
    print(*write([one for pair in pairs for one in pair], given.out, force=True), sep="\n")


def left_out(options: ArtOptions, only: Sequence[str] | None) -> list[Path]:
    """The pictures that the recipe names in `any.leave_out`."""
    if options.any is None:
        raise SystemExit("The recipe has no encoder: there is no `any` in it.")
    found = [path for folder in options.any.works for path in sorted((options.data / folder).rglob("*"))]
    wanted = [path for path in found if path.name in options.any.leave_out]
    if only is not None:
        wanted = [path for path in wanted if path.name in only or path.stem in only]
    if not wanted:
        raise SystemExit(f"None of the pictures to measure is below {options.data}.")
    return wanted


def table(pairs: Sequence[Pair], minutes: float) -> list[str]:
    """A row for each picture, and their means."""
    network = pairs[0][0].features
    rows = [
        f"| picture | gap closed: encoder | learned in {minutes:g} min | ratio | content kept: encoder | learned |",
        "|---|---|---|---|---|---|",
    ]
    sums = {"style-gap-closed": [0.0, 0.0], "content-kept": [0.0, 0.0]}
    for pair in pairs:
        figures = {name: [one.figure(pinned(name, network)) for one in pair] for name in sums}
        for name, both in figures.items():
            sums[name] = [s + (f.value if f else math.nan) for s, f in zip(sums[name], both, strict=True)]
        gaps, kept = figures.values()
        ratio = share(*(f.value if f else math.nan for f in gaps))
        name = pair[0].subject.removesuffix(", encoder")
        rows.append(f"| {name} | {cell(gaps[0])} | {cell(gaps[1])} | {ratio} | {cell(kept[0])} | {cell(kept[1])} |")
    (gap, gap_learned), (keep, keep_learned) = ([s / len(pairs) for s in both] for both in sums.values())
    rows.append(f"| *mean* | {gap:.2f} | {gap_learned:.2f} | {share(gap, gap_learned)} | {keep:.2f} | {keep_learned:.2f} |")
    return rows


def share(encoder: float, learned: float) -> str:
    """How much of what the learned style closes the encoder closes; nothing where that one closes nothing."""
    return f"{encoder / learned:.2f}" if learned > 0 else "–"


if __name__ == "__main__":
    main()
