"""What a run's discriminator says of pictures, how often it is right, and how well it knows when it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torchmetrics.functional.classification import binary_calibration_error

from huafeng.errors import DataError
from huafeng.evaluation.runs import Run
from huafeng.pixels import F32, U8, Array
from huafeng.training.adversarial import AdversarialLoss
from huafeng.training.network import Discriminator

BATCH = 8
BINS = 10
LEAST = 10  # pictures of each kind for a calibration
SPLIT_SEED = 0


@dataclass(frozen=True)
class Accuracy:
    """How often the discriminator is right.

    Args:
        real: share 0..1 of real pictures that it takes for real.
        made: share 0..1 of made pictures that it takes for made.
        calibration_error: 0..1, see `calibration_error`.
        reason: one sentence on what is NaN, and why; "" where nothing is.
    """

    real: float
    made: float
    calibration_error: float
    reason: str = ""


def asked(run: Run, style: str) -> tuple[Discriminator, int]:
    """The run's discriminator, and the style's number in its projection.

    Raises:
        DataError: there is no discriminator, or it never saw this style.   StyleNotFound: the run has no such style.
    """
    number = run.number(style)
    if run.discriminator is None:
        raise DataError(run.reason)
    if style not in run.judged:
        raise DataError(
            f"The discriminator of {run.folder} never saw the style {style!r} in training: "
            f"ask it about {' or '.join(run.judged)}."
        )
    return run.discriminator, number


def patch_logits(run: Run, style: str, pictures: U8) -> F32:
    """Pictures uint8 [B, H, W, 3] -> the logit of each patch [B, h, w] with h = H // 16 and w = W // 16; more is more real.

    A patch spans 46 px; patches overlap.

    Raises:
        DataError: there is no discriminator, it never saw this style, or pictures are below 16 px.
        StyleNotFound: the run has no such style.
    """
    discriminator, number = asked(run, style)
    if min(pictures.shape[1:3]) < 16:
        raise DataError(f"The discriminator sees pictures from 16 px on, not {pictures.shape[2]} x {pictures.shape[1]}.")
    found = [logits(discriminator, number, to_tensor(pictures[i : i + BATCH])) for i in range(0, len(pictures), BATCH)]
    maps: F32 = torch.cat(found).numpy()
    return maps


def judge(run: Run, style: str, pictures: U8) -> F32:
    """Pictures uint8 [B, S, S, 3] -> the discriminator's logit [B] of each, the mean over its patches; more is more real.

    Raises:
        DataError: there is no discriminator, it never saw this style, or pictures are below 16 px.
        StyleNotFound: the run has no such style.
    """
    judged: F32 = patch_logits(run, style, pictures).mean((1, 2))
    return judged


def to_tensor(pictures: U8) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in 0..1."""
    return torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def logits(discriminator: Discriminator, number: int, pictures: torch.Tensor) -> torch.Tensor:
    """Pictures [B, 3, H, W] in 0..1 -> patch logits [B, h, w]."""
    scores: torch.Tensor = discriminator(pictures, torch.full((len(pictures),), number))
    return scores[:, 0]


def decision(loss: AdversarialLoss) -> float:
    """The logit between made and real: in the middle of the loss's labels. A Wasserstein critic has none: NaN."""
    return {"wasserstein": math.nan, "least-squares": 0.5}.get(loss, 0.0)


def accuracy(real_logits: Array, made_logits: Array, loss: AdversarialLoss) -> Accuracy:
    """Shares on the right side of the loss's decision value, and the calibration error, of logits [R] and [M].

    A logit on the decision value is not right.

    Raises:
        DataError: there is no real or no made picture.
    """
    if not (len(real_logits) and len(made_logits)):
        raise DataError("The discriminator's accuracy needs real and made pictures: there are none of one kind.")
    boundary = decision(loss)
    if math.isnan(boundary):
        return Accuracy(math.nan, math.nan, math.nan, "A Wasserstein critic's scores have no value between real and made.")
    right = (float((real_logits > boundary).mean()), float((made_logits < boundary).mean()))
    if min(len(real_logits), len(made_logits)) < LEAST:
        return Accuracy(*right, math.nan, f"A calibration error needs at least {LEAST} real and {LEAST} made pictures.")
    return Accuracy(*right, calibration_error(real_logits - boundary, made_logits - boundary))


def calibration_error(real_margins: Array, made_margins: Array) -> float:
    """Expected calibration error over ten bins (Guo et al., ICML 2017) of margins [R] and [M], logit - decision value: 0..1.

    One half of each kind (a fixed random split) fits the temperature, the other half is measured.
    """
    numbers = np.random.default_rng(SPLIT_SEED)
    real, made = (np.array_split(numbers.permutation(margins), 2) for margins in (real_margins, made_margins))
    scale = fitted_scale(real[0], made[0])
    margins, labels = np.concatenate([real[1], made[1]]), np.repeat([1, 0], [len(real[1]), len(made[1])])
    return expected_calibration_error(_sigmoid(scale * margins), labels)


def fitted_scale(real_margins: Array, made_margins: Array) -> float:
    """The inverse temperature a, in 0.001..1000, at which sigmoid(a margin) is the likeliest probability of 'real'.

    The likelihood's logarithm is concave in a; margins that separate the kinds without a fault have it at the upper end.
    """
    signed = np.concatenate([real_margins, -np.asarray(made_margins)]).astype(np.float64)

    def surprise(log_scale: float) -> float:
        return float(np.logaddexp(0, -np.exp(log_scale) * signed).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(math.log(1e-3), math.log(1e3)), method="bounded").x))


def expected_calibration_error(probabilities: Array, labels: Array) -> float:
    """Probabilities [N] of 'real' and labels [N] (1 = real) -> mean over pictures of |certainty - share right| of their bin.

    Ten bins of equal width over the probability; below a half the answer is 'made', with certainty 1 - probability.
    """
    told, truth = torch.from_numpy(np.asarray(probabilities, np.float64)), torch.from_numpy(np.asarray(labels, np.int64))
    return float(binary_calibration_error(told, truth, n_bins=BINS, norm="l1"))


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x.astype(np.float64)))
