"""The signals of this package at the points of a diagnosis."""

from __future__ import annotations

from torch import Tensor, nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.evidence.collinearity import collinearity
from cotoolkit.diagnosis.evidence.label_steps import label_steps
from cotoolkit.diagnosis.evidence.linearisation import corner_errors
from cotoolkit.diagnosis.evidence.stability import instability
from cotoolkit.diagnosis.measuring.fgsm_segment import FgsmSweep


def evidence_signals(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    found: FgsmSweep,
    budget: Budget,
    seed: int,
) -> dict[str, Tensor]:
    """Their values by name, at the first `evidence_points` of the images.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: ball and box.
        found: the gradient and the loss at the images.
        budget: how many points and classes.
        seed: of every draw.

    Returns:
        (M,) each, M = min(N, `evidence_points`).
    """
    part = slice(budget.evidence_points)
    images, labels, gradient, losses = images[part], labels[part], found.gradient[part], found.losses[part]
    return {
        "linearisation_error": corner_errors(model, images, labels, threat, gradient, losses, seed),
        "step_collinearity": collinearity(model, images, threat),
        "unstable_prediction": instability(model, images, labels, losses, seed, box=threat.box),
        **label_steps(model, images, threat, most_classes=budget.label_classes, seed=seed)._asdict(),
    }
