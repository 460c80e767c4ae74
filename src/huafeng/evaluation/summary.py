"""Values of pictures -> figures with intervals and baselines, and the strength curve."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from huafeng.evaluation.bootstrap import interval, percentiles, resamples
from huafeng.evaluation.cleanliness import grid_energy_of
from huafeng.evaluation.figure import CurvePoint, Figure
from huafeng.evaluation.space import StyleSpace
from huafeng.evaluation.values import F64, Values
from huafeng.evaluation.works import Seen, Works
from huafeng.training.distances import Kernels, frechet, kid_resampled

SAFE_CONTENT = 0.5  # content kept from which on a strength is called safe
FRECHET_DRAWS = 50
GRID_DRAWS = 200
SURE = 0.95  # share of the draws in which there must be a gap, for one to be closed


def pair_figures(found: Values, photos: Values, others: Values) -> dict[str, Figure]:
    """Means over pictures with their intervals, and the set's grid energy.

    Args:
        found: of the results.
        photos: of the plain photos, the identity baseline.
        others: of works, or of unrelated photos, in the photos' place.
    """
    figures = {}
    whole = {"recoloured-160": 1.0, "recoloured": 1.0, "faces-kept": 1.0, "face-shift": 0.0}  # what the photo itself has
    same = _by_picture(photos) | {name: np.array([value]) for name, value in whole.items()}
    random = _by_picture(others)
    for name, values in _by_picture(found).items():
        measured = int((~np.isnan(values)).sum())
        if measured:
            baselines = _mean(same.get(name)), _mean(random.get(name))
            figures[name] = Figure(name, float(np.nanmean(values)), interval(values), *baselines, measured)
    if len(found.lattice):
        drawn = np.stack([found.lattice[rows].sum(0) for rows in resamples(len(found.lattice), draws=GRID_DRAWS)])
        value, identity, one = (float(grid_energy_of(values.lattice.sum(0))) for values in (found, photos, others))
        figures["grid"] = Figure("grid", value, percentiles(grid_energy_of(drawn)), identity, one, len(found.lattice))
    return figures


def _by_picture(values: Values) -> dict[str, F64]:
    return values.pairs | {"content-kept": values.content} | ({"gram-distance": values.grams} if len(values.grams) else {})


def style_figures(
    found: Values, photos: Values, works: Works, seen: Seen, space: StyleSpace, strengths: Sequence[float]
) -> tuple[dict[str, Figure], tuple[CurvePoint, ...]]:
    """Distances to the works, the gap closed, and the curve over `found.blended`'s strengths and 1.

    Where plain photos lie as near to the works as works do there is no gap, and neither share nor curve.
    """
    count = len(found.content)
    draws = _Draws(count, works)
    real, plain, made = (space(style) for style in (seen.style, photos.style, found.style))
    first, second = (real[rows] for rows in works.halves)
    split = draws.kid_of_halves(Kernels.of(first, second))
    from_photo, from_result = (draws.kid(Kernels.of(one, real)) for one in (plain, made))
    gap = from_photo - split
    figures = {
        "kid": _figure("kid", from_result, from_photo[0], split[0], count),
        "frechet": _frechet_figure(made, plain, real, first, second),
    }
    if (gap > 0).mean() < SURE:
        return figures, ()
    closed = (from_photo - from_result) / np.where(gap > 0, gap, np.nan)
    figures["style-gap-closed"] = _figure("style-gap-closed", closed, 0.0, 1.0, count)

    steps, gaps, contents = [0.0], [np.zeros_like(closed)], [np.ones_like(closed)]
    for strength, (style, content) in zip((*strengths, 1.0), (*found.blended, (found.style, found.content)), strict=True):
        steps.append(strength)
        gaps.append((from_photo - draws.kid(Kernels.of(space(style), real))) / np.where(gap > 0, gap, np.nan))
        contents.append(np.concatenate([[content.mean()], content[draws.photos].mean(1)]))
    area = _area(np.stack(gaps), np.stack(contents))
    figures["curve-area"] = _figure("curve-area", area, 0.0, 0.0, count)
    curve = tuple(CurvePoint(s, float(g[0]), float(c[0])) for s, g, c in zip(steps, gaps, contents, strict=True))
    return figures, curve


class _Draws:
    """The same resampled photos and works for every figure, so that their ratios are resampled, too."""

    def __init__(self, photos: int, works: Works) -> None:
        self.photos = np.stack(list(resamples(photos)))
        unit = works.per_work if works.split_by_work else 1  # crops of one work stay together
        self._halves = [_drawn_groups(len(rows), unit, seed) for seed, rows in enumerate(works.halves, 1)]
        self._works = np.concatenate([rows[drawn] for rows, drawn in zip(works.halves, self._halves, strict=True)], axis=1)

    def kid(self, kernels: Kernels) -> F64:
        """KID of photos or results against all works: of the sample, then of each draw."""
        return _with_sample(kernels, self.photos, self._works)

    def kid_of_halves(self, kernels: Kernels) -> F64:
        """The same of the works' halves."""
        return _with_sample(kernels, *self._halves)


def _drawn_groups(rows: int, unit: int, seed: int) -> NDArray[np.intp]:
    groups = np.arange(rows).reshape(-1, unit)
    return np.stack([groups[drawn].ravel() for drawn in resamples(len(groups), seed=seed)])


def _with_sample(kernels: Kernels, a: NDArray[np.intp], b: NDArray[np.intp]) -> F64:
    whole = kid_resampled(kernels, np.arange(len(kernels.aa)), np.arange(len(kernels.bb)))
    return np.concatenate([[whole], kid_resampled(kernels, a, b)])


def _figure(name: str, found: F64, identity: float, random: float, count: int) -> Figure:
    """From the sample's value and the draws'."""
    return Figure(name, float(found[0]), percentiles(found[1:]), float(identity), float(random), count)


def _frechet_figure(made: F64, plain: F64, works: F64, first: F64, second: F64) -> Figure:
    """Resampled sets repeat pictures, which raises the distance: only the draws' spread is used, around the value."""
    value = frechet(made, works)
    drawn = [frechet(made[rows], works) for rows in resamples(len(made), draws=FRECHET_DRAWS)]
    margin = 1.96 * float(np.std(drawn, ddof=1))
    return Figure(
        "frechet", value, (max(0.0, value - margin), value + margin), frechet(plain, works), frechet(first, second), len(made)
    )


def _area(gaps: F64, contents: F64) -> F64:
    """Area between the curve and the straight line gap = 1 - content, by trapezoids: [steps, draws] twice -> [draws]."""
    above = gaps - (1 - contents)
    widths = -np.diff(contents, axis=0)
    area: F64 = ((above[1:] + above[:-1]) / 2 * widths).sum(0)
    return area


def safe_strength(curve: Sequence[CurvePoint]) -> tuple[float, float] | None:
    """Strengths at which content kept stays at least 0.5, between points as on a straight line."""
    for before, after in pairwise(curve):
        if after.content_kept < SAFE_CONTENT:
            share = (before.content_kept - SAFE_CONTENT) / (before.content_kept - after.content_kept)
            return 0.0, round(before.strength + share * (after.strength - before.strength), 2)
    return (0.0, 1.0) if curve else None


def _mean(values: F64 | None) -> float | None:
    if values is None:
        return None
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
