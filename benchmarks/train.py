"""Speed of training: each recipe against a plain loop of the same networks, in turn in one run.

    python benchmarks/train.py [--threads 2] [--steps 7] [--batch 8] [--crop-px 256] [--compile] [--features FILE]
                               [--recipes art fast-style cyclegan]

"plain" is the same step (same networks, losses, optimisers and pictures) as it is usually written: float32, eager, memory
laid out channel by channel, and crops that are cut when they are asked for. "huafeng" is what `huafeng train` runs: bf16
autocast, channels last, crops prepared ahead. The discriminator takes part in every step. Recipes are those in recipes/;
photos and works are scikit-image's, written as JPEGs into a temporary folder. On the CPU, and on the GPU where there is one,
where "plain" has torch's default for convolutions, TF32. `cyclegan` takes one picture a step, as in its paper.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from race import race
from skimage import data
from torch import Tensor

from huafeng.pixels import resize
from huafeng.training import checkpoint
from huafeng.training.data import Crops, to_batch
from huafeng.training.loop import Loop
from huafeng.training.processes import ALONE
from huafeng.training.recipe import Clock, M, Machine
from huafeng.training.recipefile import read_recipe, resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.recipes.cyclegan import CycleGan, CycleGanOptions
from huafeng.training.recipes.painting import PaintingOptions, PaintingRecipe

Options: TypeAlias = PaintingOptions | CycleGanOptions
Raced: TypeAlias = PaintingRecipe | CycleGan

NAMES = {"art": None, "fast-style": None, "cyclegan": 1}  # recipes, and their batch where it is not that of the command line
RECIPE_FILES = Path(__file__).parents[1] / "recipes"
TURN = {"cpu": 1, "cuda": 10}  # steps in a row: waiting for a GPU after each would cost what training does not pay
PHOTOS = 80  # one in five is held out; on a CPU the rest lasts for a first epoch, so that every crop is decoded
SHORT_SIDE_PX = 1080
CHECKPOINTS = 5


class Plain(Machine):
    """Leaves memory as torch lays it out by default (only what DiffAugment changes comes out as channels last)."""

    def place(self, module: M) -> M:
        return module.to(self.device)

    def batch(self, pictures: Tensor) -> Tensor:
        return pictures.to(self.device).contiguous()


class Contestant:
    """A recipe that takes its steps when it is told to, and knows how long it waited for photos."""

    def __init__(self, recipe: Raced, batch: int, crop_px: int, steps: int) -> None:
        self.recipe, self.batch, self.crop_px, self.steps = recipe, batch, crop_px, steps
        self.taken = 0
        self.turns: list[tuple[float, float]] = []  # seconds, and seconds of them waited for photos

    def __call__(self) -> None:
        began, waited = time.perf_counter(), self.recipe.waited_s()
        for _ in range(self.steps):
            self.recipe.step(Clock(self.taken, self.taken * self.batch, 0.5, self.batch, self.crop_px, 0))
            self.taken += 1
        if self.recipe.machine.device == "cuda":
            torch.cuda.synchronize()
        self.turns.append((time.perf_counter() - began, self.recipe.waited_s() - waited))

    def waiting(self) -> float:
        """Share of the time that was spent waiting for photos, the first turn left out."""
        seconds, waited = (sum(column) for column in zip(*self.turns[1:], strict=True))
        return waited / seconds


def write_pictures(folder: Path) -> None:
    """photos/ with large JPEGs, works/ with small ones."""
    originals = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    for sub in ("photos", "works"):
        (folder / sub).mkdir()
    for i in range(PHOTOS):
        picture = originals[i % len(originals)]
        height, width = picture.shape[:2]
        scale = (SHORT_SIDE_PX + i) / min(height, width)
        large = resize(np.ascontiguousarray(picture), round(width * scale), round(height * scale))
        Image.fromarray(large).save(folder / "photos" / f"{i:02}.jpg", quality=92)
    for i, picture in enumerate(originals):
        Image.fromarray(picture).save(folder / "works" / f"{i}.jpg", quality=92)


def options_of(name: str, folder: Path, args: argparse.Namespace) -> Options:
    """A recipe of recipes/ on the pictures in `folder`."""
    values = read_recipe(RECIPE_FILES / f"{name}.yaml")
    values |= {"data": folder, "photos": ["photos"], "hold_out_every": 5, "features": args.features}
    values |= {"batch": NAMES[name] or args.batch, "crop_px": args.crop_px, "stages": []}
    if name == "cyclegan":
        values["works"] = ["works"]
    for spec in values.get("styles", {}).values():
        spec["works"] = "works" if spec.get("collection") else "works/0.jpg"
    if "any" in values:
        values["any"] = {"works": {"works": 1}}
    if "style" in values:
        values["style"]["works"] = "works/0.jpg"
    options = resolve(values)
    assert isinstance(options, PaintingOptions | CycleGanOptions)
    return options


def made(options: Options, machine: Machine) -> Raced:
    torch.manual_seed(options.seed)
    recipe = RECIPES[options.recipe](options, machine)
    assert isinstance(recipe, PaintingRecipe | CycleGan)
    return recipe


def cut_when_asked_for(crops: Crops) -> None:
    """Nothing is prepared ahead any more."""

    def batch(first: int, count: int, side_px: int) -> Tensor:
        return to_batch([crops.sample(n, side_px) for n in range(first, first + count)])

    crops.batch = batch  # type: ignore[method-assign]


def contestants(options: Options, device: str, compiled: bool) -> dict[str, Raced]:
    """The plain loop first."""
    quiet: dict[str, Any] = {"tell": lambda text: None}
    plain = made(options, Plain(device, "fp32", **quiet))
    for crops in vars(plain).values():
        if isinstance(crops, Crops):
            cut_when_asked_for(crops)
    found = {"plain": plain, "huafeng": made(options, Machine(device, "bf16", **quiet))}
    if compiled:
        found["huafeng, compiled"] = made(options, Machine(device, "bf16", compile=True, **quiet))
    return found


def checkpoint_s(recipe: Raced, options: Options, folder: Path) -> tuple[float, float]:
    """Median seconds of writing a checkpoint, and of making the sample grid beside it."""
    loop = Loop(recipe, options, folder, processes=ALONE, minutes=None, on_collapse="stop", tell=lambda text: None)
    written, drawn = [], []
    for step in range(CHECKPOINTS):
        began = time.perf_counter()
        checkpoint.save(folder, step, loop.state())
        saved = time.perf_counter()
        recipe.samples()
        written.append(saved - began)
        drawn.append(time.perf_counter() - saved)
    return statistics.median(written), statistics.median(drawn)


def print_rows(name: str, device: str, folder: Path, args: argparse.Namespace) -> None:
    """Race the contestants of one recipe, and print a row for each."""
    options = options_of(name, folder, args)
    racers = {
        how: Contestant(recipe, options.batch, args.crop_px, TURN[device])
        for how, recipe in contestants(options, device, args.compile).items()
    }
    took = race(args.steps, racers)
    for how, racer in racers.items():
        ms = took[how] / TURN[device]
        row = f"{name + ', ' + how:29} {ms:8.0f} {1000 * options.batch / ms:9.1f}"
        if how != "plain":
            written, drawn = checkpoint_s(racer.recipe, options, folder / f"{device}-{name}-{how}")
            row += f" {took['plain'] / took[how]:13.2f}x {racer.waiting():8.2%} {written:9.2f} s {drawn:6.2f} s"
        print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="of torch, on the CPU")
    parser.add_argument("--steps", type=int, default=7, help="turns of each contestant, after one that does not count")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop-px", type=int, default=256)
    parser.add_argument("--compile", action="store_true", help="compile huafeng's networks as well; slow to start")
    parser.add_argument("--features", default="features-v1", help="feature network of the losses, a name or a file")
    parser.add_argument("--recipes", choices=list(NAMES), nargs="+", default=list(NAMES))
    parser.add_argument("--device", choices=["cpu", "cuda"], nargs="+", help="default: all that are here")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    devices = args.device or ["cpu"] + ["cuda"] * torch.cuda.is_available()

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pictures(folder)
        for device in devices:
            where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {args.threads} threads"
            print(f"{where}, torch {torch.__version__}, {args.features}, batch {args.batch}, crops of {args.crop_px} px, "
                  f"medians of {args.steps} interleaved turns of {TURN[device]}")  # fmt: skip
            print(
                f"{'':29} {'ms/step':>8} {'images/s':>9} {'against plain':>14} {'waiting':>8} {'checkpoint':>11} {'samples':>8}"
            )
            for name in args.recipes:
                print_rows(name, device, folder, args)


if __name__ == "__main__":
    main()
