"""Which units of a hidden layer a decision passes through, and how that changes, as across a breakpoint.

Conductance (Dhamdhere et al., ICLR 2019), by captum: integrated gradients, credited to the units of a layer instead of
the pixels. Over a layer that all information passes through they sum to f(x) - f(b) as well.
"""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import LayerConductance
from torch import Tensor, nn

from analyses.features.attributions.integrated_gradients import ROWS, Baseline, as_explained, baseline_images
from analyses.features.layers import find_layer
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models.modes import attack_mode


def unit_conductance(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: str,
    *,
    baseline: Baseline = "zero",
    steps: int = 50,
) -> Tensor:
    """How much of the target's logit flows through each unit of a layer, on the way from a baseline to the image.

    To follow a breakpoint, ask of the networks before and after it for the same images, layer and targets.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        targets: (B,), the class whose logit is explained.
        layer: name of a module; its units are the channels of a convolution, or the entries of a linear layer.
        baseline: see `Baseline`.
        steps: equal parts of the way; the sum errs about as 1 / steps.

    Returns:
        (B, units), sums over positions, on the model's device.

    Raises:
        ConfigError: no step.
        ModelError: no such layer, or its output is none of (B, units), (B, units, H, W), (B, tokens, units).
    """
    if steps < 1:
        raise ConfigError(f"steps={steps}: conductance takes at least 1 step")
    module = find_layer(model, layer)
    images, targets = images.detach().to(device_of(model)), targets.to(device_of(model))
    network, start = as_explained(model), baseline_images(images, baseline)
    size, captum = max(1, ROWS // (steps + 1)), LayerConductance(network, module)
    found = []
    with torch.enable_grad(), attack_mode(model, "eval"):
        for x, b, y in zip(images.split(size), start.split(size), targets.split(size), strict=True):
            x.requires_grad_()  # captum would set the flag itself, and warn
            # The only rule of captum's whose points include both ends, without which parts of the way are left out.
            credit = captum.attribute(x, b, target=y, n_steps=steps, method="riemann_trapezoid")
            found.append(_units(credit, layer).detach())
    return torch.cat(found)


def _units(credit: Any, layer: str) -> Tensor:
    """Sums over positions: (B, units, H, W), (B, tokens, units) or (B, units) -> (B, units)."""
    if not isinstance(credit, Tensor) or credit.ndim not in (2, 3, 4):
        shape = tuple(credit.shape) if isinstance(credit, Tensor) else type(credit).__name__
        raise ModelError(
            f"layer {layer!r} puts out {shape}; units need (B, units), (B, tokens, units) or (B, units, H, W)"
        )
    return credit if credit.ndim == 2 else credit.sum(1) if credit.ndim == 3 else credit.sum((2, 3))
