"""Label smoothing: targets that leave some of a label's mass to other classes."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Spread = Literal["even", "random", "all"]
"""Which classes share the mass that the label gives up.

- `even`: all others, evenly: the label keeps exactly 1 - smoothing (FGSM-MEP, ConvergeSmooth, FGSM-PCO).
- `random`: all others, in proportions drawn anew for every sample (LIET).
- `all`: all classes evenly, the label's own among them, as torch's `label_smoothing` does: the label keeps
  1 - smoothing + smoothing / classes.
"""


def smoothed_targets(
    labels: Tensor, classes: int, smoothing: float, spread: Spread = "even", draws: torch.Generator | None = None
) -> Tensor:
    """Targets of the cross-entropy: each label keeps 1 - smoothing, the rest is spread over classes.

    >>> smoothed_targets(torch.tensor([2]), 3, 0.5)
    tensor([[0.2500, 0.2500, 0.5000]])

    Args:
        labels: (B,) int64.
        classes: number of classes, at least 2.
        smoothing: mass to be spread, in [0, 1].
        spread: see `Spread`.
        draws: of the proportions; a random spread needs it. It may live on another device.

    Returns:
        (B, classes) float32; rows sum to 1.
    """
    own = F.one_hot(labels, classes).float()
    if spread == "all":
        return (1 - smoothing) * own + smoothing / classes
    others = 1 - own
    if spread == "random":
        assert draws is not None
        shares = 1 - torch.rand(len(labels), classes, generator=draws, device=draws.device, dtype=torch.float32)
        others = others * shares.to(labels.device)  # none is 0, so that their sum is not
    return (1 - smoothing) * own + smoothing * (others / others.sum(1, keepdim=True))
