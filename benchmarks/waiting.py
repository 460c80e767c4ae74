"""Seconds a training step beside other programs: threads that spin where they wait, that sleep, and a single one.

    python benchmarks/waiting.py [--busy 1] [--threads 2] [--runs 3] [--recipes fast-style gan-small]

Each figure is the median of new processes, `huafeng train RECIPE --dry-run`, which times its third step; beside them run
`--busy` processes that only count.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from huafeng.pixels import resize

RECIPES = Path(__file__).parents[1] / "recipes"
SETTINGS = {"fast-style": ["batch=4", "crop_px=256"], "gan-small": ["batch=16"]}


def write_pictures(folder: Path) -> None:
    """photos/, small squares in pictures/, and picture.jpg."""
    originals = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    Image.fromarray(originals[0]).save(folder / "picture.jpg", quality=92)
    for name in ("photos", "pictures"):
        (folder / name).mkdir()
    for i in range(40):
        picture = np.ascontiguousarray(originals[i % 4][i:, i:])
        Image.fromarray(picture).save(folder / "photos" / f"{i:02}.jpg", quality=92)
        Image.fromarray(resize(picture, 80, 80)).save(folder / "pictures" / f"{i:02}.png")


def step_s(name: str, folder: Path, policy: str, threads: int) -> float:
    """Seconds of one step in a new process."""
    command = [sys.executable, "-m", "huafeng", "train", str(RECIPES / f"{name}.yaml"), "--dry-run", "--threads", str(threads)]
    for setting in (f"data={folder}", *SETTINGS[name]):
        command += ["--set", setting]
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    environment.pop("OMP_NUM_THREADS", None)
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"([\d.e+-]+) s a step here", ran.stdout)
    assert found, ran.stdout
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--recipes", choices=list(SETTINGS), nargs="+", default=list(SETTINGS))
    args = parser.parse_args()
    ways = {"spin": ("ACTIVE", args.threads), "sleep": ("PASSIVE", args.threads), "one thread": ("PASSIVE", 1)}
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
    try:
        with tempfile.TemporaryDirectory() as temporary:
            write_pictures(Path(temporary))
            load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
            print(f"seconds a step beside {args.busy} busy processes, {args.threads} threads, medians of {args.runs}{load}")
            for name in args.recipes:
                took = {way: [step_s(name, Path(temporary), *how) for _ in range(args.runs)] for way, how in ways.items()}
                print(f"{name:12}", *(f"{way} {statistics.median(found):.2g}" for way, found in took.items()), flush=True)
    finally:
        for process in busy:
            process.kill()


if __name__ == "__main__":
    main()
