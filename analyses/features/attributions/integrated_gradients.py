"""Integrated gradients, with as many points on the path as completeness asks for."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError
from cotoolkit.intake.model import ImageModel
from cotoolkit.models.modes import attack_mode

Baseline = Literal["zero", "blurred"]
"""What means "nothing there" to integrated gradients: black, or x blurred by a Gaussian of an eighth of its side."""

TOLERANCE = 0.005
"""Completeness gap above which an image's path gets twice as many points."""

MOST_PARTS = 16
"""A path is cut into at most so many parts. On networks of ReLUs the gap falls about as 1 / points."""

ROWS = 1024
"""Images that go through the model at a time, the steps of a path counted one by one."""


class PathMaps(NamedTuple):
    """Integrated gradients of a batch.

    Attributes:
        maps: (B, C, H, W), on the model's device.
        gap: (B,), float64, the maps' `completeness_gap`.
        steps: (B,), int64, points on each image's path.
    """

    maps: Tensor
    gap: Tensor
    steps: Tensor


def integrated_gradients(
    model: nn.Module, images: Tensor, targets: Tensor, *, baseline: Baseline = "zero", steps: int = 50
) -> PathMaps:
    """(x - b) times the mean gradient of the target's logit on the way from a baseline b to x, image by image.

    The path is cut into 1, 2, 4, ... equal parts of `steps` points each (Gauss-Legendre), until the image's
    `completeness_gap` is at most `TOLERANCE` or it has `MOST_PARTS` parts.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        targets: (B,), the class whose logit is explained.
        baseline: see `Baseline`.
        steps: points on each part of the path, at least 1.

    Returns:
        The maps, and how complete they are.

    Raises:
        ConfigError: no step.

    Source: Sundararajan et al., ICML 2017.
    """
    if steps < 1:
        raise ConfigError(f"steps={steps}: an attribution takes at least 1 step")
    model = as_explained(model)
    images, targets = images.detach().to(device_of(model)), targets.to(device_of(model))
    start, expected = baseline_images(images, baseline), _difference(model, images, targets, baseline)
    scale = expected.abs().mean()
    maps, gap = torch.zeros_like(images), torch.full_like(expected, torch.inf)
    used = torch.zeros_like(targets, dtype=torch.int64)
    left, parts = torch.arange(len(images), device=images.device), 1
    with attack_mode(model, "eval"):
        while len(left) and parts <= MOST_PARTS:
            for few in left.split(max(1, ROWS // steps)):
                maps[few] = _quadrature(model, images[few], start[few], targets[few], parts, steps)
            gap[left] = (maps[left].double().flatten(1).sum(1) - expected[left]).abs() / scale
            used[left] = parts * steps
            left, parts = left[gap[left] > TOLERANCE], 2 * parts
    return PathMaps(maps, gap, used)


def completeness_gap(
    model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, baseline: Baseline = "zero"
) -> Tensor:
    """|sum of the map - (f(x) - f(b))| of each image, relative to the batch's mean |f(x) - f(b)|.

    f is the target's logit, b the baseline. Integrated gradients are exact but for the quadrature. Relative to the
    mean, since a single image's f(x) - f(b) may be near zero; nan if the mean is zero.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        targets: (B,), the class whose logit is explained.
        maps: (B, C, H, W), attributions.
        baseline: see `Baseline`.

    Returns:
        (B,), float64, from 0, on the model's device.
    """
    expected = _difference(model, images.to(device_of(model)), targets.to(device_of(model)), baseline)
    gap = (maps.to(expected.device).double().flatten(1).sum(1) - expected).abs()
    return gap / expected.abs().mean()


def as_explained(model: nn.Module) -> nn.Module:
    """What attributions explain: what a network returns, be it logits or probabilities."""
    return model.as_returned() if isinstance(model, ImageModel) else model


def baseline_images(images: Tensor, kind: Baseline) -> Tensor:
    """The baseline of each image, of the same shape.

    Args:
        images: (B, C, H, W).
        kind: see `Baseline`.

    Returns:
        (B, C, H, W).
    """
    if kind not in get_args(Baseline):
        raise ConfigError(f"no baseline {kind!r}; choose from {', '.join(get_args(Baseline))}")
    if kind == "zero":
        return torch.zeros_like(images)
    from torchvision.transforms.functional import gaussian_blur  # seconds, for its models

    sigma = min(images.shape[-2:]) / 8
    blurred: Tensor = gaussian_blur(images, 2 * int(3 * sigma) + 1, sigma)
    return blurred


def _quadrature(model: nn.Module, images: Tensor, start: Tensor, targets: Tensor, parts: int, steps: int) -> Tensor:
    total = torch.zeros_like(images)
    for part in range(parts):
        low, high = (torch.lerp(start, images, end / parts) for end in (part, part + 1))
        high.requires_grad_()  # captum would set the flag itself, and warn
        found = IntegratedGradients(model).attribute(high, low, targets, n_steps=steps, method="gausslegendre")
        total += found.detach()
    return total


def _difference(model: nn.Module, images: Tensor, targets: Tensor, baseline: Baseline) -> Tensor:
    with torch.no_grad(), attack_mode(model, "eval"):
        logits = [as_explained(model)(points).double() for points in (images, baseline_images(images, baseline))]
    difference: Tensor = logits[0] - logits[1]
    return difference.gather(1, targets[:, None])[:, 0]
