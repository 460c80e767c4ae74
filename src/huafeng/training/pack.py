"""The files of a run, at any time; or of several runs made into one.

    python -m huafeng.training.pack RUN [RUN ...] --out FOLDER

Several runs that went on from the same weights (`init`) are averaged, see `ensemble`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from huafeng.errors import HuafengError
from huafeng.training.ensemble import average_states
from huafeng.training.learner import Average
from huafeng.training.recipe import Machine
from huafeng.training.recipefile import resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.recipes.painting import PaintingOptions, export_painter
from huafeng.training.run import BEST, read_options
from huafeng.training.transfer import earlier_weights


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder, or a checkpoint in one")
    parser.add_argument("--out", type=Path, required=True, help="folder for what a run leaves in its styles/")
    args = parser.parse_args(arguments)
    try:
        for path in pack(args.runs, args.out):
            print(path, path.stat().st_size, "bytes")
    except HuafengError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


def pack(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Export the mean of these runs' averaged weights; names and cards are the first one's.

    What paints in art styles needs no data for that; what other recipes leave is measured anew for its card, on theirs.

    Raises:
        TrainingError: no run, other styles or shapes.   DataError: the data have gone.
    """
    states = [earlier_weights(str(run), print) for run in runs]
    first = runs[0]
    run = first if first.is_dir() else first.parent.parent if first.parent.name == BEST else first.parent
    options = resolve(read_options(run)["options"])
    if isinstance(options, PaintingOptions):
        painter = options.painter()
        painter.load_state_dict(average_states(states))
        return export_painter(painter, options, folder)
    recipe = RECIPES[options.recipe](replace(options, init=None), Machine(precision=options.precision))
    average = recipe.parts["average"]
    assert isinstance(average, Average)
    average.module.load_state_dict(average_states(states))
    folder.mkdir(parents=True, exist_ok=True)
    return recipe.export(folder)


if __name__ == "__main__":
    main()
