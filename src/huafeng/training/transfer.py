"""Starting from earlier weights: of another run, of a checkpoint, or of the built-in base generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.numpy import load as load_safetensors
from torch import Tensor, nn

from huafeng.errors import TrainingError
from huafeng.library import Library
from huafeng.training import checkpoint
from huafeng.training.export import trained_weights
from huafeng.training.run import BEST, OPTIONS

BASE = "base"


def earlier_weights(source: str, tell: Callable[[str], None], part: str = "average") -> dict[str, Tensor]:
    """The weights of a part of `source`: `base` (which has averaged ones alone), a run folder, or a checkpoint; by name.

    Raises:
        TrainingError: it is none of these, or damaged.
    """
    if source == BASE:
        if part != "average":
            return {}
        return trained_weights(load_safetensors(Library().base_path().read_bytes()))
    path = Path(source)
    if path.is_file():
        state = checkpoint.load(path)
    elif (path / OPTIONS).is_file():
        best = path / BEST  # early stopping has kept it
        state = checkpoint.newest(best if checkpoint.listed(best) else path, tell)
    else:
        raise TrainingError(f"init: {source} is neither a run folder nor a checkpoint, nor is it `base`.")
    return {name.removeprefix("module."): value for name, value in state["parts"].get(part, {}).items()}


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
