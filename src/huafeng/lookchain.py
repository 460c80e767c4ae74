"""A look as a chain of few steps, and the likeliest chain, given a folder's moments and the user's own photos. Numpy alone.

A matrix mixes the channels, each then has a rising curve, and a second matrix mixes what comes out: layers that see each
other's light, their characteristic curves, dyes that stain each other (Hunt, "The Reproduction of Colour", 2004). 51 numbers
come as near to film stocks as the 160 components of `lookposterior` do, and so few can be told apart by a folder of pictures.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from huafeng.color import srgb_to_lab
from huafeng.colortable import sample
from huafeng.look import Lut
from huafeng.lookmoments import LIGHTNESS, moments, unit
from huafeng.lookposterior import ENOUGH, F64, independent, whitening
from huafeng.pixels import F32, U8

KNOTS = 8  # segments of a curve, evenly spread
PARTS = np.cumsum([9, 3 * KNOTS, 6, 9])  # where the parts of a chain end: matrix, slopes, ends, matrix; then three offsets
COUNT = int(PARTS[-1]) + 3  # numbers in a chain: 51
TOE_TO_SHOULDER = (-0.25, 0.0, 0.3, 0.25, 0.1, 0.0, -0.05, -0.05)  # logarithms of a film's usual slopes, dark to bright
ALIKE = 0.6  # correlation of neighbouring slopes
TAKEN = 0.12  # deviation of what one channel takes from another
ITERATIONS = 3
HALVINGS = 4  # of a step that does not help
NOISE = 1.3  # variance of content, over what photos tell: they are not normal, and the moments not linear
USUAL, GUESSED = 0.5, 1.0  # weights of what chains usually are, and of the one where it begins
OWN = 0.6  # share of the user's photos in what is known of how moments differ, where they are enough
STEP = 0.01  # for derivatives
SLOPES_OF = 120  # photos over which derivatives are means
FITTED = 1500  # colours at which a chain is brought near a table
LEAST_FIT = 0.02  # weight of the prior where a chain is brought near a table


def applied(chain: F64, colors: F32) -> F32:
    """Colours [..., 3] in 0..1 through a chain [51], within 0..1."""
    before, slopes, ends, after, offset = np.split(chain, PARTS)
    x = np.clip(colors.reshape(-1, 3) @ before.reshape(3, 3).T.astype(np.float32), 0, 1)
    rise = np.exp(slopes.reshape(3, KNOTS))
    curve = np.concatenate([np.zeros((3, 1)), rise.cumsum(1) / rise.sum(1, keepdims=True)], 1)
    at = np.linspace(0, 1, KNOTS + 1)
    for channel, (black, white) in enumerate(ends.reshape(3, 2)):
        x[:, channel] = np.interp(x[:, channel], at, black + (white - black) * curve[channel])
    y = x @ after.reshape(3, 3).T.astype(np.float32) + offset.astype(np.float32)
    return np.clip(y, 0, 1).reshape(colors.shape)


def as_lut(chain: F64, size: int) -> Lut:
    """The chain as a table."""
    return Lut(applied(chain, Lut.identity(size).table))


@cache
def usual() -> tuple[F64, F64]:
    """What chains are before a folder is seen: their mean [51], and the inverse of their covariance [51, 51].

    Greys stay grey, or nearly so: what a channel takes from the others it gives away of its own. Colour may be lost or gained a
    good deal as a whole (`fade`). Curves have a toe, are steepest from a quarter to a half of the way and have a long shoulder,
    more or less of it; channels keep together.
    """
    mean, spread = np.zeros(COUNT), np.zeros((COUNT, COUNT))
    fade, others = (np.eye(3) - LIGHTNESS).ravel(), np.eye(9)[~np.eye(3, dtype=bool).ravel()]  # [6, 9]
    takes = others - np.repeat(np.eye(9)[::4], 2, 0)  # each of the six others, and as much less of its own
    for start, total, lighter, tinted, faded in ((0, 1.0, 0.04, 0.02, 0.15), (PARTS[2], 0.96, 0.05, 0.03, 0.3)):
        matrix = slice(start, start + 9)
        mean[matrix] = (total * (0.88 * np.eye(3) + 0.04)).ravel()
        rows = np.repeat(np.eye(3), 3, 1) * mean[matrix]  # [3, 9]
        spread[matrix, matrix] = TAKEN**2 * takes.T @ takes + faded**2 * np.outer(fade, fade) + tinted**2 * rows.T @ rows
        spread[matrix, matrix] += lighter**2 * np.outer(mean[matrix], mean[matrix])
    together = np.ones((3, 3))
    near = ALIKE ** np.abs(np.subtract.outer(np.arange(KNOTS), np.arange(KNOTS)))
    slopes = slice(PARTS[0], PARTS[1])
    mean[slopes] = np.tile(TOE_TO_SHOULDER, 3)
    spread[slopes, slopes] = np.kron(0.25**2 * together + 0.06**2 * np.eye(3), near)
    for end, value, common in ((0, 0.0, 0.04), (1, 0.97, 0.05)):
        places = PARTS[1] + end + 2 * np.arange(3)
        mean[places] = value
        spread[np.ix_(places, places)] = common**2 * together + 0.03**2 * np.eye(3)
    spread[PARTS[3] :, PARTS[3] :] = 0.02**2 * np.eye(3)
    return mean, np.asarray(np.linalg.inv(spread), np.float64)


def nearest(lut: Lut, colors: F32) -> F64:
    """The chain [51] that is nearest to a table at colours [P, 3], by Gauss and Newton, damped (Levenberg, 1944)."""
    mean, precision = usual()
    precision = LEAST_FIT * precision
    wanted = srgb_to_lab(sample(lut.table, colors))
    chroma = np.hypot(wanted[:, 1], wanted[:, 2])[:, None]
    weights = np.concatenate([np.ones_like(chroma), np.repeat(1 / (1 + 0.045 * chroma), 2, 1)], 1)  # about CIE94's

    def left(chain: F64) -> F64:
        return np.asarray((wanted - srgb_to_lab(applied(chain, colors))) * weights, np.float64).ravel()

    chain, damping = mean.copy(), 1.0
    off = left(chain)
    for _ in range(20):
        slopes = np.stack([(off - left(chain + STEP * one)) / STEP for one in np.eye(COUNT)], 1)
        curvature = slopes.T @ slopes + precision
        pull, before = slopes.T @ off + precision @ (mean - chain), _cost(off, chain - mean, precision)
        for _ in range(5):
            tried = chain + np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), pull)
            after = left(tried)
            if _cost(after, tried - mean, precision) < before:
                chain, off, damping = tried, after, damping / 5
                break
            damping *= 4
        else:
            break
    return chain


def likeliest_chain(near: Lut, photos: list[U8], general: U8, each: F32) -> F64:
    """The likeliest chain [51], found from a look near it.

    Noise is how moments of untouched photos differ among each other, as in `lookposterior`; the prior is normal, around what
    chains usually are and the one where it begins. Steps of Gauss and Newton, shortened where they do not help.

    Args:
        near: where to begin.
        photos: the user's untouched photos, several draws of their neighbouring colours, each uint8 [N, 2, 64, 3, 3].
        general: the same of photos in general: these, too, tell how moments differ.
        each: moments of each finished picture [n, M].
    """
    usually, precision = usual()
    own, others = [unit(draw) for draw in photos], unit(general)
    some = own[0][:: max(1, len(own[0]) // SLOPES_OF)]
    colors = own[0][:, 0, :, 1].reshape(-1, 3)
    chain = nearest(near, colors[:: max(1, len(colors) // FITTED)])
    mean, precision = (USUAL * usually + GUESSED * chain) / (USUAL + GUESSED), (USUAL + GUESSED) * precision
    wanted, found = each.mean(0), _own(chain, own)
    share = OWN * min(1.0, len(found) / ENOUGH)
    for _ in range(ITERATIONS):
        whiten = whitening((share, found), (1 - share, _moments(chain, others)))
        whiten /= math.sqrt(NOISE * (1 / independent(each, whiten) + 1 / len(found)))
        here = _moments(chain, some).mean(0)
        slopes = whiten @ np.stack([(_moments(chain + STEP * one, some).mean(0) - here) / STEP for one in np.eye(COUNT)], 1)
        left = whiten @ (wanted - found.mean(0))
        step = np.linalg.solve(slopes.T @ slopes + precision, slopes.T @ left + precision @ (mean - chain))
        before = _cost(left, chain - mean, precision)
        for _ in range(HALVINGS):
            tried = _own(chain + step, own)
            if _cost(whiten @ (wanted - tried.mean(0)), chain + step - mean, precision) < before:
                chain, found = chain + step, tried
                break
            step = step / 2
        else:
            break
    return chain


def _cost(left: F64, off: F64, precision: F64) -> float:
    """Twice the negative logarithm of a normal posterior: what is left, of variance 1, and how far a chain is off the mean."""
    return float(left @ left + off @ precision @ off)


def _own(chain: F64, draws: list[F32]) -> F32:
    """Moments of photos [N, M] under a chain, means over several draws of places."""
    return np.asarray(np.mean([_moments(chain, colors) for colors in draws], 0))


def _moments(chain: F64, colors: F32) -> F32:
    return moments(applied(chain, colors))
