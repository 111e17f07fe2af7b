"""What happens in the local ball around an adversary: diagnostics D1 to D7 of the spec, for any network and method.

All take the network in whatever mode and look at it in eval mode; images, labels (B,), adversaries x' like the images.
Random numbers come from the generator alone. Results are per sample, (B,), unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.diagnosis.measuring.fgsm_segment import along
from cotoolkit.methods._terms.ball import Ball, local_ball
from cotoolkit.methods._terms.divergence import kl_divergence
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.local import gradient_alignment

SEARCH_STEPS, SEARCH_RESTARTS = 20, 5
"""Of the strong search in the ball (spec: D1 and D2)."""

FRACTIONS = tuple(step / 10 for step in range(11))
"""Places t along the segment from the image to the adversary."""

LEAST_GAIN = 0.05
"""Reach is defined where the strong attack raises the loss by at least this over x' (spec: D5)."""

STILL = 1e-6
"""Steps of an attack that cancel each other leave a pixel this far from where it was, in float32 on [0, 1]."""

EQUAL = 1e-5
"""Losses that differ by less, in nats or as a share of larger ones, differ by round-off."""


class Worst(NamedTuple):
    """The worst points found around x': u, (B, C, H, W), with KL(p(x') || p(u)) in nats, (B,), nan if it ever was."""

    points: Tensor
    values: Tensor

    def or_worse(self, other: Worst) -> Worst:
        """Of two finds the worse one, sample by sample."""
        worse = (other.values > self.values)[:, None, None, None]
        return Worst(torch.where(worse, other.points, self.points), torch.maximum(self.values, other.values))


def kappa(
    model: nn.Module, adversaries: Tensor, ball: Ball, generator: torch.Generator, *, steps: int, step_size: float
) -> Tensor:
    """D1: KL(p(x') || p(u)) at a random point u of a ball (steps = 0), or at the worst of one sign search from there.

    `steps` + 2 forward and `steps` backward passes.

    Args:
        model: logits out.
        adversaries: (B, C, H, W), x'.
        ball: around them.
        generator: of the start.
        steps: sign steps up the divergence; the largest value on the way counts.
        step_size: in pixel units.
    """
    return _climb(model, adversaries, ball, ball.uniform(generator), steps, step_size).values


def worst_kappa(
    model: nn.Module,
    images: Tensor,
    adversaries: Tensor,
    rhos: Iterable[float],
    threat: ThreatModel,
    generator: torch.Generator,
) -> dict[float, Tensor]:
    """D1: the worst KL(p(x') || p(u)) that is found in balls of growing radius; it never falls, as each holds the last.

    Each ball is searched from `SEARCH_RESTARTS` random points and from the worst point of the ball before it: a search
    of a larger ball starts further away, and may miss what one of a smaller ball finds. Each of these searches takes
    the passes of a `kappa` of `SEARCH_STEPS` steps.

    Args:
        model: logits out.
        images: (B, C, H, W).
        adversaries: (B, C, H, W), x'.
        rhos: radii in units of epsilon, in any order.
        threat: of the images.
        generator: of the random starts.

    Returns:
        By radius, from small to large: (B,), in nats.
    """
    worst, found = None, {}
    for rho in sorted(rhos):
        ball, step_size = ball_of(images, adversaries, rho, threat), 2.5 * rho * threat.epsilon / SEARCH_STEPS
        starts = [ball.uniform(generator) for _ in range(SEARCH_RESTARTS)]
        if worst is not None:
            starts.append(worst.points)
        for start in starts:
            here = _climb(model, adversaries, ball, start, SEARCH_STEPS, step_size)
            worst = here if worst is None else worst.or_worse(here)
            found[rho] = worst.values
    return found


def _climb(model: nn.Module, adversaries: Tensor, ball: Ball, start: Tensor, steps: int, step_size: float) -> Worst:
    """The worst point on the way of a sign search up the divergence, its start and its end among them."""
    with attack_mode(model, "eval"):
        with torch.no_grad():
            reference = model(adversaries)
        point, worst = start, Worst(start, torch.full_like(reference[:, 0], -torch.inf))
        for _ in range(steps):
            with torch.enable_grad():
                point = point.detach().requires_grad_()
                values = kl_divergence(reference, model(point))
                (gradient,) = torch.autograd.grad(values.sum(), point)
            worst = worst.or_worse(Worst(point.detach(), values.detach()))
            point = ball.project(point.detach() + step_size * gradient.sign())
        with torch.no_grad():
            return worst.or_worse(Worst(point, kl_divergence(reference, model(point))))


def inner_gap(
    model: nn.Module, adversaries: Tensor, ball: Ball, radius: float, generator: torch.Generator, *, steps: int
) -> tuple[Tensor, Tensor]:
    """D2: the KL that the strong search finds in the ball, and that which training's own search does; two (B,).

    Their difference is the gap: large where the training's local step is being gamed.

    Args:
        model: logits out.
        adversaries: x'.
        ball: of training.
        radius: of the ball, in pixel units.
        generator: of all starts.
        steps: m of training; one step of the radius, or several of half of it.
    """
    own = kappa(
        model, adversaries, ball, generator, steps=steps, step_size=radius if steps == 1 else radius / 2
    )  # the largest value on the way, so at least the start's
    strong = own
    for _ in range(SEARCH_RESTARTS):
        found = kappa(model, adversaries, ball, generator, steps=SEARCH_STEPS, step_size=radius / 4)
        strong = torch.maximum(strong, found)
    return strong, own


class Strong(NamedTuple):
    """The strongest points of a PGD attack: (B, C, H, W), with their cross-entropy (B,); nan where there is none."""

    points: Tensor
    losses: Tensor


def strong_points(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    generator: torch.Generator,
    *,
    steps: int = 50,
) -> Strong:
    """x*: of all iterates of one PGD run (uniform start, steps of a quarter of epsilon) the one of largest loss.

    An infinite loss is the largest. Where every loss is nan, x* is the image and its loss nan.
    """
    delta = threat.random_start(images, generator)
    best, losses = images, torch.full(labels.shape, -torch.inf, dtype=images.dtype, device=images.device)
    with attack_mode(model, "eval"):
        for step in range(steps + 1):
            found = input_gradient(model, images + delta, labels)
            better = found.losses > losses
            best = torch.where(better[:, None, None, None], images + delta, best)
            losses = torch.where(better, found.losses, losses)
            if step < steps:
                delta = threat.project(images, delta + threat.epsilon / 4 * threat.steepest(found.gradient))
    return Strong(best, losses.masked_fill(losses == -torch.inf, torch.nan))


def losses_at(model: nn.Module, points: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy."""
    with attack_mode(model, "eval"), torch.no_grad():
        return F.cross_entropy(model(points).float(), labels, reduction="none")


def strength_gap(model: nn.Module, labels: Tensor, adversaries: Tensor, strong: Strong) -> Tensor:
    """D3: l(x*) - l(x'). Near 0 where the weak adversary is in fact strong; below 0 where it beats PGD."""
    return strong.losses - losses_at(model, adversaries, labels)


def sign_agreement(images: Tensor, adversaries: Tensor, strong: Strong) -> Tensor:
    """D4: share of the pixels in which x' and x* moved the same way; a move of less than `STILL` is none."""
    ways = [(moved - images).sign() * ((moved - images).abs() > STILL) for moved in (adversaries, strong.points)]
    same = ways[0] == ways[1]
    return same.flatten(1).float().mean(1)


def share_within(adversaries: Tensor, strong: Strong, radius: float) -> Tensor:
    """D4: share of the pixels in which x* is within the radius of x'."""
    return ((adversaries - strong.points).abs() <= radius * (1 + 1e-5)).flatten(1).float().mean(1)


def reach(model: nn.Module, labels: Tensor, adversaries: Tensor, strong: Strong, ball: Ball) -> Tensor:
    """D5, phi: how much of x*'s extra loss over x' the nearest point of the ball has; nan where that is small.

    1 if the ball holds x*; 0 at rho = 0; it may be negative or above 1, as losses are not monotone.
    """
    weak = losses_at(model, adversaries, labels)
    inside = losses_at(model, ball.project(strong.points), labels)
    extra = strong.losses - weak
    return ((inside - weak) / extra).masked_fill(extra <= LEAST_GAIN, torch.nan)


def alignment(model: nn.Module, labels: Tensor, points: Tensor, moved: Tensor) -> Tensor:
    """D6: cosine of the input gradients at two points; in the ball at x' and u, or the usual one at x and x + noise."""
    with attack_mode(model, "eval"):
        first = input_gradient(model, points, labels).gradient
        second = input_gradient(model, moved, labels).gradient
    return gradient_alignment(first, second)


def profile(model: nn.Module, images: Tensor, labels: Tensor, adversaries: Tensor, threat: ThreatModel) -> Tensor:
    """D7: the loss at x + t (x' - x) for the `FRACTIONS`, (11, B)."""
    delta = adversaries - images
    return along(model, images, labels, threat, [fraction * delta for fraction in FRACTIONS])[1]


def peak(losses: Tensor) -> Tensor:
    """D7, t*: where along the segment the loss is largest; of those within `EQUAL` of it the nearest to the adversary.

    An infinite loss is the largest; one that is nan counts for nothing.

    Args:
        losses: (11, B), what `profile` returns.

    Returns:
        (B,), in [0, 1]; nan where no loss is finite.
    """
    fractions = torch.tensor(FRACTIONS, dtype=losses.dtype, device=losses.device)
    finite = losses.isfinite()
    known = losses.where(~losses.isnan(), -torch.inf)
    largest = known >= known.amax(0) - EQUAL * losses.where(finite, 0).abs().amax(0).clamp_min(1)
    found = fractions.flip(0)[largest.flip(0).float().argmax(0)]
    return found.where(finite.any(0), torch.nan)


def ball_of(images: Tensor, adversaries: Tensor, rho: float, threat: ThreatModel) -> Ball:
    """The ball of radius rho * epsilon around the adversaries."""
    return local_ball(images, adversaries, rho * threat.epsilon, threat, clipped=True)
