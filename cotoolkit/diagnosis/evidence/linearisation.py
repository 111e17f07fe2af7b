"""How far is the loss from its tangent, at random corners of the ball?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.diagnosis.measuring.fgsm_segment import along
from cotoolkit.signals.local import linearisation_error

CORNERS = 10
"""Drawn for each image."""

POSITION = 32
"""Of the draws, among those of the label `diagnosis`."""


def corner_errors(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    gradient: Tensor,
    losses: Tensor,
    seed: int = 0,
) -> Tensor:
    """`linearisation_error` of each image, the mean over `CORNERS` random corners x +- epsilon.

    As in the code of its source, the corners are not clipped to the pixel box.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: whose radius counts.
        gradient: (N, C, H, W), of the cross-entropy at the images.
        losses: (N,), the cross-entropy there.
        seed: of the corners.

    Returns:
        (N,), at least 0; nan where a loss is 0 or not finite.
    """
    source, free = generator(seed, "diagnosis", POSITION), ThreatModel(threat.epsilon, box="none")
    errors = []
    for _ in range(CORNERS):
        signs = torch.randint(2, images.shape, generator=source, device=source.device).to(images) * 2 - 1
        delta = threat.epsilon * signs
        _, moved = along(model, images, labels, free, [delta])
        errors.append(linearisation_error(losses, moved[0], gradient, delta))
    mean = torch.stack(errors).mean(0)
    return mean.where(mean.isfinite(), torch.nan)
