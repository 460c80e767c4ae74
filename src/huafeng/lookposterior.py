"""The look that explains best how a folder's moments differ from untouched photos', given how grades usually are. Numpy alone.

Generalised method of moments (Hansen, Econometrica 1982) with a prior: how much each moment varies from photo to photo, and
with which others, says what is content; the rest is the grade's. Grades are sums of the principal components of random ones,
with a normal prior around a first guess; its width is the one under which the folder is likeliest (empirical Bayes: Robbins,
1956). Where nothing but content is seen, that width is next to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.colortable import corners, enlarged
from huafeng.look import Lut
from huafeng.lookmoments import OFTEN, Glimpse, moments, places, unit
from huafeng.pixels import F32, U8

F64 = NDArray[np.float64]

NODES = 9  # per axis, of the components
ITERATIONS = 5
DAMPING, LEAST_SHARE = 0.6, 0.05  # share of the way to each solution, halved while it leads up: moments are not linear
CENTER = 0.5  # the prior's centre, as a share of the first guess
CONTENT = 0.83  # variance that counts as content's, over that of single photos: what a look leaves unexplained included
SHRINKAGE = 0.1  # towards moments that do not go together (Ledoit & Wolf, 2004, with a fixed share)
WIDTHS = np.logspace(-4, 0.5, 40)  # among which the prior's width is found
ROUNDED = 1e-4  # least variance of a moment: rare colours are all alike in a few hundred photos, and not in a folder
FRESH = 2  # iterations for which derivatives are found anew: after that the look hardly moves
STEP = 0.02  # in deviations of the prior, for derivatives
SLOPES_OF = 80  # photos over which derivatives are means
COMMON, RARE = 10.0, 0.3  # a colour weighs as often as photos have it, at most so many times the mean, and a floor more
RIDGE = 0.07  # the prior's share where a look is expressed by components
ENOUGH = 300  # photos from which it can be told how moments go together


class Prior(NamedTuple):
    """What is known before a folder is seen.

    components: principal components of random grades, offsets [K, 9, 9, 9, 3] of colours in 0..1.
    variances: theirs [K].
    photos: neighbouring colours of untouched photos in general, uint8 [N, 2, 64, 3, 3] (`lookmoments.places`).
    """

    components: F32
    variances: F32
    photos: U8


def likeliest(
    guess: Lut,
    prior: Prior,
    finished: Sequence[Glimpse],
    untouched: Sequence[Glimpse] | None = None,
    watch: Callable[[Lut], None] | None = None,
) -> Lut:
    """The likeliest look.

    Args:
        guess: where to begin, and on which side of doing nothing the prior lies.
        prior: how grades and photos are.
        finished: the finished pictures.
        untouched: photos without the look; None: the prior's photos.
        watch: is given the look so far, several times.
    """
    scale = np.sqrt(prior.variances)[:, None, None, None, None].astype(np.float32)
    fields = (prior.components * scale).reshape(len(scale), -1, 3)
    photos = prior.photos if untouched is None else places(untouched)
    plain = _Photos(photos)
    varying = plain if len(photos) >= ENOUGH else _Photos(prior.photos)
    some = _Photos(photos[:: max(1, len(photos) // SLOPES_OF)])
    each = np.mean([moments(unit(places(finished, k))) for k in range(OFTEN)], 0)
    wanted = each.mean(0)

    def offsets(z: F64) -> F32:
        return np.tensordot(z.astype(np.float32), fields, 1)

    def look(z: F64) -> Lut:
        table = Lut.identity(guess.size).table + enlarged(offsets(z).reshape(NODES, NODES, NODES, 3), guess.size)
        return Lut(np.clip(table, 0, 1).astype(np.float32))

    z = _nearest(guess, fields, plain)
    center, found = CENTER * z, plain.moments(offsets(z))
    for k in range(ITERATIONS):
        now = offsets(z)
        whiten = _whitening(found if varying is plain else varying.moments(now))
        if k == 0:
            by_chance = CONTENT * (1 / independent(each, whiten) + 1 / len(photos))
        whiten /= math.sqrt(by_chance)
        if k < FRESH:
            derivatives = some.slopes(now, fields)
        slopes = whiten @ derivatives
        left = whiten @ (wanted - found.mean(0))
        best, width = _posterior(left + slopes @ (z - center), slopes)
        cost, share = (left**2).sum() + ((z - center) ** 2).sum() / width, DAMPING
        while share > LEAST_SHARE:
            there = z + share * (center + best - z)
            found_there = plain.moments(offsets(there))
            if ((whiten @ (wanted - found_there.mean(0))) ** 2).sum() + ((there - center) ** 2).sum() / width <= cost:
                break
            share /= 2
        else:
            break
        z, found = there, found_there
        if watch:
            watch(look(z))
    return look(z)


def independent(found: F32, whiten: F64) -> float:
    """How many pictures as unlike each other as photos usually are tell as much as these: sum_i 1 / sum_j r_ij^2, r the
    correlations of their moments [n, M], whitened. Five views of one scene tell hardly more than one."""
    left = (found - found.mean(0)) @ whiten.T
    left /= np.linalg.norm(left, axis=1, keepdims=True) + 1e-9
    return max(1.0, float((1 / np.maximum((left @ left.T) ** 2, np.eye(len(left))).sum(1)).sum()))


class _Photos:
    """Neighbouring colours of photos, to be graded again and again."""

    def __init__(self, photos: U8) -> None:
        self.colors = unit(photos)  # [n, 2, p, 3, 3]
        self.nodes, self.shares = corners(self.colors.reshape(-1, 3), NODES)

    def moments(self, field: F32) -> F32:
        """Moments [n, M] of the photos, moved by offsets at the nodes [729, 3]."""
        moved = (self.shares[..., None] * field[self.nodes]).sum(0)
        return moments(np.clip(self.colors + moved.reshape(self.colors.shape), 0, 1))

    def slopes(self, field: F32, fields: F32) -> F32:
        """How the photos' mean moments change with each of K offsets [K, 729, 3] on top of `field`: [M, K]."""
        here = self.moments(field).mean(0)
        return np.stack([(self.moments(field + STEP * more).mean(0) - here) / STEP for more in fields], 1)


def _whitening(found: F32) -> F64:
    """What makes noise of variance 1 out of the differences between photos' moments [n, M]: a matrix [M, M]."""
    scale = np.sqrt(found.var(0) + ROUNDED)
    spread = (found - found.mean(0)) / scale
    together = spread.T @ spread / len(found) + SHRINKAGE * np.eye(len(scale))
    return np.asarray(np.linalg.inv(np.linalg.cholesky(together.astype(np.float64))) / scale)


def _posterior(left: F64, slopes: F64) -> tuple[F64, float]:
    """Mean of z ~ N(0, w I) given left = slopes z + noise of variance 1, and w, under which `left` is likeliest."""
    u, singular, v = np.linalg.svd(slopes, full_matrices=False)
    along = u.T @ left
    variance = 1 + WIDTHS[:, None] * singular**2
    width = WIDTHS[np.argmax(-(np.log(variance) + along**2 / variance).sum(1))]
    return v.T @ (width * singular / (1 + width * singular**2) * along), float(width)


def _nearest(guess: Lut, fields: F32, photos: _Photos) -> F64:
    """Coordinates of a look among the components: least squares over the colours of photos, and a little of the prior."""
    nodes, shares = photos.nodes[:, ::3], photos.shares[:, ::3]  # one of each three
    mass = np.bincount(nodes.ravel(), shares.ravel(), NODES**3)
    weight = np.sqrt(np.minimum(mass / mass.mean(), COMMON) + RARE)[:, None]
    stride = (guess.size - 1) // (NODES - 1)
    offsets = (guess.table - Lut.identity(guess.size).table)[::stride, ::stride, ::stride].reshape(-1, 3)
    rows = np.concatenate([(fields * weight).reshape(len(fields), -1).T, RIDGE * np.eye(len(fields))])
    return np.asarray(np.linalg.lstsq(rows, np.append((offsets * weight).ravel(), np.zeros(len(fields))))[0])
