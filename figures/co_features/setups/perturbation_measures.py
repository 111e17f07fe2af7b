"""What several figures measure of a network and its perturbations."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import fgsm, input_gradient, pgd
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.curvature import top_hessian_eigenvalue
from cotoolkit.signals.perturbation import perturbation_alignment
from interventions.projection import feature_coefficients, feature_share


class PerturbationShare(NamedTuple):
    """How much of perturbations (B, ...) is the injected feature; each (B,).

    Attributes:
        inside: r, the share of the energy in the span of all features; random signs give rank / d.
        cancelled: s = -<delta, v_y> / (||v_y||^2 epsilon): 1 where the perturbation does nothing but cancel the
            feature of the own class, about 0 for random signs.
    """

    inside: Tensor
    cancelled: Tensor


def perturbation_share(delta: Tensor, labels: Tensor, vectors: Tensor, epsilon: float) -> PerturbationShare:
    """See `PerturbationShare`. Shapes: (B, C, H, W), (B,), (classes, C, H, W).

    Args:
        delta: perturbations, (B, C, H, W).
        labels: (B,).
        vectors: features of the classes, (classes, C, H, W).
        epsilon: radius.

    Returns:
        Two numbers a perturbation, each (B,).
    """
    own = feature_coefficients(delta, vectors).gather(1, labels[:, None])[:, 0]
    return PerturbationShare(feature_share(delta, vectors), -own / epsilon)


def curvature(model: nn.Module, images: Tensor, labels: Tensor, seed: int) -> float:
    """Mean over images of the largest eigenvalue of the input Hessian of the cross-entropy, in evaluation mode.

    By power iteration from a start that is the same for every network.

    Args:
        model: images to logits.
        images: (B, C, H, W).
        labels: (B,).
        seed: of the start.

    Returns:
        The mean eigenvalue.
    """

    def gradient_of(inputs: Tensor) -> Tensor:
        losses = torch.nn.functional.cross_entropy(model(inputs), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(losses, inputs, create_graph=True)
        return gradient

    with attack_mode(model, "eval"):
        return float(top_hessian_eigenvalue(gradient_of, images, generator(seed, "diagnosis")).mean())


def perturbations(model: nn.Module, points: Points, config: RunConfig) -> dict[str, Tensor]:
    """What FGSM and PGD-10 add to images, (N, C, H, W), in evaluation mode.

    Args:
        model: images to logits.
        points: N images and their labels.
        config: of the run; its radius and clamps.

    Returns:
        Perturbations by the name of the attack, "fgsm" and "pgd".
    """
    images, labels, threat = points.images, points.labels, config.threat
    draws = generator(config.seed, "diagnosis")
    return {
        "fgsm": fgsm(model, images, labels, threat, bn_mode="eval").delta,
        "pgd": pgd(model, images, labels, threat, generator=draws, bn_mode="eval").delta,
    }


def second_step(model: nn.Module, points: Points, config: RunConfig) -> Tensor:
    """Cosine between FGSM's step and the next, taken at the FGSM example; (N,), nan where a gradient is zero.

    Args:
        model: images to logits.
        points: N images and their labels.
        config: of the run; its radius and clamps.

    Returns:
        Cosines, (N,).
    """
    images, labels, threat = points.images, points.labels, config.threat
    found = fgsm(model, images, labels, threat, bn_mode="eval")
    with attack_mode(model, "eval"):
        following = threat.steepest(input_gradient(model, images + found.delta, labels).gradient)
    first = threat.steepest(found.gradient)
    return perturbation_alignment(first, following)


def hidden_on_the_way(correct: Tensor, end: int) -> float:
    """Share of images that are right at row `end` of a way and wrong at some row before it; (K, N) bool.

    Args:
        correct: whether an image is right at a place of the way, (K, N).
        end: row of the end.

    Returns:
        The share, in [0, 1].
    """
    return float((correct[end] & ~correct[:end].all(0)).double().mean())


def removed_energy(before: Tensor, after: Tensor) -> float:
    """Share of the images' energy that a change takes away: 1 - |after|^2 / |before|^2, over all images.

    Args:
        before: images, (B, C, H, W).
        after: the same, changed.

    Returns:
        The share, at most 1.
    """
    return 1 - float(after.double().square().sum() / before.double().square().sum())
