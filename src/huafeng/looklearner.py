"""The look learner: a folder of finished pictures -> the look that lies over them. Needs numpy and Pillow alone.

A network guesses it (`lookguess`), and around its guess the likeliest look is found (`lookposterior`); where there are many
photos as they were before, the likeliest chain of few steps as well (`lookchain`), whose errors are not the same. All go by
moments of each picture (`lookmoments`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_safetensors

from huafeng.look import Lut
from huafeng.lookchain import as_lut, likeliest_chain
from huafeng.lookguess import Weights, guesses
from huafeng.lookmoments import OFTEN, Glimpse, moments, places, unit
from huafeng.lookposterior import Prior, likeliest, strong
from huafeng.pixels import F32, U8

WEIGHTS = Path(__file__).parent / "look-learner.safetensors"
CHAIN = 0.6  # share of the chain in the look
FEW = 20  # finished pictures; of fewer the network's guess is taken as it is: what they show would be taken for a look
PLENTY = 100  # untouched photos, from which on a chain is sought: with 40 it is further off than the look without it
GENERAL = 60  # so many of the user's photos tell as much of what they are like as is known of photos in general
ENOUGH_SEEN = 2000  # untouched photos, those seen several times counted as often: more take longer and tell little
SCALE = ".scale"  # of a matrix kept as int8: one for each row


def moments_of(finished: Sequence[Glimpse]) -> F32:
    """Moments of each finished picture [n, M]: means over all the places that were looked at."""
    return np.asarray(np.mean([moments(unit(places(finished, k))) for k in range(OFTEN)], 0), np.float32)


def learn_lut(
    each: F32,
    untouched: Sequence[Glimpse] | None = None,
    weights: Path = WEIGHTS,
    *,
    fit: bool = True,
    watch: Callable[[Lut], None] | None = None,
) -> Lut:
    """The look that lies over pictures, 33 nodes per axis.

    Args:
        each: moments of each finished picture [n, M].
        untouched: photos without the look; None: photos in general.
        weights: the network and the prior.
        fit: find the likeliest look around the network's guess, from 20 pictures on, and with 100 untouched photos the
            likeliest chain.
        watch: is given the look so far, several times.
    """
    w, prior = load_learner(weights)
    own = None if untouched is None else places(untouched)
    photos = prior.photos if own is None else own
    for guess in guesses(w, prior.fields, unit(photos), usual_moments(prior, own), each):
        if watch:
            watch(guess.lut)
    if not fit or len(each) < FEW:
        return guess.lut
    look = likeliest(guess, prior, photos, each)
    if untouched is None or len(untouched) < PLENTY or strong(guess.lut, photos):
        return look
    if watch:
        watch(look)
    draws = min(OFTEN, max(1, ENOUGH_SEEN // len(untouched)))
    seen = [photos, *(places(untouched, k) for k in range(1, draws))]
    chain = likeliest_chain(look, seen, prior.photos, each)
    return Lut.mixed((1 - CHAIN, CHAIN), (look, as_lut(chain, look.size)))


def usual_moments(prior: Prior, own: U8 | None = None) -> F32:
    """What untouched photos are like: mean moments [M] of photos in general, and of one's own (uint8 [n, 2, 64, 3, 3]) the more
    the more there are."""
    general = moments(unit(prior.photos)).mean(0)
    if own is None:
        return general
    return np.asarray((moments(unit(own)).sum(0) + GENERAL * general) / (len(own) + GENERAL), np.float32)


@cache
def load_learner(path: Path) -> tuple[Weights, Prior]:
    """The network's weights and the prior out of a look-learner.safetensors."""
    tensors = load_safetensors(path.read_bytes())
    photos = tensors.pop("photos")
    scales = {name: tensors.pop(name + SCALE) for name in list(tensors) if name + SCALE in tensors}
    w = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    w |= {name: w[name] * scale[:, None] for name, scale in scales.items()}
    return w, Prior(w.pop("fields"), photos)
