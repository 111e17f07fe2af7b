"""Gradient attacks for use inside a training step: FGSM, RS-FGSM, N-FGSM and PGD.

Every attack takes gradients of the input only: no parameter gradient is computed, and neither BatchNorm's running
statistics nor any `requires_grad` flag changes. Perturbations are float32 and detached. Evaluation, with restarts and
early freezing, is in `cotoolkit.evaluation`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.processes.patience import sign_of_life
from cotoolkit.models.modes import BatchNormMode, attack_mode


class AttackResult(NamedTuple):
    """What an attack found, and the by-products that the signals use for free.

    Attributes:
        delta: (B, C, H, W), the perturbation.
        gradient: (B, C, H, W), the first input gradient taken, per sample (of the summed loss).
        logits: (B, classes), the logits at the point where `gradient` was taken.
        losses: (B,), the cross-entropy there, which the attack raises.
        start: (B, C, H, W), that point minus the image; None where the attack starts at the image.
        targets: (B, classes), the distribution over classes that it goes by; None goes by the labels.
    """

    delta: Tensor
    gradient: Tensor
    logits: Tensor
    losses: Tensor
    start: Tensor | None = None
    targets: Tensor | None = None


class InputGradient(NamedTuple):
    """One forward and one backward pass: gradient (B, C, H, W) per sample, logits (B, classes), losses (B,)."""

    gradient: Tensor
    logits: Tensor
    losses: Tensor


def input_gradient(model: nn.Module, images: Tensor, labels: Tensor, *, create_graph: bool = False) -> InputGradient:
    """Per-sample gradient of the cross-entropy with respect to the input. One forward, one backward.

    Args:
        model: maps (B, C, H, W) to logits (B, classes).
        images: (B, C, H, W).
        labels: (B,), or distributions over classes (B, classes).
        create_graph: keep the gradient differentiable with respect to the parameters (GradAlign).

    Returns:
        The gradient, not divided by the batch size, and the detached logits and losses.
    """
    sign_of_life()
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = model(images)
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), images, create_graph=create_graph)
    return InputGradient(gradient, logits.detach(), losses.detach())


def fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    alpha: float | None = None,
    bn_mode: BatchNormMode = "train",
) -> AttackResult:
    """One steepest step from the image: delta = project(alpha * sign(g(x))) (Goodfellow et al., 2015).

    With an l2 threat this is FGM. 1 forward, 1 backward.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).
        threat: the ball and the box.
        alpha: step in pixel units; None means epsilon.
        bn_mode: see `BatchNormMode`.

    Returns:
        The perturbation, (B, C, H, W) in pixel units, and the by-products of its gradient.
    """
    with attack_mode(model, bn_mode):
        found = input_gradient(model, images, labels)
    step = threat.epsilon if alpha is None else alpha
    return AttackResult(threat.project(images, step * threat.steepest(found.gradient)), *found)


def rs_fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    generator: torch.Generator,
    alpha: float | None = None,
    bn_mode: BatchNormMode = "train",
) -> AttackResult:
    """FGSM from a uniform start in the ball, projected back to it (Wong et al., ICLR 2020). 1 forward, 1 backward.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).
        threat: the ball and the box.
        generator: draws the start.
        alpha: step in pixel units; None means the paper's 1.25 epsilon.
        bn_mode: see `BatchNormMode`.

    Returns:
        The perturbation, (B, C, H, W) in pixel units, and the by-products of its gradient.
    """
    start = threat.random_start(images, generator)
    step = 1.25 * threat.epsilon if alpha is None else alpha
    return _step_from(start, model, images, labels, threat, step, bn_mode)


def n_fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    generator: torch.Generator,
    k: float = 2.0,
    alpha: float | None = None,
    bn_mode: BatchNormMode = "train",
) -> AttackResult:
    """FGSM from a start k times as large as the ball, without projecting back (de Jorge et al., NeurIPS 2022, alg. 1).

    The perturbation may reach k * epsilon + alpha; the box clamp, where there is one, acts as on a ball of that radius.
    With `box="eps_then_box"` a pixel so far outside the box that its start is clamped beyond k * epsilon steps on from
    there, as in the released code, which has no ball. 1 forward, 1 backward.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).
        threat: the ball and the box.
        generator: draws the start.
        k: radius of the start, in units of epsilon.
        alpha: step in pixel units; None means epsilon.
        bn_mode: see `BatchNormMode`.

    Returns:
        The perturbation, (B, C, H, W) in pixel units, and the by-products of its gradient.
    """
    step = threat.epsilon if alpha is None else alpha
    reach = threat.resized(math.inf if threat.box == "eps_then_box" else k * threat.epsilon + step)
    start = threat.scaled(k).random_start(images, generator)
    return _step_from(start, model, images, labels, reach, step, bn_mode)


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    generator: torch.Generator | None = None,
    start: Tensor | None = None,
    steps: int = 10,
    alpha: float | None = None,
    bn_mode: BatchNormMode = "train",
) -> AttackResult:
    """Projected gradient ascent (Madry et al., ICLR 2018), the last iterate of one run.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).
        threat: the ball and the box.
        generator: draws a uniform start.
        start: where to start else; None for the image.
        steps: gradient steps, at least 1. Each costs 1 forward and 1 backward.
        alpha: step in pixel units; None means 2.5 * epsilon / steps, which is 2/255 at 8/255 and 10 steps.
        bn_mode: see `BatchNormMode`.

    Returns:
        The perturbation, (B, C, H, W) in pixel units, and the by-products of its gradient.

    Raises:
        ValueError: `steps` below 1.
    """
    if steps < 1:
        raise ValueError(f"steps={steps}: PGD takes at least 1 step")
    step = 2.5 * threat.epsilon / steps if alpha is None else alpha
    start = start if generator is None else threat.random_start(images, generator)
    delta = torch.zeros_like(images) if start is None else start
    with attack_mode(model, bn_mode):
        first = found = input_gradient(model, images + delta, labels)
        delta = threat.project(images, delta + step * threat.steepest(found.gradient))
        for _ in range(steps - 1):
            found = input_gradient(model, images + delta, labels)
            delta = threat.project(images, delta + step * threat.steepest(found.gradient))
    return AttackResult(delta, *first, start)


def _step_from(
    start: Tensor,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    step: float,
    bn_mode: BatchNormMode,
) -> AttackResult:
    with attack_mode(model, bn_mode):
        found = input_gradient(model, images + start, labels)
    return AttackResult(threat.project(images, start + step * threat.steepest(found.gradient)), *found, start)


def holds(logits: Tensor, labels: Tensor) -> Tensor:
    """Correctly classified; nan and infinity decide nothing and count as fooled. -infinity rules a class out.

    Args:
        logits: (B, classes).
        labels: (B,).

    Returns:
        (B,) bool.
    """
    return (logits.argmax(1) == labels) & logits.amax(1).isfinite()
