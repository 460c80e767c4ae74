"""Small generator files for tests: networks as their seed makes them, untrained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from huafeng.training.generatorfile import export_generator
from huafeng.training.synthesis import LatentGenerator, NetworkKind, NetworkShape

CARD = {
    "title_en": "Tiny", "title_zh": "小", "author": "A. Nobody", "licence": "CC0-1.0", "trained_on": "nothing",
    "provenance": "made by chance", "consent": "nobody is shown",
}  # fmt: skip


def write(path: Path, kind: NetworkKind = "style", classes: Sequence[str] = ()) -> Path:
    """A generator of 32 px with latents of 6 numbers."""
    torch.manual_seed(0)
    network = LatentGenerator(NetworkShape(kind, 32, 6, 4, len(classes)))
    for name, weight in network.named_parameters():
        if name.endswith((".strength", ".bias")):  # as training would leave them: not 0
            torch.nn.init.normal_(weight, std=0.3)
    export_generator(network, path.stem, classes, CARD, 3, path)
    return path
