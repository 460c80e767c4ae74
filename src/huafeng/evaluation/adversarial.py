"""What a run's own discriminator and curves say, as figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from huafeng.errors import DataError
from huafeng.evaluation.discriminator import accuracy, judge
from huafeng.evaluation.figure import Figure
from huafeng.evaluation.runs import Run
from huafeng.evaluation.works import Works
from huafeng.pixels import U8


def adversarial_figures(
    run: Run, style: str, works: Works | None, results: Sequence[U8]
) -> tuple[dict[str, Figure], list[str]]:
    """The run's calm, and what its discriminator says of crops of works and results; and what is left out, and why.

    Raises:
        StyleNotFound: the run has no such style.
    """
    figures, left_out = dict[str, Figure](), list[str]()
    if (spread := run.stability()) is not None:
        figures["loss-spread"] = Figure("loss-spread", spread)
    try:
        if works is None:
            raise DataError("The discriminator's figures need works: --works DIR.")
        real, made = (judge(run, style, np.stack(crops)) for crops in (works.crops, results))
        found = accuracy(real, made, run.options.adversarial.loss)
    except DataError as reason:
        return figures, [*left_out, str(reason)]
    if found.reason:
        left_out.append(found.reason)
    values = {
        "accuracy-real": (found.real, len(real)),
        "accuracy-made": (found.made, len(made)),
        "calibration-error": (found.calibration_error, len(real) + len(made)),
    }
    measured = {name: (value, count) for name, (value, count) in values.items() if not math.isnan(value)}
    return figures | {name: Figure(name, value, count=count) for name, (value, count) in measured.items()}, left_out
