"""The smallest recipes of translation, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from PIL import Image

from huafeng.pixels import resize
from huafeng.training.recipe import Clock, Machine, Recipe, RunOptions
from huafeng.training.recipefile import resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.recipes.translating import TranslatingRecipe

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")
SMALL: dict[str, dict[str, Any]] = {  # of each recipe
    "cyclegan": {"photos": ["photos"], "works": ["works"], "network": {"width": 2, "blocks": 1}, "pool": 3},
    "cut": {"photos": ["photos"], "works": ["works"], "network": {"width": 2, "blocks": 2}, "patches": 8},
    "fastcut": {"photos": ["photos"], "works": ["works"], "network": {"width": 2, "blocks": 2}, "patches": 8},
    "srgan": {
        "photos": ["photos"],
        "network": {"width": 2, "blocks": 1},
        "scale": 2,
        "augment": {"reach": [0.8, 1.0]},
        "adversarial": {"since": 0.0, "weight": 0.1},
    },
    "pix2pix": {"pairs": "pairs", "network": {"width": 2, "levels": 4}},
}
COMMON: dict[str, Any] = {
    "name": "test", "card": CARD, "hold_out_every": 3, "short_side_px": 40, "batch": 2, "crop_px": 32, "precision": "fp32",
    "discriminator": {"width": 4, "halvings": 2}, "steps": 8,
}  # fmt: skip


def write_pictures(folder: Path) -> None:
    """photos/ and works/ of six pictures each, pairs/ of both side by side."""
    photos, works = skimage.data.chelsea(), skimage.data.coffee()
    for name in ("photos", "works", "pairs"):
        (folder / name).mkdir()
    for i in range(6):
        parts = [np.ascontiguousarray(whole[20 * i : 20 * i + 150, 30 * i : 30 * i + 180]) for whole in (photos, works)]
        photo, work = (resize(part, 60, 50) for part in parts)
        for name, picture in (("photos", photo), ("works", work), ("pairs", np.hstack([photo, work]))):
            Image.fromarray(picture).save(folder / name / f"{i}.png")


def options_of(name: str, folder: Path, /, **changes: Any) -> RunOptions:
    """The smallest options of a recipe, with changes."""
    return resolve({"recipe": name, "data": folder, **COMMON, **SMALL[name], **changes})


def made(name: str, folder: Path, /, **changes: Any) -> TranslatingRecipe:
    """A recipe with its networks, as its seed makes them."""
    options = options_of(name, folder, **changes)
    torch.manual_seed(options.seed)
    recipe = RECIPES[name](options, Machine("cpu", options.precision, tell=lambda text: None))
    assert isinstance(recipe, TranslatingRecipe)
    return recipe


def clock(recipe: TranslatingRecipe, step: int) -> Clock:
    """Step `step` of eight."""
    o = recipe.options
    return Clock(step, step * o.batch, step / 8, o.batch, o.crop_px, o.seed)


def state(recipe: Recipe) -> dict[str, Any]:
    """All that a checkpoint holds of its parts."""
    return {name: part.state_dict() for name, part in recipe.parts.items()}


def tensors(values: Any) -> list[torch.Tensor]:
    """All tensors in a state, in order."""
    if isinstance(values, torch.Tensor):
        return [values]
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, list | tuple) else ()
    return [tensor for value in inner for tensor in tensors(value)]
