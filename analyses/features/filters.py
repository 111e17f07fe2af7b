"""The first layer's filters: pictures of them, their spectra, and how far those of two models agree."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from analyses.features.attributions.agreement import map_cosine
from analyses.features.layers import find_layer, weight_layers
from cotoolkit.core.errors import ModelError


def first_filters(model: nn.Module, image: Tensor) -> Tensor:
    """Weights of the first convolution or linear layer that an image passes, as small images.

    As they are: a normalisation of the input before the layer is not folded in.

    Args:
        model: maps images to logits.
        image: (C, H, W), any image that the model takes.

    Returns:
        (units, C / groups, kernel height, kernel width) of a convolution; (units, C, H, W) of a linear layer.

    Raises:
        ModelError: no such layer, or a linear one that does not see the pixels.
    """
    names = weight_layers(model, image)
    if not names:
        raise ModelError("the model has no convolution and no linear layer")
    layer = find_layer(model, names[0])
    weight = layer.weight
    assert isinstance(weight, Tensor)  # `weight_layers` names convolutions and linear layers only
    weight = weight.detach()
    if weight.dim() == 2:
        if weight.shape[1] != image.numel():
            raise ModelError(f"layer {names[0]!r} has {weight.shape[1]} inputs; the image has {image.numel()} entries")
        return weight.reshape(-1, *image.shape)
    return weight


def filter_pictures(filters: Tensor) -> Tensor:
    """Each filter scaled to [0, 1], symmetrically about 0: 0.5 is weight zero. A filter of zeros is grey.

    Shapes: (units, C, h, w) -> the same.
    """
    largest = filters.flatten(1).abs().amax(1).clamp_min(torch.finfo(filters.dtype).tiny)
    return 0.5 + filters / largest.view(-1, 1, 1, 1) / 2


def lineage_cosine(first: Tensor, second: Tensor) -> Tensor:
    """|Cosine| between filter i of two models, in [0, 1]; nan for a filter of zeros.

    Means something only if both models started from the same weights, which makes unit i of one the kin of unit i of
    the other. Unrelated random filters of n entries have the mean sqrt(2 / (pi n)): 0.27 for 3 x 3, 0.15 for
    3 x 3 x 3.

    Args:
        first: (units, C, h, w).
        second: the same shape.

    Returns:
        (units,).

    Raises:
        ConfigError: filters of different shapes.
    """
    return map_cosine(first, second).abs()
