"""A look from pixels before and after: the smooth table that explains them, by least squares, whatever was done locally.

Two steps. First the likeliest sum of the components of grades (`lookposterior.Prior`: ridge regression), which says what
colours do that hardly occur. Then what that leaves, on a table of 17 nodes per axis, with second differences kept small
(a thin plate on a grid; trilinear weights), and 0 where nothing was seen. How much of each is believed is chosen by
cross-validation over pairs. Pixels that disagree count less (iteratively reweighted least squares, Cauchy's weights).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.colortable import corners, enlarged, sample
from huafeng.look import Lut
from huafeng.lookguess import NODES
from huafeng.pixels import F32, Array

F64 = NDArray[np.float64]

SIZE = 17  # nodes per axis of the table
DOUBTS = (1e-7, 1e-6, 1e-5, 1e-4)  # of components, against the weight of all pixels
DOUBT = 1e-6  # before it is chosen
STIFF = (1e-4, 1e-3, 1e-2)  # of second differences, against the weight of all pixels
HELD = 1e-3  # of the offsets themselves, against those of second differences: unseen colours stay with the components
ROUNDS = 3  # of reweighting
STEPS = 60  # of conjugate gradients
HALVES = 6  # cells per axis by which the colours of one pair are halved
NOISE = 0.006  # least spread of an honest pixel: JPEG's
GAIN, LEAST_GAIN = 0.9, 0.1  # error that a correction of each pair must leave at most; CIEDE2000 that it must save
CAPPED = 6.0  # CIEDE2000: a pixel further off was edited, and tells nothing of the light
MOST_STOPS = 2.0


class Samples(NamedTuple):
    """Pixels of pairs: colours before and after in 0..1 [P, 3], how much each is to be trusted [P], its pair [P], and
    whether it is held out of the fit [P]."""

    before: F32
    after: F32
    trust: F32
    pair: NDArray[np.intp]
    held: NDArray[np.bool_]

    def some(self, chosen: Array) -> Samples:
        """The chosen ones."""
        before, after, trust, pair, held = self
        return Samples(before[chosen], after[chosen], trust[chosen], pair[chosen], held[chosen])


class Explained(NamedTuple):
    """A look, and how well it explains the pairs.

    table: [17, 17, 17, 3].   stops: log2 gains of each pair before the look [n, 3].   corrected: "", "exposure" or
    "white balance".   error: mean CIEDE2000 of held-out pixels.   each: the same of each pair [n].   edited: share of each
    pair's held-out pixels that disagree with the look [n].
    """

    table: F32
    stops: F64
    corrected: str
    error: float
    each: F64
    edited: F64

    @property
    def lut(self) -> Lut:
        """The look on 33 nodes."""
        return Lut(np.clip(self.table, 0, 1).astype(np.float32)).resampled(33)


def explain(samples: Samples, fields: F32) -> Explained:
    """The look that explains pairs best.

    Args:
        samples: pixels of the pairs.
        fields: components of grades [K, 9, 9, 9, 3], one deviation each.
    """
    count = int(samples.pair.max()) + 1
    learn, held = samples.some(~samples.held), samples.some(samples.held)
    stops, corrected = correction(learn, held, fields)
    learn, held, samples = (part._replace(before=lit(part.before, stops[part.pair])) for part in (learn, held, samples))
    doubt, stiff = chosen_smoothness(learn, fields)
    table = fitted(learn, fields, doubt, stiff)
    error = difference(table, held.before, held.after)
    apart = error > max(4.0, 4 * float(np.median(error)))
    each, edited = (np.bincount(held.pair, x, count) / np.bincount(held.pair, minlength=count).clip(1) for x in (error, apart))
    table = fitted(samples, fields, doubt, stiff, rounds=2, table=table)
    return Explained(table, stops, corrected, float(error.mean()), each, edited)


def correction(learn: Samples, held: Samples, fields: F32) -> tuple[F64, str]:
    """Each pair's own log2 gains before the look [n, 3], if they explain held-out pixels much better; and what they are."""
    count = int(learn.pair.max()) + 1
    stops, corrected, least = np.zeros((count, 3)), "", math.inf
    for name in ("", "exposure", "white balance"):
        if name and count < 3:
            break  # one picture's exposure is the look's
        now = stops.copy()
        table = fitted(learn, fields, DOUBT, None, rounds=2)
        for _ in range(3 if name else 0):
            now = pair_stops(learn, table, now, one=name == "exposure")
            table = fitted(
                learn._replace(before=lit(learn.before, now[learn.pair])), fields, DOUBT, None, rounds=2, table=table
            )
        error = float(np.minimum(difference(table, lit(held.before, now[held.pair]), held.after), CAPPED).mean())
        if error < min(GAIN * least, least - LEAST_GAIN):
            stops, corrected, least = now, name, error
    return stops, corrected


def lit(colors: F32, stops: F64) -> F32:
    """Colours [P, 3] in more or less light: log2 gains [P, 3] on linear light (a power of 2.2, near enough)."""
    if not stops.any():
        return colors
    return np.asarray((colors * np.exp2(stops / 2.2)).clip(0, 1), np.float32)


def difference(table: F32, before: F32, after: F32) -> F64:
    """CIEDE2000 of each pixel between the look and what was made of it [P]."""
    made = np.clip(sample(table, before), 0, 1).astype(np.float32)
    return np.asarray(ciede2000(srgb_to_lab(made), srgb_to_lab(after)))


def pair_stops(samples: Samples, table: F32, stops: F64, *, one: bool) -> F64:
    """Log2 gains of each pair [n, 3] that bring it nearest to the look, from those so far; their median is 0.

    A step of Gauss and Newton for each pair, reweighted. one: the same for all channels.
    """
    h = 0.05
    new = stops.copy()
    for k in range(len(stops)):
        mine = samples.some(samples.pair == k)
        for _ in range(3):
            made = sample(table, lit(mine.before, new[k][None]))
            slopes = []
            for axis in range(3):
                more = new[k].copy()
                more[slice(None) if one else axis] += h
                slopes.append((sample(table, lit(mine.before, more[None])) - made) / h)
                if one:
                    break
            left = mine.after - made
            weight = mine.trust * cauchy(left)
            slope = np.stack(slopes, -1).astype(np.float64)  # [P, 3, 1 or 3]
            squares = np.einsum("pci,pcj,p->ij", slope, slope, weight)
            pull = np.einsum("pci,pc,p->i", slope, left, weight)
            squares += 1e-3 * max(1e-9, np.trace(squares)) * np.eye(len(squares))
            new[k] = np.clip(new[k] + np.linalg.solve(squares, pull), -MOST_STOPS, MOST_STOPS)
    return np.asarray(new - np.median(new, 0))


def cauchy(left: Array) -> F64:
    """Weights of pixels by what is left of them [P, 3]: 1 / (1 + (r / c)^2), c from the median of r."""
    size = np.sqrt((left.astype(np.float64) ** 2).sum(1))
    scale = max(NOISE, 1.5 * float(np.median(size)))
    return np.asarray(1 / (1 + (size / scale) ** 2))


def chosen_smoothness(samples: Samples, fields: F32) -> tuple[float, float]:
    """How much components and second differences are doubted: by cross-validation over two halves of the pairs, or of the
    colours where there is one pair."""
    guess = fitted(samples, fields, DOUBT, None, rounds=2)
    trust = samples.trust * cauchy(samples.after - sample(guess, samples.before))
    fold = samples.pair % 2 if samples.pair.any() else halves(samples.before)
    ways = []
    for k in (0, 1):
        inside = fold == k
        if inside.any() and not inside.all():
            ways.append((_Fit(samples.some(inside), fields, trust[inside]), samples.some(~inside), trust[~inside]))

    def left(make: Callable[[_Fit], F64]) -> float:
        return sum(
            float((np.abs(sample(make(fit), other.before) - other.after + other.before).sum(1) * weight).sum() / weight.sum())
            for fit, other, weight in ways
        )

    doubt = min(DOUBTS, key=lambda d: left(lambda fit: fit.components(d)))
    stiff = min(STIFF, key=lambda s: left(lambda fit: fit.both(doubt, s)))
    return doubt, stiff


def halves(colors: F32) -> NDArray[np.intp]:
    """Two halves that do not share their colours: a chequerboard of the cube's cells."""
    return np.asarray((colors * (HALVES - 0.001)).astype(np.intp).sum(1) % 2)


def fitted(
    samples: Samples, fields: F32, doubt: float, stiff: float | None, rounds: int = ROUNDS, table: F32 | None = None
) -> F32:
    """The table [17, 17, 17, 3] that takes colours before to those after.

    stiff: None for a sum of components alone.   table: one that is near already.
    """
    for _ in range(rounds):
        trust: Array = samples.trust
        if table is not None:
            trust = trust * cauchy(samples.after - sample(table, samples.before))
        fit = _Fit(samples, fields, trust)
        change = fit.components(doubt) if stiff is None else fit.both(doubt, stiff)
        table = np.asarray(Lut.identity(SIZE).table + change, np.float32)
    assert table is not None
    return table


class _Fit:
    """Least squares with given weights of the pixels."""

    def __init__(self, samples: Samples, fields: F32, trust: Array) -> None:
        self.weight = trust.astype(np.float64)
        self.offset = (samples.after - samples.before).astype(np.float64)
        self.before, self.fields = samples.before, fields
        self._coarse: tuple[F64, F64] | None = None
        self._fine: tuple[F64, F64] | None = None

    def components(self, doubt: float) -> F64:
        """Offsets [17, 17, 17, 3]: the likeliest sum of the fields, each of deviation 1."""
        flat = self.fields.reshape(len(self.fields), -1, 3)
        if self._coarse is None:
            near, pull = gathered(self.before, self.offset, self.weight, NODES)
            squares, right = np.zeros((len(flat),) * 2), np.zeros(len(flat))
            for c in range(3):
                field = np.ascontiguousarray(flat[..., c].T, np.float64)  # [729, K]
                squares += field.T @ _times(near, field, NODES)
                right += field.T @ pull[:, c]
            self._coarse = squares, right
        squares, right = self._coarse
        found = np.linalg.solve(squares + doubt * self.weight.sum() * np.eye(len(flat)), right)
        return enlarged(np.tensordot(found, flat, 1).reshape(NODES, NODES, NODES, 3), SIZE)

    def both(self, doubt: float, stiff: float) -> F64:
        """Offsets [17, 17, 17, 3]: these, and a smooth table of what they leave, by conjugate gradients."""
        if self._fine is None:
            self._fine = gathered(self.before, self.offset, self.weight, SIZE)
        near, pull = self._fine
        change = self.components(doubt)
        strength = stiff * self.weight.sum() / SIZE
        right = pull - _times(near, change.reshape(-1, 3), SIZE)

        def apply(x: F64) -> F64:
            cube = x.reshape(SIZE, SIZE, SIZE, 3)
            rough = sum(_bend(cube, axis) for axis in range(3))
            return _times(near, x, SIZE) + strength * (np.reshape(rough, x.shape) + HELD * x)

        inverse = 1 / (near[13][:, None] + strength * (18 + HELD))
        x, left = np.zeros_like(right), right
        toward = step = inverse * left
        energy = float((left * step).sum())
        enough = 1e-6 * energy
        for _ in range(STEPS):
            if energy <= enough:
                break
            moved = apply(toward)
            length = energy / float((toward * moved).sum())
            x, left = x + length * toward, left - length * moved
            step = inverse * left
            energy, last = float((left * step).sum()), energy
            toward = step + (energy / last) * toward
        return np.asarray(change + x.reshape(change.shape))


def gathered(colors: F32, values: F64, weight: F64, size: int) -> tuple[F64, F64]:
    """The normal equations of a trilinear table: products between each node and its 27 neighbours [27, N^3], and the weighted
    values of the pixels [P, 3] at the nodes [N^3, 3]."""
    nodes, shares = corners(colors.astype(np.float64), size)
    weighted = shares * weight
    pull: F64 = np.stack([np.bincount(nodes.ravel(), (weighted * v).ravel(), size**3) for v in values.T], 1).astype(np.float64)
    near = np.zeros((27, size**3))
    steps = np.array(list(np.ndindex(2, 2, 2)))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            code = int((b - a + 1) @ (1, 3, 9))
            near[code] += np.bincount(nodes[i], weighted[i] * shares[j], size**3)
    return near, pull


def _times(near: F64, x: F64, n: int) -> F64:
    """The matrix of `gathered` times columns [N^3, K]."""
    total = near[13][:, None] * x
    for code in range(14, 27):  # symmetric: the other half are the same, from the other side
        step = (code % 3 - 1) * n * n + (code // 3 % 3 - 1) * n + code // 9 - 1
        forth, back = near[code], near[26 - code]
        if step > 0:
            total[:-step] += forth[:-step, None] * x[step:]
            total[step:] += back[step:, None] * x[:-step]
        else:
            total[-step:] += forth[-step:, None] * x[:step]
            total[:step] += back[:step, None] * x[-step:]
    return total


def _bend(cube: F64, axis: int) -> F64:
    """D^T D x of second differences along an axis."""
    bend = np.moveaxis(np.diff(cube, 2, axis), axis, 0)
    out = np.zeros_like(np.moveaxis(cube, axis, 0))
    out[:-2] += bend
    out[1:-1] -= 2 * bend
    out[2:] += bend
    return np.moveaxis(out, 0, axis)
