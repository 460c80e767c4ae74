"""Does `huafeng learn` see that a folder holds two looks? Shares of folders of one look, and of two, that are told so.

    python benchmarks/mixedlooks.py DATA [--photos 40] [--draws 10] [--learner FILE]

DATA has `looks/` (HaldCLUTs), `photos/clean`, `photos/landscape` and `portraits`. Of the photos that `recipes/looks.yaml` keeps
out of training, up to 100 of each get each simulation. Folders of one look: of each source, and of all. Folders of two, of
all sources: half of the pictures under each; `none` is no simulation.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from looks import HOLD_OUT_EVERY, seen, simulations

from huafeng.look import Lut, apply_lut
from huafeng.lookgroups import two_looks
from huafeng.looklearner import WEIGHTS, load_learner
from huafeng.pixels import F32
from huafeng.training.finished import READ_PX
from huafeng.training.pictures import open_pictures

SOURCES = ("photos/clean", "photos/landscape", "portraits")
MOST = 100  # photos of each source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=40, help="pictures in a folder")
    parser.add_argument("--draws", type=int, default=10, help="folders of each kind")
    parser.add_argument("--learner", type=Path, default=WEIGHTS, help="look-learner.safetensors of a run")
    args = parser.parse_args()

    w, draw = load_learner(args.learner)[0], np.random.default_rng(0)
    looks = simulations(args.data)
    found = {source: moments_under(args.data / source, [*looks.values()]) for source in SOURCES}
    found["all"] = np.concatenate([*found.values()], 1)

    def told(source: str, pair: Sequence[int]) -> float:
        """Share of the folders that are told to hold two looks; `pair` may be twice the same one."""
        count = found[source].shape[1]
        photos = [draw.permutation(count)[: args.photos] for _ in range(args.draws)]
        under = np.arange(min(args.photos, count)) % 2
        folders = [found[source][np.asarray(pair)[under], chosen] for chosen in photos]
        return float(np.mean([two_looks(w, each) is not None for each in folders]))

    print("one look, told to be two:")
    for source in found:
        print(f"{source:<20}{np.mean([told(source, (k, k)) for k in range(len(looks))]):6.3f}")
    print("two looks, told:")
    pairs = {pair: told("all", pair) for pair in itertools.combinations(range(len(looks)), 2)}
    names = [*looks]
    for (one, other), share in sorted(pairs.items(), key=lambda item: -item[1]):
        print(f"{names[one]:<22}{names[other]:<22}{share:6.2f}")
    print(f"{'all pairs':<44}{np.mean([*pairs.values()]):6.2f}")


def moments_under(folder: Path, looks: Sequence[Lut]) -> F32:
    """Moments of held-out photos under each look [looks, n, M]."""
    held = open_pictures(folder, print).split(HOLD_OUT_EVERY)[1]
    chosen = np.linspace(0, len(held) - 1, min(MOST, len(held))).round().astype(int)
    photos = [held.read(int(i), READ_PX) for i in chosen]
    return np.stack([seen([apply_lut(photo, look, threads=1) for photo in photos]) for look in looks])


if __name__ == "__main__":
    main()
