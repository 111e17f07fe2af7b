"""How far two gradients of the same sample point apart: what gradient alignment makes small."""

from __future__ import annotations

import torch
from torch import Tensor


def misalignment(fixed: Tensor, moving: Tensor) -> Tensor:
    """1 - mean cosine between per-sample gradients, where neither is zero; 0 if that leaves none.

    Args:
        fixed: (B, ...), a constant.
        moving: (B, ...), with its graph.

    Returns:
        A scalar in [0, 2], with the graph of `moving`.
    """
    fixed, moving = fixed.flatten(1), moving.flatten(1)
    sizes = fixed.detach().abs().amax(1, keepdim=True), moving.detach().abs().amax(1, keepdim=True)
    usable = ((sizes[0] > 0) & (sizes[1] > 0)).flatten()
    if not usable.any():
        return moving.sum() * 0
    # Scaled first: gradients of confident samples are so small that their lengths would vanish in float32.
    fixed, moving = (fixed / sizes[0])[usable], (moving / sizes[1])[usable]
    return 1 - torch.cosine_similarity(fixed, moving).mean()
