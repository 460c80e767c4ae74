"""The look that explains best how a folder's moments differ from untouched photos', given what was guessed. Numpy alone.

Generalised method of moments (Hansen, Econometrica 1982) with a normal prior around a guess, as wide along each component of
grades as the guess is doubted: how much each moment varies from photo to photo, and with which others, says what is content;
the rest is the grade's. A step of Gauss and Newton, as moments are not linear, but nearly so around a good guess.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.colortable import corners, enlarged, sample
from huafeng.look import Lut
from huafeng.lookguess import NODES, Guess
from huafeng.lookmoments import moments, unit
from huafeng.pixels import F32, U8

F64 = NDArray[np.float64]

WIDTH = 0.05  # share of the doubts' variance: the guess has seen these moments before
STRONG = 18.0  # CIEDE2000, the median of photos' colours: a look that moves them further stays as it was guessed
CONTENT = 0.83  # variance that counts as content's, over that of single photos
SHRINKAGE = 0.1  # towards moments that do not go together (Ledoit & Wolf, 2004, with a fixed share)
ROUNDED = 1e-4  # least variance of a moment: rare colours are all alike in a few hundred photos, and not in a folder
STEP = 0.02  # in deviations of the prior, for derivatives
SLOPES_OF = 80  # photos over which derivatives are means
ENOUGH = 300  # photos from which it can be told how moments go together


class Prior(NamedTuple):
    """What is known before a folder is seen.

    fields: principal components of random grades, one deviation of each, offsets [K, 9, 9, 9, 3] of colours in 0..1.
    photos: neighbouring colours of untouched photos in general, uint8 [N, 2, 64, 3, 3] (`lookmoments.places`).
    """

    fields: F32
    photos: U8


def likeliest(guess: Guess, prior: Prior, photos: U8, each: F32) -> Lut:
    """The likeliest look around a guess.

    Args:
        guess: what was guessed, and how far off it may be.
        prior: how grades are, and photos in general.
        photos: neighbouring colours of untouched photos, the prior's or others, uint8 [N, 2, 64, 3, 3].
        each: moments of each finished picture [n, M].
    """
    if strong(guess.lut, photos):
        return guess.lut
    plain = _Photos(photos)
    scale = (math.sqrt(WIDTH) * guess.doubts)[:, None, None, None, None]
    fields = (prior.fields * scale).reshape(len(scale), -1, 3)
    stride = (guess.lut.size - 1) // (NODES - 1)
    offsets = (guess.lut.table - Lut.identity(guess.lut.size).table)[::stride, ::stride, ::stride].reshape(-1, 3)
    found = plain.moments(offsets)
    whiten = whitening((1.0, found if len(photos) >= ENOUGH else _Photos(prior.photos).moments(offsets)))
    whiten /= math.sqrt(CONTENT * (1 / independent(each, whiten) + 1 / len(photos)))
    slopes = whiten @ _Photos(photos[:: max(1, len(photos) // SLOPES_OF)]).slopes(offsets, fields)
    left = whiten @ (each.mean(0) - found.mean(0))
    # the mean of d ~ N(0, I) given left = slopes d + noise of variance 1
    d = np.linalg.solve(slopes.T @ slopes + np.eye(len(fields)), slopes.T @ left)
    change = np.tensordot(d.astype(np.float32), fields, 1).reshape(NODES, NODES, NODES, 3)
    return Lut(np.clip(guess.lut.table + enlarged(change, guess.lut.size), 0, 1).astype(np.float32))


def strong(lut: Lut, photos: U8) -> bool:
    """Whether a look moves the colours of photos uint8 [N, 2, 64, 3, 3] so far that it stays as it was guessed."""
    colors = unit(photos[:, 0, ::8, 1].reshape(-1, 3))
    return float(np.median(ciede2000(srgb_to_lab(colors), srgb_to_lab(sample(lut.table, colors))))) > STRONG


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


def whitening(*parts: tuple[float, F32]) -> F64:
    """What makes noise of variance 1 out of the differences between photos' moments: a matrix [M, M].

    Args:
        parts: shares, which sum to 1, and moments [N, M] of photos of one kind each, which differ from their own mean.
    """
    apart = [(share, found - found.mean(0)) for share, found in parts]
    scale = np.sqrt(sum(share * (x**2).mean(0) for share, x in apart) + ROUNDED)
    together = sum(share * ((x / scale).T @ (x / scale) / len(x)) for share, x in apart) + SHRINKAGE * np.eye(len(scale))
    return np.asarray(np.linalg.inv(np.linalg.cholesky(together.astype(np.float64))) / scale)
