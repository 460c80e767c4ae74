"""Time and peak memory of a whole command, `huafeng apply monet`, on JPEGs of 12 and 48 megapixels.

    python benchmarks/command.py [--cores 2] [--runs 5] [--style monet] [--megapixels 12 48]

Each run is a new process: starting Python and loading the generator count. The photos are made: one of scikit-image's,
enlarged, with a camera's noise, as a JPEG of quality 92. The first run of each does not count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What one process took: seconds on the clock, seconds of all cores, and MB at its peak (nan where not known)."""

    wall: float
    cores: float
    peak: float


def make_photo(path: Path, megapixels: int) -> None:
    """Write a 4:3 JPEG."""
    import numpy as np
    from PIL import Image
    from skimage import data

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    small = Image.fromarray(data.coffee()[:, :533])
    photo = small.resize((width, height), Image.Resampling.BICUBIC)
    noise = Image.fromarray(np.random.default_rng(0).normal(128, 6, (height, width)).astype(np.uint8))
    luma, blue, red = photo.convert("YCbCr").split()
    luma = Image.fromarray(np.clip(np.asarray(luma, np.int16) + np.asarray(noise) - 128, 0, 255).astype(np.uint8))
    Image.merge("YCbCr", (luma, blue, red)).save(path, quality=92)


def measure(command: list[str]) -> Cost:
    """Run a command to its end; SystemExit if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024  # bytes
        cost = Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)
    else:
        process.wait()
        cost = Cost(time.perf_counter() - start, float("nan"), float("nan"))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return cost


def keep_to(cores: int) -> str:
    """Bind this process, and so those that it starts, to the first `cores` cores that it may use; says to how many."""
    if not hasattr(os, "sched_setaffinity"):
        return f"all {os.cpu_count()} cores (this system binds no process to cores)"
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    return f"{len(os.sched_getaffinity(0))} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--style", default="monet")
    parser.add_argument("--megapixels", type=int, nargs="+", default=[12, 48])
    args = parser.parse_args()

    print(f"huafeng apply {args.style}: {keep_to(args.cores)}, medians of {args.runs} runs")
    print(f"{'JPEG':>12} {'in MB':>6} {'seconds':>8} {'core s':>7} {'peak MB':>8} {'worst s':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in args.megapixels:
            photo, result = Path(folder, f"{megapixels}.jpg"), Path(folder, f"{megapixels}-styled.jpg")
            # in a process of its own: a child's peak memory begins with that of the process that starts it
            maker = multiprocessing.Process(target=make_photo, args=(photo, megapixels))
            maker.start()
            maker.join()
            command = [sys.executable, "-m", "huafeng", "apply", args.style, str(photo), "-o", str(result), "--force"]
            costs = [measure(command) for _ in range(args.runs + 1)][1:]
            middle = Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
            print(f"{megapixels:9} MP {photo.stat().st_size / 1e6:6.1f} {middle.wall:8.2f} {middle.cores:7.2f} "
                  f"{middle.peak:8.0f} {max(cost.wall for cost in costs):8.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
