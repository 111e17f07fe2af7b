"""Does noise rule the loss? The second indicator of attack failure (Pintor et al., NeurIPS 2022)."""

from __future__ import annotations

from torch import Tensor, nn

from cotoolkit.attacks.threat_model import Box, ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.diagnosis.measuring.fgsm_segment import along
from cotoolkit.signals.attack_failure import unstable_prediction

DRAWS, REACH = 100, 4 / 255
"""Neighbours of an image, and how far they lie at most: xi is uniform in +-r/2, and the paper's r is 8/255."""

POSITION = 31
"""Of the draws, among those of the label `diagnosis`."""


def instability(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    losses: Tensor,
    seed: int = 0,
    draws: int = DRAWS,
    box: Box = "box_then_eps",
) -> Tensor:
    """`unstable_prediction` at these images: `draws` forward passes each.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        losses: (N,), the cross-entropy at the images.
        seed: of the draws.
        draws: neighbours of each image.
        box: which they do not leave.

    Returns:
        (N,), in [0, 1]; nan where a loss is not finite.
    """
    source, near = generator(seed, "diagnosis", POSITION), ThreatModel(REACH, box=box)
    deltas = (near.random_start(images, source) for _ in range(draws))
    _, moved = along(model, images, labels, near, deltas)
    return unstable_prediction(losses, moved)
