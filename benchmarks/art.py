"""Speed of the art runtime against other projects' generators, in turn in one run.

    python benchmarks/art.py [--threads 2] [--runs 5] [--size 1920x1080]

"paint" is everything from pixels to pixels: the thumbnail pass, a session for the style, both conversions. "network" is
the picture network alone, as it is with the peers. All run in onnxruntime, fp32, with all its optimisations: ours as it
ships, the peers with the default settings. Their weights are random (peers.py), which does not change their speed. At
1920x1080 they take several GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import onnxruntime
from peers import PEERS, session
from race import race
from safetensors.numpy import save
from skimage import data

from huafeng.art import Generator, noise_for
from huafeng.library import BASE_FILE, BUILT_IN
from huafeng.pixels import Array, resize


def base_generator(threads: int) -> Generator:
    """The one that ships, or an untrained one of the same shape, which is as fast."""
    if (BUILT_IN / BASE_FILE).is_file():
        return Generator.open(BUILT_IN / BASE_FILE, threads=threads)
    from huafeng.training.export import base_tensors
    from huafeng.training.network import Generator as Network

    return Generator(save(base_tensors(Network())), threads=threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", default="1920x1080", help="multiples of 8, WIDTHxHEIGHT in px")
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))

    photo = resize(data.astronaut(), width, height)
    generator = base_generator(args.threads)
    modulation = generator.modulation(np.zeros(generator.code_length, np.float32))
    picture = generator.picture_session(generator.statistics(photo, modulation), modulation)
    planes: dict[str, Array] = {"photo": photo[None], "noise": noise_for(height, width)[None]}
    contestants: dict[str, Callable[[], object]] = {
        "huafeng, paint": lambda: generator.paint(photo, modulation),
        "huafeng, network": lambda: picture.run(planes),
    }
    for name, peer in PEERS.items():
        contestants[name] = session(peer.make(), width, height, args.threads)
    took = race(args.runs, contestants)

    print(f"{width} x {height}, {args.threads} threads, onnxruntime {onnxruntime.__version__}, "
          f"medians of {args.runs} interleaved runs")  # fmt: skip
    print(f"{'':18} {'ms':>8} {'MP/s':>7} {'paint is':>12} {'network is':>12}")
    for name, ms in took.items():
        ratios = [f"{ms / took[ours]:5.1f}x faster" if name in PEERS else "" for ours in list(took)[:2]]
        print(f"{name:18} {ms:8.0f} {width * height / 1e3 / ms:7.2f} {ratios[0]:>12} {ratios[1]:>12}")


if __name__ == "__main__":
    main()
