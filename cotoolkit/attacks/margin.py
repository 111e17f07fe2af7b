"""PGD on the logit margin, plain and smoothed: white-box attacks that see through two ways of hiding a gradient.

The gradient of the cross-entropy underflows where logits are large; that of the margin does not depend on their scale.
A gradient averaged over noise follows the loss where a single one is shattered or random: it is that of the same
network smoothed, so its examples are transferred from a smooth copy of the network to the network itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import attack_mode, holds
from cotoolkit.attacks.square import margin
from cotoolkit.attacks.threat_model import ThreatModel

STEP = 0.25
"""Step size in units of epsilon, as in PGD's protocol."""

NOISE = 0.5
"""Standard deviation of the smoothing noise in units of epsilon (ours)."""


def margin_attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    steps: int,
    draws: int = 0,
    generator: torch.Generator,
    batch_size: int = 512,
) -> Tensor:
    """Which points no iterate of PGD on the logit margin fools, from one uniform start.

    Args:
        model: logits out, on the images' device.
        images: (N, C, H, W).
        labels: (N,).
        threat: ball and box.
        steps: gradient steps of a quarter of epsilon.
        draws: gradients averaged in each step, each at another draw of Gaussian noise of `NOISE` epsilon; 0 takes one
            gradient without noise.
        generator: of starts and noise, on the CPU.
        batch_size: points attacked together.

    Returns:
        (N,) bool.
    """
    found = []
    with attack_mode(model, "eval"):
        for first in range(0, len(images), batch_size):
            part = slice(first, first + batch_size)
            found.append(_unfooled(model, images[part], labels[part], threat, steps, draws, generator))
    return torch.cat(found)


def margin_card(threat: ThreatModel, steps: int, draws: int) -> dict[str, Any]:
    """What defines the attack, as JSON data."""
    noise = {"noise": NOISE, "draws": draws} if draws else {}
    return {"attack": "pgd on the logit margin", "steps": steps, "step_size": STEP, "restarts": 1, **noise}


def margin_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Per-sample input gradient of minus the margin: the way to a misclassification. (B, C, H, W) -> the same."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        loss = -margin(model(images).float(), labels).sum()
        return torch.autograd.grad(loss, images)[0]


def _unfooled(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    steps: int,
    draws: int,
    generator: torch.Generator,
) -> Tensor:
    with torch.no_grad():
        alive = holds(model(images), labels).nonzero().flatten()
    delta = threat.random_start(images, generator)[alive]
    for _ in range(steps):
        delta, alive = _fooled_leave(model, images, labels, delta, alive)
        if len(alive) == 0:
            break
        here = images[alive] + delta
        if draws:
            gradient = torch.zeros_like(here)
            for _ in range(draws):
                noise = torch.randn(here.shape, generator=generator).to(here)
                gradient += margin_gradient(model, here + NOISE * threat.epsilon * noise, labels[alive])
        else:
            gradient = margin_gradient(model, here, labels[alive])
        delta = threat.project(images[alive], delta + STEP * threat.epsilon * threat.steepest(gradient))
    _, alive = _fooled_leave(model, images, labels, delta, alive)
    correct = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    correct[alive] = True
    return correct


def _fooled_leave(
    model: nn.Module, images: Tensor, labels: Tensor, delta: Tensor, alive: Tensor
) -> tuple[Tensor, Tensor]:
    if len(alive) == 0:
        return delta, alive
    with torch.no_grad():
        held = holds(model(images[alive] + delta), labels[alive])
    return delta[held], alive[held]
