"""PGD on the logit margin, plain and smoothed: white-box attacks that see through two ways of hiding a gradient.

The gradient of the cross-entropy underflows where logits are large; that of the margin does not depend on their scale.
A gradient averaged over noise follows the loss where a single one is shattered or random: it is that of the same
network smoothed, so its examples are transferred from a smooth copy of the network to the network itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.attacks.unfooled import AttackedBatch, unfooled

STEP = 0.25
"""Step size in units of epsilon, as in PGD's protocol."""

NOISE = 0.5
"""Standard deviation of the smoothing noise in units of epsilon (ours)."""


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the true class minus the largest other one: below 0 where misclassified.

    Args:
        logits: (B, classes).
        labels: (B,).

    Returns:
        (B,), in units of the logits.
    """
    own = logits.gather(1, labels[:, None])
    return (own - logits.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)).squeeze(1)


def scale_of(logits: Tensor) -> Tensor:
    """By what a margin is divided before its gradient is taken: the distance of the greatest logit from the least.

    A constant for the gradient, whose direction it does not change. It keeps gradients of very large and very small
    logits inside the range of float32, and lets each draw of an average count alike, whatever the size of its logits.

    >>> scale_of(torch.tensor([[3e30, 1e30, 2e30], [1.0, 1.0, 1.0]]))
    tensor([2.0000e+30, 1.0000e+00])

    Args:
        logits: (B, classes).

    Returns:
        (B,), above 0; 1 where all finite logits are equal, or none is finite.
    """
    finite = logits.detach()
    most = finite.nan_to_num(-torch.inf, -torch.inf, -torch.inf).amax(1)
    least = finite.nan_to_num(torch.inf, torch.inf, torch.inf).amin(1)
    spread = most - least
    return spread.where((spread > 0) & spread.isfinite(), 1.0)


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

    def attempts(batch: AttackedBatch) -> Iterator[Tensor]:
        delta = threat.random_start(batch.images, generator)[batch.alive]
        yield delta
        for _ in range(steps):
            if len(batch.alive) == 0:
                return
            here, true = batch.images[batch.alive], batch.labels[batch.alive]
            delta = delta[batch.held]
            if draws:
                gradient = torch.zeros_like(delta)
                for _ in range(draws):
                    noise = torch.randn(
                        delta.shape, generator=generator, device=generator.device, dtype=torch.float32
                    ).to(delta)
                    gradient += margin_gradient(model, here + delta + NOISE * threat.epsilon * noise, true)
            else:
                gradient = margin_gradient(model, here + delta, true)
            delta = threat.project(here, delta + STEP * threat.epsilon * threat.steepest(gradient))
            yield delta

    return unfooled(model, images, labels, attempts, batch_size)


def margin_card(steps: int, draws: int) -> dict[str, Any]:
    """What defines the attack, as JSON data.

    Args:
        steps: as `margin_attack` takes them.
        draws: as `margin_attack` takes them.

    Returns:
        The fields of a protocol card that are this attack's own.
    """
    noise = {"noise": NOISE, "draws": draws} if draws else {}
    return {"attack": "pgd on the logit margin", "steps": steps, "step_size": STEP, "restarts": 1, **noise}


def margin_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Per-sample input gradient of minus the margin, divided by `scale_of`: the way to a misclassification.

    Args:
        model: logits out.
        images: (B, C, H, W).
        labels: (B,).

    Returns:
        (B, C, H, W), per unit of the logits' spread, not divided by the batch size.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = model(images).float()
        loss = -(margin(logits, labels) / scale_of(logits)).sum()
        return torch.autograd.grad(loss, images)[0]
