"""Checks of the outputs and gradients themselves: AutoAttack's, with the numbers behind them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotoolkit.diagnosis.measurements import Masking
from cotoolkit.diagnosis.measuring.fgsm_segment import FgsmSweep
from cotoolkit.diagnosis.measuring.statistics import quartiles, rate_of
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.masking import logit_spread, zero_gradient
from cotoolkit.signals.step import gradient_norm

RUNS = 5
"""Repeated outputs of one image, as AutoAttack takes."""


def output_checks(model: nn.Module, images: Tensor, found: FgsmSweep) -> Masking:
    """Whether outputs are random or not finite, and gradients zero or nan.

    Args:
        model: logits out.
        images: (N, C, H, W), which are sent through `RUNS` times.
        found: gradients and outputs at more images.

    Returns:
        The checks, as the diagnosis writes them down.
    """
    with attack_mode(model, "eval"), torch.no_grad():
        runs = torch.stack([model(images) for _ in range(RUNS)])
    zero, broken = zero_gradient(found.gradient) == 1, found.gradient.flatten(1).isnan().any(1)
    followed = found.gradient.nan_to_num(0, torch.inf, -torch.inf)  # as attacks take it
    return Masking(
        logit_spread=float(logit_spread(runs).nan_to_num(0).max()),
        zero_gradients=rate_of(zero[found.clean]) if found.clean.any() else None,
        broken_outputs=float((~found.logits.amax(1).isfinite()).float().mean()),
        median_gradient=quartiles(gradient_norm(followed))[1],
        nan_gradients=rate_of(broken[found.clean]) if found.clean.any() else None,
    )
