"""The adversarial game against numbers worked out by hand, and what must always hold."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from huafeng.training.adversarial import (
    SMOOTHABLE,
    AdversarialLoss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    instance_noise,
    noise_level,
    patch_accuracy,
    r1_penalty,
)

KINDS: tuple[AdversarialLoss, ...] = get_args(AdversarialLoss)
LN3 = math.log(3)  # the logit of 3/4
scores = st.floats(-50, 50, width=32)
some = st.lists(scores, min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def judged(kind: AdversarialLoss, real: float, made: float, smoothing: float = 0.0) -> float:
    return discriminator_loss(kind, torch.tensor([real]), torch.tensor([made]), smoothing=smoothing).item()


def fooled(kind: AdversarialLoss, made: float) -> float:
    return generator_loss(kind, torch.tensor([made])).item()


@pytest.mark.parametrize("kind", ["minimax", "non-saturating"])
def test_cross_entropy_discriminator_by_hand(kind: AdversarialLoss) -> None:
    # real: sigmoid 3/4, -ln 3/4; made: sigmoid 1/4, -ln(1 - 1/4)
    assert judged(kind, LN3, -LN3) == pytest.approx(2 * math.log(4 / 3))
    assert judged(kind, 0, 0) == pytest.approx(2 * math.log(2))
    # target 0.9: -0.9 ln 3/4 - 0.1 ln 1/4, and made pictures are not smoothed
    assert judged(kind, LN3, -LN3, 0.1) == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4) + math.log(4 / 3))


def test_cross_entropy_generators_by_hand() -> None:
    assert fooled("minimax", LN3) == pytest.approx(-math.log(4))  # ln(1 - 3/4)
    assert fooled("minimax", -LN3) == pytest.approx(math.log(3 / 4))  # ln(1 - 1/4)
    assert fooled("non-saturating", LN3) == pytest.approx(math.log(4 / 3))  # -ln 3/4
    assert fooled("non-saturating", -LN3) == pytest.approx(math.log(4))  # -ln 1/4


def test_least_squares_by_hand() -> None:
    assert judged("least-squares", 2, -1) == pytest.approx((2 - 1) ** 2 / 2 + (-1) ** 2 / 2)
    assert judged("least-squares", 2, -1, 0.1) == pytest.approx((2 - 0.9) ** 2 / 2 + 1 / 2)
    assert fooled("least-squares", -1) == pytest.approx((-1 - 1) ** 2 / 2)


def test_hinge_by_hand() -> None:
    assert judged("hinge", 0.5, -2) == pytest.approx(0.5 + 0)
    assert judged("hinge", 2, 0) == pytest.approx(0 + 1)
    assert judged("hinge", -3, 4) == pytest.approx(4 + 5)
    assert fooled("hinge", -1.5) == 1.5


def test_wasserstein_by_hand() -> None:
    assert judged("wasserstein", 3, -2) == -2 - 3
    assert fooled("wasserstein", -1.5) == 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_s_loss_is_the_mean_over_its_patches_alone(kind: AdversarialLoss) -> None:
    real, made = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    losses = discriminator_loss(kind, real, made)
    patches = [
        [judged(kind, r, m) for r, m in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)]
        for a, b in zip(real, made, strict=True)
    ]
    assert losses.tolist() == pytest.approx([sum(p) / 4 for p in patches], abs=1e-6)
    alone = [sum(fooled(kind, m) for m in b.flatten().tolist()) / 4 for b in made]
    assert generator_loss(kind, made).tolist() == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_point_the_right_way(kind: AdversarialLoss) -> None:
    real, made = torch.linspace(-0.9, 0.9, 7).repeat(2, 1).requires_grad_(True)
    toward_real, toward_made = torch.autograd.grad(discriminator_loss(kind, real, made).sum(), (real, made), retain_graph=True)
    assert (toward_real < 0).all()  # descending raises the scores of real pictures
    if kind == "least-squares":
        assert torch.equal(toward_made, made)  # toward 0
    else:
        assert (toward_made > 0).all()  # and lowers those of made ones
    (fool,) = torch.autograd.grad(generator_loss(kind, made).sum(), made)
    assert (fool < 0).all()  # the generator raises them


def test_only_the_non_saturating_generator_learns_from_a_sure_discriminator() -> None:
    made = torch.tensor([-20.0], requires_grad=True)
    (dead,) = torch.autograd.grad(generator_loss("minimax", made), made)
    (alive,) = torch.autograd.grad(generator_loss("non-saturating", made), made)
    assert abs(dead.item()) < 1e-8
    assert alive.item() == pytest.approx(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_sure_discriminators_stay_finite(kind: AdversarialLoss, dtype: torch.dtype) -> None:
    real = torch.tensor([1e4, -1e4, 1e4, -1e4], dtype=dtype).requires_grad_(True)
    made = torch.tensor([1e4, -1e4, -1e4, 1e4], dtype=dtype).requires_grad_(True)
    for smoothing in (0.0, 0.1) if kind in SMOOTHABLE else (0.0,):
        for loss in (discriminator_loss(kind, real, made, smoothing=smoothing), generator_loss(kind, made)):
            assert loss.dtype == torch.float32
            assert torch.isfinite(loss).all()
            gradients = torch.autograd.grad(loss.sum(), (real, made), allow_unused=True)
            assert all(torch.isfinite(g).all() for g in gradients if g is not None)


def test_softplus_forms_at_extreme_logits() -> None:
    assert [fooled("non-saturating", s) for s in (1e4, -1e4)] == [0, 1e4]
    assert [fooled("minimax", s) for s in (1e4, -1e4)] == [-1e4, 0]
    assert judged("non-saturating", 1e4, -1e4) == 0
    assert judged("non-saturating", -1e4, 1e4) == 2e4
    assert judged("non-saturating", 1e4, -1e4, 0.1) == pytest.approx(0.1 * 1e4)


@pytest.mark.parametrize("kind", ["minimax", "non-saturating", "least-squares"])
def test_smoothing_moves_the_best_score_of_real_pictures(kind: AdversarialLoss) -> None:
    best = 0.9 if kind == "least-squares" else math.log(0.9 / 0.1)  # sigmoid 0.9
    real = torch.tensor([best - 0.1, best, best + 0.1], requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator_loss(kind, real, torch.zeros(3), smoothing=0.1).sum(), real)
    assert slope[0] < 0 < slope[2]
    assert slope[1].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["hinge", "wasserstein"])
def test_losses_without_a_target_refuse_smoothing(kind: AdversarialLoss) -> None:
    with pytest.raises(ValueError, match=f"no meaning with the {kind} loss"):
        judged(kind, 0, 0, 0.1)
    assert kind not in SMOOTHABLE


@settings(max_examples=60, deadline=None)
@given(real=some, made=some)
def test_hinge_is_zero_exactly_where_the_margins_hold(real: list[float], made: list[float]) -> None:
    loss = discriminator_loss("hinge", torch.tensor([real]), torch.tensor([made])).item()
    assert (loss == 0) == (min(real) >= 1 and max(made) <= -1)


@settings(max_examples=60, deadline=None)
@given(real=some, made=some)
def test_wasserstein_is_antisymmetric(real: list[float], made: list[float]) -> None:
    a, b = torch.tensor([real]), torch.tensor([made])
    assert torch.equal(discriminator_loss("wasserstein", a, b), -discriminator_loss("wasserstein", b, a))


@settings(max_examples=60, deadline=None)
@given(score=scores)
def test_no_discriminator_wins_against_perfect_pictures(score: float) -> None:
    # Where real and made pictures get the same scores, each loss has a floor: 2 ln 2, 1/4, 2, and 0.
    for kind, floor in zip(KINDS, (2 * math.log(2), 2 * math.log(2), 1 / 4, 2, 0), strict=True):
        assert judged(kind, score, score) >= floor - 1e-5


@settings(max_examples=60, deadline=None)
@given(score=st.floats(-15, 15))
def test_minimax_is_a_zero_sum_game(score: float) -> None:
    real = 1.0  # the discriminator's loss about made pictures is what the generator's lacks to zero
    assert judged("minimax", real, score) + fooled("minimax", score) == pytest.approx(math.log1p(math.exp(-real)), abs=1e-5)


def test_accuracy_by_hand() -> None:
    real, made = torch.tensor([[1.0, 2.0], [0.4, -1.0]]), torch.tensor([[-1.0, 0.3], [0.0, -3.0]])
    # above 0: 3 of 4 real; below 0: 2 of 4 made, for 0 itself is on neither side
    for kind in ("minimax", "non-saturating", "hinge"):
        assert patch_accuracy(kind, real, made).item() == pytest.approx((3 / 4 + 2 / 4) / 2)
    # above 0.5: 2 of 4 real; below 0.5: all made
    assert patch_accuracy("least-squares", real, made).item() == pytest.approx((2 / 4 + 4 / 4) / 2)
    # means 0.6 and -0.925, middle -0.1625: 3 of 4 real above, 2 of 4 made below; and 100 on top of all changes nothing
    for zero in (0, 100):
        assert patch_accuracy("wasserstein", real + zero, made + zero).item() == pytest.approx((3 / 4 + 2 / 4) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_accuracy_at_its_ends(kind: AdversarialLoss) -> None:
    high, low = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), -2.0)
    assert patch_accuracy(kind, high, low).item() == 1
    assert patch_accuracy(kind, low, high).item() == 0
    mixed = torch.cat([high, low])
    assert patch_accuracy(kind, mixed, mixed).item() == 0.5  # guessing


weights = st.lists(st.floats(-3, 3), min_size=12, max_size=12).map(lambda w: torch.tensor(w).view(3, 2, 2))


@settings(max_examples=60, deadline=None)
@given(w=weights)
def test_r1_of_a_linear_critic(w: Tensor) -> None:
    pictures = torch.rand(2, 3, 2, 2, requires_grad=True)
    penalty = r1_penalty((pictures * w).sum((1, 2, 3)), pictures)  # the gradient is w everywhere
    assert penalty.tolist() == pytest.approx([w.square().sum().item() / 2] * 2, rel=1e-5, abs=1e-30)


def test_r1_of_a_bowl_and_its_own_gradient() -> None:
    steep = torch.tensor(2.0, requires_grad=True)
    pictures = torch.zeros(2, 3, 2, 2)
    pictures[0, 0, 0, 0], pictures[1, 1, 1, 1] = 3.0, 5.0
    pictures.requires_grad_(True)
    penalty = r1_penalty(steep * pictures.square().sum((1, 2, 3)) / 2, pictures)  # gradient 2 x: |6|^2 / 2 and |10|^2 / 2
    assert penalty.tolist() == pytest.approx([18, 50])
    (slope,) = torch.autograd.grad(penalty.sum(), steep)  # d/ds s^2 x^2 / 2 = s x^2: 2 * 9 + 2 * 25
    assert slope.item() == pytest.approx(68)


@pytest.mark.parametrize("side", [1, 4])
def test_r1_means_the_same_for_any_number_of_patches(side: int) -> None:
    pictures = torch.rand(2, 3, side, side, requires_grad=True)
    kernel = torch.tensor([1.0, -2.0, 2.0]).view(1, 3, 1, 1)  # every patch is one pixel, its gradient has length 3
    penalty = r1_penalty(nn.functional.conv2d(pictures, kernel), pictures)
    assert penalty.tolist() == pytest.approx([9 / 2] * 2)


def test_r1_wants_pictures_with_gradient() -> None:
    pictures = torch.rand(1, 3, 2, 2)
    with pytest.raises(RuntimeError):
        r1_penalty(pictures.sum((1, 2, 3)), pictures)


@settings(max_examples=60, deadline=None)
@given(w=weights, length=st.floats(0.25, 4))
def test_gradient_penalty_of_a_linear_critic(w: Tensor, length: float) -> None:
    w = w + 5 * torch.eye(2)  # never zero
    w = w / w.norm() * length
    real, made, mix = torch.rand(3, 3, 2, 2), torch.rand(3, 3, 2, 2), torch.rand(3)
    penalty = gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), real, made, mix)
    assert penalty.tolist() == pytest.approx([(length - 1) ** 2] * 3, abs=1e-5)  # 0 for length 1


def test_gradient_penalty_of_a_unit_slope_is_zero() -> None:
    w = torch.zeros(3, 2, 2)
    w[0, 0, 0], w[2, 1, 1] = 0.6, -0.8
    penalty = gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), torch.rand(2, 3, 2, 2), torch.rand(2, 3, 2, 2), torch.rand(2))
    assert penalty.tolist() == pytest.approx([0, 0], abs=1e-12)


def test_gradient_penalty_looks_between_real_and_made() -> None:
    real, made = torch.zeros(3, 3, 2, 2), torch.zeros(3, 3, 2, 2)
    real[:, 0, 0, 0], made[:, 0, 0, 0] = 4.0, 8.0
    # D(x) = |x|^2 / 2 has the gradient x: 0.25 * 4 + 0.75 * 8 = 7, real alone 4, made alone 8
    penalty = gradient_penalty(lambda x: x.square().sum((1, 2, 3)) / 2, real, made, torch.tensor([0.25, 1.0, 0.0]))
    assert penalty.tolist() == pytest.approx([36, 9, 49])


def test_gradient_penalty_trains_the_critic_and_nothing_else() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3))
    made = torch.rand(2, 3, 8, 8, requires_grad=True)
    gradient_penalty(critic, torch.rand(2, 3, 8, 8), made, torch.rand(2)).mean().backward()
    assert made.grad is None
    for name, parameter in critic.named_parameters():
        assert name == "2.bias" or (parameter.grad is not None and parameter.grad.abs().sum() > 0)


def test_gradient_penalty_of_a_flat_critic_is_finite() -> None:
    flat = torch.zeros(3, 2, 2, requires_grad=True)  # |grad| has no slope at 0
    pictures = torch.rand(2, 3, 2, 2)
    penalty = gradient_penalty(lambda x: (x * flat).sum((1, 2, 3)), pictures, pictures, torch.rand(2))
    assert penalty.tolist() == [1, 1]
    (slope,) = torch.autograd.grad(penalty.sum(), flat)
    assert torch.isfinite(slope).all()


def test_noise_level_by_hand() -> None:
    levels = [noise_level(0.2, 0.5, progress) for progress in (0, 0.125, 0.25, 0.5, 0.75, 1)]
    assert levels == pytest.approx([0.2, 0.15, 0.1, 0, 0, 0])
    assert noise_level(0.2, 0, 0) == 0


def test_instance_noise_by_hand() -> None:
    pictures = torch.tensor([[[[0.5, 1.0]]]], requires_grad=True)
    noisy = instance_noise(pictures, 0.1, torch.tensor([[[[-2.0, 3.0]]]]))
    assert noisy.flatten().tolist() == pytest.approx([0.5 - 0.2, 1 + 0.3])
    (slope,) = torch.autograd.grad(noisy.sum(), pictures)
    assert slope.tolist() == [[[[1, 1]]]]


def test_instance_noise_at_its_ends() -> None:
    pictures, noise = torch.rand(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    assert torch.equal(instance_noise(pictures, 0.0, noise), pictures)
    assert instance_noise(pictures.bfloat16(), 0.1, noise).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_without_pictures_adds_nothing(kind: AdversarialLoss) -> None:
    none = torch.zeros(0, 3, 8, 8)
    critic = nn.Conv2d(3, 1, 4)
    losses = [discriminator_loss(kind, critic(none), critic(none)), generator_loss(kind, critic(none))]
    losses.append(gradient_penalty(critic, none, none, torch.zeros(0)))
    shown = none.clone().requires_grad_(True)
    losses.append(r1_penalty(critic(shown), shown))
    assert all(loss.shape == (0,) for loss in losses)
    (slope,) = torch.autograd.grad(torch.cat(losses).sum(), critic.weight)
    assert slope.eq(0).all()
