"""Distances between two predictions of a network for the same sample: what consistency terms are made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
"""Types too coarse for a difference of nearly equal predictions."""


def kl_divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """KL(p || q) with p = softmax(reference), q = softmax(logits): the reference comes first, as in TRADES.

    Zero where both agree, with zero gradient there, so a search for its maximum must not start at the reference.

    Args:
        reference: (B, classes), logits of p.
        logits: (B, classes), those of q.

    Returns:
        (B,), in nats, at least 0 up to rounding; float32 for logits in half precision, else of their type.
    """
    first, second = (F.log_softmax(one.float() if one.dtype in HALF else one, 1) for one in (reference, logits))
    return F.kl_div(second, first, reduction="none", log_target=True).sum(1)
