"""Looks learned back: film simulations are laid over photos, learned from them, and compared with the truth in CIEDE2000.

    python benchmarks/looks.py DATA [--photos 40] [--draws 3] [--baselines] [--learner FILE]
    python benchmarks/looks.py DATA --pairs [--photos 40] [--tables 24,66,84,132,162,198]     (see lookpairs.py)

DATA has `looks/` (HaldCLUTs) and `photos/clean`. Of the photos that `recipes/looks.yaml` keeps out of training, some get the
simulation and are the folder; on 40 others the learned look is compared with the true one, pixel by pixel; several times, with
other folders and others, as one draw's figure may be off by 0.3. The neutral side is what is built in, and then (`--from`) the
collection's other photos. `none` is a folder without a look: what is done there is harm.
Baselines: nothing at all; Monge-Kantorovich, the linear optimal transport; a 17^3 table fitted by sliced Wasserstein distance.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.cube import read_hald
from huafeng.look import Lut, apply_lut
from huafeng.looklearner import WEIGHTS, learn_lut, moments_of
from huafeng.lookmoments import glimpse
from huafeng.pixels import F32, U8
from huafeng.training.pictures import open_pictures

HOLD_OUT_EVERY = 10  # as in recipes/looks.yaml
PIXELS = 1000  # of each test photo
SEED = 0

Learner = Callable[[Sequence[U8]], Lut]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=40, help="pictures in the folder")
    parser.add_argument("--draws", type=int, default=3, help="folders and other photos, whose figures are averaged")
    parser.add_argument("--baselines", action="store_true", help="fit the sliced Wasserstein table, too (slow)")
    parser.add_argument("--learner", type=Path, default=WEIGHTS, help="look-learner.safetensors of a run")
    parser.add_argument("--pairs", action="store_true", help="looks from photos before and after, through files")
    parser.add_argument("--tables", default="24,66,84,132,162,198", help="rows of looks_train/stocks.csv, for --pairs")
    args = parser.parse_args()
    if args.pairs:
        import lookpairs

        lookpairs.main(args.data, args.photos, [int(k) for k in args.tables.split(",")])
        return

    photos = open_pictures(args.data / "photos/clean", print)
    training, held_out = photos.split(HOLD_OUT_EVERY)
    pictures = [held_out.read(i) for i in range(len(held_out))]
    draws = [split(len(pictures), args.photos, seed) for seed in range(args.draws)]
    draw = np.random.default_rng(SEED + 1)
    pixels = [p.reshape(-1, 3)[draw.integers(p.shape[0] * p.shape[1], size=PIXELS)] for p in pictures]
    neutral = [training.read(i, 256) for i in range(len(training))]
    untouched = [glimpse(p) for p in neutral]

    methods: dict[str, Learner] = {
        "identity": lambda finished: Lut.identity(33),
        "MKL": lambda finished: transported(neutral, finished),
        "network alone": lambda finished: learn_lut(seen(finished), weights=args.learner, fit=False),
        "learned": lambda finished: learn_lut(seen(finished), weights=args.learner),
        "learned, --from": lambda finished: learn_lut(seen(finished), untouched, args.learner),
    }
    if args.baselines:
        methods["sliced W."] = lambda finished: sliced_fit(neutral, finished)
    looks = simulations(args.data)

    print(f"{'look':<24}" + "".join(f"{name:>18}" for name in methods) + "   CIEDE2000: median (mean) of pixels")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for look, truth in looks.items():
        finished = [apply_lut(p, truth, threads=2) for p in pictures]
        line = f"{look:<24}"
        for name, learn in methods.items():
            figures = []
            for folder, test in draws:
                began = time.perf_counter()
                lut = learn([finished[i] for i in folder])
                seconds[name].append(time.perf_counter() - began)
                shown = np.concatenate([pixels[i] for i in test])
                error = ciede2000(through(truth, shown), through(lut, shown))
                figures.append((float(np.median(error)), float(error.mean())))
            figure = tuple(np.mean(figures, 0))
            line += "{:>10.2f} ({:.2f})".format(*figure)
            if look != "none":
                found[name].append(figure)
        print(line, flush=True)
    for what, value in (("median over looks", np.median), ("worst look", np.max)):
        print(f"{what:<24}" + "".join("{:>10.2f} ({:.2f})".format(*value(found[name], axis=0)) for name in methods))
    print(f"{'seconds a folder':<24}" + "".join(f"{np.median(seconds[name]):>17.2f}s" for name in methods))


def simulations(data: Path) -> dict[str, Lut]:
    """The film simulations in DATA/looks by name, after `none`, which changes nothing."""
    tables = {p.stem: read_hald(np.asarray(Image.open(p).convert("RGB"))) for p in sorted((data / "looks").glob("*.png"))}
    return {"none": Lut.identity(33)} | tables


def seen(finished: Sequence[U8]) -> F32:
    """Moments of each of the finished pictures."""
    return moments_of([glimpse(picture) for picture in finished])


def split(count: int, photos: int, seed: int) -> tuple[list[int], list[int]]:
    """Which of so many pictures are the folder, and on which 40 others the look is compared."""
    order = np.random.default_rng(SEED + seed).permutation(count)
    return [int(i) for i in order[:photos]], [int(i) for i in order[max(photos, 40) :][:40]]


def through(lut: Lut, pixels: U8) -> NDArray[np.float64]:
    """CIELAB of pixels [P, 3] after the look, as it is applied to photos."""
    return np.asarray(srgb_to_lab(apply_lut(pixels[None], lut, threads=1)[0].astype(np.float32) / 255))


def colors_of(pictures: Sequence[U8], each: int = 500) -> F32:
    """Some colours of pictures, [P, 3] in 0..1."""
    draw = np.random.default_rng(SEED)
    rows = [p.reshape(-1, 3)[draw.integers(p.shape[0] * p.shape[1], size=each)] for p in pictures]
    return np.concatenate(rows).astype(np.float32) / np.float32(255)


def transported(neutral: Sequence[U8], finished: Sequence[U8]) -> Lut:
    """The linear Monge-Kantorovich map y = x A + b between two Gaussians (Pitie & Kokaram, CVMP 2007)."""
    source, target = (colors_of(p).astype(np.float64) for p in (neutral, finished))
    u, f = (np.cov(x.T, bias=True) + 1e-4 * np.eye(3) for x in (source, target))
    root, back = power(u, 0.5), power(u, -0.5)
    matrix = back @ power(root @ f @ root, 0.5) @ back
    table = (Lut.identity(33).table - source.mean(0)) @ matrix + target.mean(0)
    return Lut(np.clip(table, 0, 1).astype(np.float32))


def power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Of a symmetric, positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def sliced_fit(neutral: Sequence[U8], finished: Sequence[U8], steps: int = 400) -> Lut:
    """A table of 17 nodes per axis that takes the neutral colours to the finished ones: sliced Wasserstein distance
    (Bonneel et al., 2015) along random directions, plus smoothness."""
    import torch

    from huafeng.training.tables import identity, lookup

    generator = torch.Generator().manual_seed(SEED)
    source, target = (torch.from_numpy(colors_of(p)) for p in (neutral, finished))
    table = identity(17)[None].clone().requires_grad_(True)
    optimizer = torch.optim.Adam([table], lr=0.01)
    for _ in range(steps):
        take = [x[torch.randint(len(x), (4096,), generator=generator)] for x in (source, target)]
        directions = torch.nn.functional.normalize(torch.randn(3, 32, generator=generator), dim=0)
        made, real = ((x @ directions).sort(0).values for x in (lookup(table, take[0][None])[0], take[1]))
        shift = table - identity(17)
        rough = sum(shift.diff(n=2, dim=axis).square().mean() for axis in (1, 2, 3))
        loss = (made - real).square().mean() + 0.5 * rough
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Lut(table.detach()[0].clamp(0, 1).numpy())


if __name__ == "__main__":
    main()
