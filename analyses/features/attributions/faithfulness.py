"""Whether attribution maps say what the model does: randomised weights, deletion and insertion."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from analyses.features.attributions.agreement import map_rank_correlation
from analyses.features.attributions.attribution import Method, attribute
from analyses.features.layers import find_layer, weight_layers
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.intake.model import network_of
from cotoolkit.intake.preparation import copied
from cotoolkit.models.modes import attack_mode


class Curves(NamedTuple):
    """Areas under the probability of the target class while pixels are removed or shown, each (B,), in [0, 1].

    Attributes:
        deletion: the most credited pixels are replaced by the baseline first; low for a faithful map.
        insertion: they are the first to be put on the baseline; high for a faithful map.
    """

    deletion: Tensor
    insertion: Tensor


def randomised_correlation(
    model: nn.Module, images: Tensor, targets: Tensor, method: Method = "saliency", seed: int = 0
) -> Tensor:
    """Rank correlation between a model's maps and those of a copy whose last layer has fresh random weights.

    A map that explains the decision changes: the correlation falls well below 1. A map that only shows the image's
    edges stays as it was (Adebayo et al., NeurIPS 2018).

    Args:
        model: maps images to logits; its last convolution or linear layer is drawn anew, by its own initialiser.
        images: (B, C, H, W).
        targets: (B,), the class whose logit is explained.
        method: of attribution.
        seed: of the weights and of the method.

    Returns:
        (B,), in [-1, 1], on the model's device.

    Raises:
        ModelError: the model has no convolution and no linear layer.
    """
    other = copied(model, "its last layer is drawn anew")
    names = weight_layers(other, images[0])
    if not names:
        raise ModelError("the model has no convolution and no linear layer to draw anew")
    with fork_global_rng(seed, "init"):
        _draw_anew(other, names[-1])
    first, second = (attribute(network, images, targets, method, seed=seed) for network in (model, other))
    return map_rank_correlation(first, second)


def deletion_insertion(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, steps: int = 16) -> Curves:
    """Areas under the deletion and the insertion curve (Petsiuk et al., BMVC 2018), by the trapezium rule.

    Pixels go to black in the order of their credit, most positive first, all channels of a pixel at once.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        targets: (B,), the class whose softmax probability is followed.
        maps: (B, C, H, W), attributions; credit is their sum over channels.
        steps: into how many equal parts the pixels are divided; 2 * (steps + 1) forward passes.

    Returns:
        Both areas, each (B,), on the model's device.

    Raises:
        ConfigError: no step.
    """
    if steps < 1:
        raise ConfigError(f"steps={steps}: deletion and insertion take at least 1 step")
    images, maps = images.to(device_of(model)), maps.to(device_of(model))
    empty = torch.zeros_like(images)
    order = maps.sum(1).flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).reshape(-1, 1, *maps.shape[-2:])
    pixels = images.shape[-2] * images.shape[-1]
    deleted, inserted = [], []
    for step in range(steps + 1):
        first = rank < round(step * pixels / steps)
        deleted.append(_probability(model, torch.where(first, empty, images), targets))
        inserted.append(_probability(model, torch.where(first, images, empty), targets))
    return Curves(*(torch.trapezoid(torch.stack(curve), dx=1 / steps, dim=0) for curve in (deleted, inserted)))


def _draw_anew(network: nn.Module, name: str) -> None:
    """Random weights for a layer; one that computes its weight from other parameters becomes a plain one."""
    layer = find_layer(network, name)
    assert isinstance(layer, nn.Conv2d | nn.Linear)  # `weight_layers` names no others
    if "weight" in layer._parameters:
        layer.reset_parameters()
        return
    plain: nn.Module
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        plain = nn.Linear(layer.in_features, layer.out_features, bias)
    else:
        names = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
        settings: dict[str, Any] = {name: getattr(layer, name) for name in names}
        plain = nn.Conv2d(layer.in_channels, layer.out_channels, bias=bias, **settings)
    network_of(network).set_submodule(name, plain.to(layer.weight))


def _forward(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad(), attack_mode(model, "eval"):
        logits: Tensor = model(images)
    return logits.double()


def _probability(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return _forward(model, images).softmax(1).gather(1, targets.to(images.device)[:, None])[:, 0]
