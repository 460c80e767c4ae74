"""Pictures made from noise, against real ones: Frechet distance, KID, precision, recall, diversity, near copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from huafeng.errors import DataError, PhotoError
from huafeng.evaluation.bootstrap import percentiles, resamples
from huafeng.evaluation.cleanliness import CROP, grid_energy_of, lattice_power
from huafeng.evaluation.figure import GLOSSARY, Figure, pinned
from huafeng.evaluation.networks import BATCH, Network, look
from huafeng.evaluation.protocol import FRECHET_PICTURES, LEAST_PHOTOS, Protocol, at_short_side
from huafeng.evaluation.result import Evaluation, Example
from huafeng.evaluation.subjects import read
from huafeng.pixels import U8
from huafeng.training.distances import Kernels, diversity, frechet, kid_resampled, near_copies, precision_recall
from huafeng.training.pictures import Pictures, listing

F64 = NDArray[np.float64]
DRAWS = 50  # of figures that are slow to resample


def evaluate_generated(
    name: str,
    made: Pictures,
    real: Pictures,
    network: Network,
    protocol: Protocol,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Figures of made pictures against real ones, both as middle squares of the protocol's crop size.

    The identity baseline is one half of the real pictures against the other half: what a perfect generator would have.

    Raises:
        DataError: fewer than 10 of a kind can be read.
    """
    began = time.monotonic()
    (made_names, squares_made, made_bad), (real_names, squares_real, real_bad) = (
        _squares(pictures, protocol, advance) for pictures in (made, real)
    )
    for kind, squares in (("made", squares_made), ("real", squares_real)):
        if len(squares) < LEAST_PHOTOS:
            raise DataError(f"At least {LEAST_PHOTOS} {kind} pictures are needed for figures, and here are {len(squares)}.")
    a, b = (_pooled(network, squares, advance) for squares in (squares_made, squares_real))
    half = np.random.default_rng(0).permutation(len(b))
    one, other = b[half[::2]], b[half[1::2]]
    figures = _figures(a, b, one, other)
    copies = near_copies(a, b)
    if protocol.crop_px == CROP:
        powers, plain = (np.stack([lattice_power(p) for p in squares]) for squares in (squares_made, squares_real))
        drawn = np.stack([powers[rows].sum(0) for rows in resamples(len(powers), draws=200)])
        value, identity = (float(grid_energy_of(one.sum(0))) for one in (powers, plain))
        figures["grid"] = Figure("grid", value, percentiles(grid_energy_of(drawn)), identity, count=len(a))
    pair = made_names[copies.made], real_names[copies.real]
    warnings = ["The made picture most like a real one is {}, beside {}: look at the two.".format(*pair)]
    if min(len(a), len(b)) < FRECHET_PICTURES:
        fewest = min(len(a), len(b))
        warnings.append(f"Frechet distance is biased under {FRECHET_PICTURES:,} pictures, and here are {fewest:,}: KID leads.")
    if bad := made_bad + real_bad:
        warnings.append(f"Pictures that cannot be read are left out: {listing(bad)}.")
    return Evaluation(
        name,
        protocol.name,
        network.name,
        {
            "made": {"count": len(a), "fingerprint": made.fingerprint},
            "real": {"count": len(b), "fingerprint": real.fingerprint},
            "network": {"name": network.name, "sha256": network.sha256},
        },
        tuple(figures[key].renamed(pinned(key, network.name)) for key in GLOSSARY if key in figures),
        warnings=tuple(warnings),
        left_out=("Style and content figures need photos with results of their names: --photos DIR.",),
        seconds=time.monotonic() - began,
        examples=(Example("most like a real one", squares_real[copies.real], squares_made[copies.made], 0.0),),
    )


def _figures(made: F64, real: F64, one: F64, other: F64) -> dict[str, Figure]:
    kernels, null = Kernels.of(made, real), Kernels.of(one, other)
    rows = np.arange(len(made)), np.arange(len(real))
    drawn = kid_resampled(kernels, *(np.stack(list(resamples(len(r), seed=k))) for k, r in enumerate(rows)))
    kid = 1000 * float(kid_resampled(kernels, *rows))
    plain = 1000 * float(kid_resampled(null, np.arange(len(one)), np.arange(len(other))))
    figures = {"generated-kid": Figure("generated-kid", kid, percentiles(1000 * drawn), plain, count=len(made))}
    measures: dict[str, Callable[[F64, F64], float]] = {
        "generated-frechet": frechet,
        "precision": lambda m, r: precision_recall(r, m)[0],
        "recall": lambda m, r: precision_recall(r, m)[1],
        "diversity": diversity,
        "duplicates": lambda m, r: near_copies(m, r).share,
    }
    for name, measure in measures.items():
        value = measure(made, real)
        spread = np.std([measure(made[some], real) for some in resamples(len(made), draws=DRAWS)], ddof=1)
        margin = 1.96 * float(spread)  # resampled sets repeat pictures, which moves these figures: only their spread is used
        low, high = value - margin, value + margin
        within = (max(0.0, low), min(1.0, high) if name in ("precision", "recall", "duplicates") else high)
        figures[name] = Figure(name, value, within, measure(one, other), count=len(made))
    return figures


def _squares(pictures: Pictures, protocol: Protocol, advance: Callable[[], None]) -> tuple[list[str], list[U8], list[str]]:
    """Names and middle squares of the pictures that can be read, and the names of the others."""
    found, bad = dict[str, U8](), list[str]()
    for i, name in enumerate(pictures.names):
        try:
            found[name] = protocol.crop(at_short_side(read(pictures, i), protocol.crop_px)).copy()
        except PhotoError:
            bad.append(name)
        advance()
    return list(found), list(found.values()), bad


def _pooled(network: Network, squares: Sequence[U8], advance: Callable[[], None]) -> F64:
    parts = []
    for start in range(0, len(squares), BATCH):
        parts.append(look(network, squares[start : start + BATCH]).pooled)
        for _ in squares[start : start + BATCH]:
            advance()
    return np.concatenate(parts).astype(np.float64)


def name_of(folder: Path) -> str:
    """A folder's own name."""
    return folder.resolve().name
