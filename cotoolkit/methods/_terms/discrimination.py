"""The discrimination loss of BAT-style training: features of one class together, of different classes apart."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Form = Literal["dot", "distance"]
"""The exponent of a pair of l2-normalised features: z . z' / T, or -|z - z'|^2 / T (soft nearest neighbour)."""


class Discrimination(NamedTuple):
    """Attributes: loss, the mean over anchors, and skipped, the share of samples without a positive; 0-dim tensors."""

    loss: Tensor
    skipped: Tensor


def discrimination(features: Tensor, labels: Tensor, temperature: float, form: Form = "dot") -> Discrimination:
    """-log of the share of an anchor's own class in the sum of exp(similarity) over all other samples.

    A reconstruction: form, temperature and layer of the paper's loss are not known (docs/benign_at.md). Anchors
    without another sample of their class are left out of the mean; it is 0 where that leaves none.

    Args:
        features: (N, D), N >= 1.
        labels: (N,).
        temperature: above 0.
        form: of the exponent. "distance" at temperature T is "dot" at T / 2.

    Returns:
        The loss, in nats, and the share of samples that were left out.
    """
    z = F.normalize(features.float(), dim=1)
    similarity = z @ z.T
    if form == "distance":
        squares = z.square().sum(1)
        similarity = 2 * similarity - squares[:, None] - squares[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    anchors = positive.any(1)
    skipped = 1 - anchors.float().mean()
    if not anchors.any():
        return Discrimination(z.sum() * 0, skipped)
    # torch's logsumexp subtracts the maximum; rows without a positive would give nan gradients, so they go before it.
    exponents = (similarity / temperature)[anchors]
    others = exponents.masked_fill(itself[anchors], -torch.inf).logsumexp(1)
    own = exponents.masked_fill(~positive[anchors], -torch.inf).logsumexp(1)
    return Discrimination((others - own).mean(), skipped)
