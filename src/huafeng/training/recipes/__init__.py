"""All recipes: a name, the dataclass of its options, and its class."""

from __future__ import annotations

from typing import Any, NamedTuple

from huafeng.training.recipe import Machine, Recipe, RunOptions
from huafeng.training.recipes.art import Art, ArtOptions
from huafeng.training.recipes.cut import Cut, CutOptions, FastCutOptions
from huafeng.training.recipes.cyclegan import CycleGan, CycleGanOptions
from huafeng.training.recipes.fast_style import FastStyle, FastStyleOptions
from huafeng.training.recipes.gan import Gan, GanOptions
from huafeng.training.recipes.looks import Looks, LooksOptions
from huafeng.training.recipes.pix2pix import Pix2Pix, Pix2PixOptions
from huafeng.training.recipes.srgan import Srgan, SrganOptions


class Kind(NamedTuple):
    """A recipe's options, and what makes it of them and a machine."""

    options: type[RunOptions]
    recipe: Any  # a class: (options, machine) -> Recipe

    def __call__(self, options: RunOptions, machine: Machine) -> Recipe:
        """Build the networks and open the data."""
        recipe: Recipe = self.recipe(options, machine)
        return recipe


RECIPES = {
    "art": Kind(ArtOptions, Art),
    "cut": Kind(CutOptions, Cut),
    "cyclegan": Kind(CycleGanOptions, CycleGan),
    "fast-style": Kind(FastStyleOptions, FastStyle),
    "fastcut": Kind(FastCutOptions, Cut),
    "gan": Kind(GanOptions, Gan),
    "looks": Kind(LooksOptions, Looks),
    "pix2pix": Kind(Pix2PixOptions, Pix2Pix),
    "srgan": Kind(SrganOptions, Srgan),
}
