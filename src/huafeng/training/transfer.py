"""Starting from earlier weights: of another run, of a checkpoint, of a style with its own network, or of the base generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load as load_safetensors
from torch import Tensor, nn

from huafeng.errors import TrainingError
from huafeng.library import Library
from huafeng.networkfile import BYTES, NETWORKS
from huafeng.style import SUFFIX
from huafeng.training import checkpoint
from huafeng.training.export import trained_weights
from huafeng.training.network import Generator
from huafeng.training.run import BEST, OPTIONS

BASE = "base"


def earlier_weights(source: str, tell: Callable[[str], None], part: str = "average") -> dict[str, Tensor]:
    """The weights of a part of `source`, by name: `base` or a style (with averaged ones alone), a run folder or a checkpoint.

    Raises:
        TrainingError: it is none of these, or damaged.
    """
    if source == BASE:
        if part != "average":
            return {}
        return trained_weights(load_safetensors(Library().base_path().read_bytes()))
    path = Path(source)
    if path.suffix == SUFFIX or source in Library().names():
        return style_weights(source) if part == "average" else {}
    if path.is_file():
        state = checkpoint.load(path)
    elif (path / OPTIONS).is_file():
        best = path / BEST  # early stopping has kept it
        state = checkpoint.newest(best if checkpoint.listed(best) else path, tell)
    else:
        raise TrainingError(f"init: {source} is neither a run folder, a checkpoint nor a style, nor is it `base`.")
    return {name.removeprefix("module."): value for name, value in state["parts"].get(part, {}).items()}


def style_weights(source: str) -> dict[str, Tensor]:
    """The network of a style, by name or file.

    Raises:
        TrainingError: it has none of its own.   StyleError: it is absent or damaged.
    """
    style = Library().get(source)
    if style.kind not in NETWORKS:
        raise TrainingError(f"init: {source} has no network of its own: give one that has, or `base`.")
    weights = {name: value for name, value in style.tensors.items() if name not in BYTES}
    return {f"generator.{name}": torch.from_numpy(value.astype(np.float32)) for name, value in weights.items()}


def base_generator() -> Generator:
    """The built-in base generator, trained."""
    weights = earlier_weights(BASE, lambda text: None)
    generator = Generator()
    generator.load_state_dict({n.removeprefix("generator."): w for n, w in weights.items() if n.startswith("generator.")})
    return generator


@torch.no_grad()
def initialise(
    module: nn.Module, source: str, tell: Callable[[str], None], part: str = "average", *, must_fit: bool = True
) -> None:
    """Copy those weights that `module` has under the same name and in the same shape; says how many did not fit.

    Raises:
        TrainingError: none fits, and some must.
    """
    weights: Mapping[str, Tensor] = earlier_weights(source, tell, part)
    own = module.state_dict()
    fitting = {name: w for name, w in weights.items() if name in own and own[name].shape == w.shape}
    if not fitting:
        if not must_fit:
            return
        raise TrainingError(f"init: no weight of {source} fits this recipe's networks.")
    module.load_state_dict(fitting, strict=False)
    left = len(own) - len(fitting)
    what = "" if part == "average" else f", {part}"
    tell(f"Started from {source}{what}: {len(fitting)} of {len(own)} tensors" + (f", {left} begin anew." if left else "."))
