"""Do the steps of PGD go one way? Where the loss is nearly linear they do, and one step is as good as many."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.perturbation import step_collinearity

STEPS = 40
"""Of PGD, as in the source."""


def collinearity(model: nn.Module, images: Tensor, threat: ThreatModel, steps: int = STEPS) -> Tensor:
    """`step_collinearity` of PGD from the images against the labels that the network predicts there.

    The steps are gradient signs; each is taken, at 2.5 epsilon / `steps`, and projected afterwards.

    Args:
        model: logits out.
        images: (N, C, H, W).
        threat: ball and box.
        steps: of PGD, at least 2.

    Returns:
        (N,), in [-1, 1]; nan where a gradient is zero.
    """
    with attack_mode(model, "eval"):
        with torch.no_grad():
            predicted = model(images).argmax(1)
        delta, taken = torch.zeros_like(images), []
        for _ in range(steps):
            direction = threat.steepest(input_gradient(model, images + delta, predicted).gradient)
            taken.append(direction)
            delta = threat.project(images, delta + 2.5 * threat.epsilon / steps * direction)
    return step_collinearity(torch.stack(taken))
