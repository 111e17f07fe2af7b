"""Whether an attack did its work: two of the indicators of Pintor et al. (NeurIPS 2022), per sample."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import SHARE, signal

INDICATORS = "indicators of attack failure: Pintor et al., NeurIPS 2022"

LAST, STILL = 10, 0.05
"""The attack is unsettled if its scaled loss grew by more than `STILL` over its `LAST` steps (their I4)."""


@signal(
    title="attack that has not settled",
    unit=SHARE,
    cost=Cost(20, 20),
    at_break=None,
    source=f"I4 of the {INDICATORS} (0.05 over the last 10 steps)",
)
def unsettled_attack(loss_trace: Tensor) -> Tensor:
    """1 where the loss an attack has reached still grew over its last 10 steps, else 0.

    The running greatest loss is scaled so that it begins at 0 and ends at 1. The cost is that of PGD-20.

    >>> rising, settled = torch.arange(21.0), torch.arange(21.0).clamp(max=5)
    >>> unsettled_attack(torch.stack([rising, settled], 1))
    tensor([1., 0.])

    Args:
        loss_trace: (T, B), the loss at each step of the attack, from its start.

    Returns:
        (B,), 0 or 1; nan for fewer steps than 11, or where a loss is not finite.
    """
    known = loss_trace.isfinite().all(0)
    if len(loss_trace) <= LAST:
        return torch.full_like(loss_trace[0], torch.nan)
    best = loss_trace.cummax(0).values
    grown, late = best[-1] - best[0], best[-1] - best[-1 - LAST]
    found = (late > STILL * grown).to(loss_trace)  # no growth at all is settled: 0 > 0 is false
    return found.where(known, torch.nan)


@signal(
    title="unstable predictions",
    unit=SHARE,
    cost=Cost(100, 0),
    at_break=None,
    source=f"I2 of the {INDICATORS} (100 draws)",
)
def unstable_prediction(losses: Tensor, moved_losses: Tensor) -> Tensor:
    """Mean over random neighbours of min(1, |L' - L| / |L|): 0 for a steady loss, 1 for one that noise rules.

    A loss near 0, as of points far from any boundary, makes large ratios of small changes: read it beside others.

    >>> unstable_prediction(torch.tensor([2.0]), torch.tensor([[3.0], [9.0]]))
    tensor([0.7500])

    Args:
        losses: (B,), at the images.
        moved_losses: (draws, B), at images + xi, xi uniform in +-4/255 (half of the paper's 8/255).

    Returns:
        (B,), in [0, 1]; nan where a loss is not finite.
    """
    change = (moved_losses - losses).abs()
    ratio = (change / losses.abs()).clamp(max=1).where(change > 0, 0.0)
    known = losses.isfinite() & moved_losses.isfinite().all(0)
    return ratio.mean(0).where(known, torch.nan)
