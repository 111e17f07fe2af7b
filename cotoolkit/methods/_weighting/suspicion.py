"""Samples that a network is confidently wrong about, and how many samples weights leave."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Suspicion(NamedTuple):
    """What `suspicion` says of each sample.

    Attributes:
        confidence: (B,), in [0, 1], of the likeliest wrong class.
        flagged: (B,) bool.
    """

    confidence: Tensor
    flagged: Tensor


def suspicion(logits: Tensor, labels: Tensor, tau: float = 0.0) -> Suspicion:
    """Which samples look harmful: a wrong class is likelier than the label, and at least `tau` likely.

    q = max over k != y of softmax(f)_k; flag = q > p_y and q >= tau. Ties, as of an untrained network, are not flagged.
    Reconstructed, see docs/benign_at.md. Nothing of it has a gradient.

    >>> suspicion(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])).flagged
    tensor([False,  True])

    Args:
        logits: (B, classes).
        labels: (B,).
        tau: least confidence of a flag, in [0, 1].

    Returns:
        The likeliest wrong class's probability, and the flags.
    """
    scores = logits.detach().float()
    own = scores.gather(1, labels[:, None])
    wrong = scores.scatter(1, labels[:, None], -torch.inf)
    # Compared as logits, since equal ones need not have equal softmax bits.
    likelier = wrong.amax(1) > own.flatten()
    confidence = F.softmax(scores, 1).scatter(1, labels[:, None], 0).amax(1)
    return Suspicion(confidence, likelier & (confidence >= tau))


def effective_size(weights: Tensor) -> Tensor:
    """Effective number of samples (sum w)^2 / sum w^2, 0-dim; (B,) -> [1, B]. nan where all weights are 0."""
    return weights.sum().square() / weights.square().sum()
