"""A trained generator of pictures -> NAME.generator, after a parity check; and back, for what needs gradients."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from huafeng.errors import GeneratorError
from huafeng.files import write_whole
from huafeng.generator import GRAPHS, LABEL, Generator, Header
from huafeng.pixels import Array
from huafeng.style import Card
from huafeng.training.generatorgraph import mapping_graph, synthesis_graph
from huafeng.training.precision import note_differences
from huafeng.training.synthesis import LatentGenerator, NetworkShape

PARITY = 1.0  # of 255: the same float16 weights, other kernels
CHECKED = 4  # pictures


def export_generator(
    trained: LatentGenerator, name: str, classes: Sequence[str], card: Mapping[str, Any], pictures: int, path: Path
) -> None:
    """Write the generator file.

    classes: names, in the order of their indices.   card: the fields of `Card` but its date.   pictures: trained on.

    Where the runtime makes other pictures than the trained network, `WeightsDiffer` is warned.

    Raises:
        OutputError: it cannot be written.
    """
    trained = copy.deepcopy(trained).cpu().float().eval()
    tensors: dict[str, Array] = {}
    for key, value in trained.state_dict().items():
        tensors[key] = value.contiguous().numpy().astype(np.float16)
        value.copy_(torch.from_numpy(tensors[key].astype(np.float32)))  # what the file holds is what is compared
    tensors["mean"] = trained.mean().numpy()
    for key, graph in zip(GRAPHS, (mapping_graph(trained), synthesis_graph(trained)), strict=True):
        tensors[key] = np.frombuffer(graph, np.uint8)
    weights = sum(p.numel() for p in trained.parameters())
    header = Header(
        name=name,
        label=LABEL,
        classes=tuple(classes),
        noise=trained.noise_length,
        network=asdict(trained.shape),
        counts={"pictures": pictures, "weights": weights},
        card=Card(**card, date=datetime.date.today().isoformat()),
    )
    data = header.packed(tensors)
    note_differences([{name: parity(trained, Generator.from_bytes(data, threads=1))}], PARITY)
    write_whole(path, data, force=True)


@torch.no_grad()
def parity(trained: LatentGenerator, runtime: Generator) -> float:
    """Largest difference, of 255, between the trained network's pictures and the runtime's."""
    z = runtime.latents(CHECKED, 0)
    classes = trained.shape.classes
    index = torch.arange(CHECKED) % classes if classes else None
    wanted = trained(torch.from_numpy(z), index, torch.from_numpy(runtime.noise)).permute(0, 2, 3, 1).numpy() * 255
    return float(np.abs(wanted - runtime.generate(latents=z)).max())


def network_of(file: Generator) -> LatentGenerator:
    """The network in a generator file, float32, not to be trained.

    Raises:
        GeneratorError: its weights are not those of the network that it names.
    """
    try:
        with torch.device("meta"):  # no memory for what a damaged header may ask for
            network = LatentGenerator(NetworkShape(**file.header.network))
        network.load_state_dict({name: torch.from_numpy(value) for name, value in file.weights.items()}, assign=True)
    except (TypeError, KeyError, RuntimeError, ValueError) as error:
        raise GeneratorError("The generator file is damaged: its weights do not fit its network.") from error
    return network.requires_grad_(False).eval()
