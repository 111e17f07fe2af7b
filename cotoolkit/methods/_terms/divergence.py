"""Distances between two predictions of a network for the same sample: what consistency terms are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def kl_divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """KL(p || q) with p = softmax(reference), q = softmax(logits): the reference comes first, as in TRADES.

    Zero where both agree, with zero gradient there, so a search for its maximum must not start at the reference.

    Args:
        reference: (B, classes), logits of p.
        logits: (B, classes), those of q.

    Returns:
        (B,), in nats, at least 0 up to rounding.
    """
    first, second = F.log_softmax(reference.float(), 1), F.log_softmax(logits.float(), 1)
    return F.kl_div(second, first, reduction="none", log_target=True).sum(1)
