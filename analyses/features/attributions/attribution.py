"""Which pixels a decision rests on: attribution maps, by captum, of the logit of a given class.

Models are in evaluation mode. Maps are signed, of the images' shape, except saliency, which is a magnitude.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from captum.attr import GradientShap, InputXGradient, Occlusion, Saliency
from torch import Tensor, nn

from analyses.features.attributions.integrated_gradients import (
    ROWS,
    Baseline,
    as_explained,
    baseline_images,
    integrated_gradients,
)
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import fork_every_global_rng
from cotoolkit.models.modes import attack_mode

Method = Literal["integrated_gradients", "saliency", "gradient_shap", "input_x_gradient", "occlusion"]
"""How pixels are credited with the logit f.

- `integrated_gradients`: (x - b) times the mean gradient on the way from a baseline b to x (Sundararajan et al., ICML
  2017), to a stated gap (see `analyses.features.attributions.integrated_gradients`). The map sums to f(x) - f(b).
- `saliency`: |df / dx| (Simonyan et al., 2014).
- `gradient_shap`: the mean of (x - b) df / dx at random points between x and random baselines b, drawn from all images
  of the call, itself among them (Lundberg & Lee, NIPS 2017; captum, without added noise). So a map depends on the other
  images, of which there must be some.
- `input_x_gradient`: x df / dx.
- `occlusion`: f(x) minus f where a square patch shows the baseline, the mean over the patches that cover a pixel,
  shared equally among its channels (Zeiler & Fergus, ECCV 2014). It needs no gradient, so that it tells what masked
  gradients hide. Sides of patches are an eighth of the image's shorter side, see `patch_of`.
"""


def patch_of(images: Tensor) -> tuple[int, int]:
    """Side of the patches of occlusion and the steps between them, in pixels; half a patch, at least 1.

    >>> patch_of(torch.zeros(1, 3, 32, 32)), patch_of(torch.zeros(1, 1, 8, 8))
    ((4, 2), (1, 1))
    """
    side = max(1, min(images.shape[-2:]) // 8)
    return side, max(1, side // 2)


def attribute(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    method: Method = "integrated_gradients",
    *,
    baseline: Baseline = "zero",
    steps: int = 50,
    seed: int = 0,
) -> Tensor:
    """Attribution maps of the logits of the target classes.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        targets: (B,), the class whose logit is explained, usually the true one.
        method: see `Method`.
        baseline: see `Baseline`; of integrated gradients and occlusion.
        steps: points on the way from baseline to image, of gradient SHAP; of integrated gradients the first number.
        seed: of the points of gradient SHAP; the same ones for every model, on every device.

    Returns:
        (B, C, H, W), on the model's device.

    Raises:
        ConfigError: unknown method, or no step; or gradient SHAP of images that are all the same.
    """
    if method not in get_args(Method):
        raise ConfigError(f"no attribution method {method!r}; choose from {', '.join(get_args(Method))}")
    if steps < 1:
        raise ConfigError(f"steps={steps}: an attribution takes at least 1 step")
    if method == "gradient_shap" and len(images) and torch.equal(images, images[:1].expand_as(images)):
        raise ConfigError("gradient_shap draws its baselines from the images; give at least two different ones")
    images, targets = images.to(device_of(model)), targets.to(device_of(model))
    if method == "integrated_gradients":
        return integrated_gradients(model, images, targets, baseline=baseline, steps=steps).maps
    model = as_explained(model)
    size = max(1, ROWS // (steps if method == "gradient_shap" else 1))
    parts = zip(images.split(size), targets.split(size), strict=True)
    with attack_mode(model, "eval"), fork_every_global_rng(seed, "evaluation"):
        return torch.cat([_attribute(model, x, y, images, method, baseline, steps) for x, y in parts])


def _attribute(
    model: nn.Module, images: Tensor, targets: Tensor, pool: Tensor, method: Method, baseline: Baseline, steps: int
) -> Tensor:
    images = images.detach().clone().requires_grad_()  # captum would set the flag on the caller's tensor, and warn
    maps: Tensor
    match method:
        case "gradient_shap":
            maps = GradientShap(model).attribute(images, pool, n_samples=steps, stdevs=0.0, target=targets)
        case "occlusion":
            maps = _occlusion(model, images.detach(), targets, baseline)
        case "saliency":
            maps = Saliency(model).attribute(images, targets)
        case _:
            maps = InputXGradient(model).attribute(images, targets)
    return maps.detach()


def _occlusion(model: nn.Module, images: Tensor, targets: Tensor, baseline: Baseline) -> Tensor:
    channels, (side, step) = images.shape[1], patch_of(images)
    maps: Tensor = Occlusion(model).attribute(
        images,
        sliding_window_shapes=(channels, side, side),
        strides=(channels, step, step),
        baselines=baseline_images(images, baseline),
        target=targets,
        perturbations_per_eval=max(1, ROWS // len(images)),
    )
    return maps.to(images.dtype) / channels  # captum adds them up in float32
