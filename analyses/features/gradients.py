"""Where input gradients and attack perturbations point: in which frequencies, along which given directions."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor, nn

from cotoolkit.attacks import fgsm, gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.user_code import describe
from cotoolkit.intake.door import ImageOptions, ModelOptions, bring, outside_inference
from cotoolkit.models.modes import attack_mode
from interventions.base import check_same_image
from interventions.projection import feature_share, span_basis


class DirectionShare(NamedTuple):
    """Energy in the span of given directions.

    Attributes:
        share: (B,), in [0, 1]; nan for a vector of zeros.
        null: rank / entries, the share of a random vector.
    """

    share: Tensor
    null: float


def input_gradients(model: nn.Module, images: Any, labels: Any, **options: Unpack[ImageOptions]) -> Tensor:
    """Gradient of each image's cross-entropy with respect to the image, in evaluation mode.

    Args:
        model: anybody's, see `intake.preparation.image_model`.
        images: (B, C, H, W), tensor or array.
        labels: (B,), whole numbers of any type.
        options: how the model takes its images.

    Returns:
        (B, C, H, W), per unit of the images as they were given, on the model's device.

    Raises:
        ConfigError, DataError, ModelError: what cannot be measured.
    """
    with outside_inference():
        brought = bring(model, images, labels, **options)
        return gradients_of_loss(brought.model, brought.images, brought.labels) / brought.scale


def gradients_of_loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """As `input_gradients`, of what needs no check.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).

    Returns:
        (B, C, H, W), on the model's device.
    """
    device = device_of(model)
    with attack_mode(model, "eval"):
        return gradient.input_gradient(model, images.to(device), labels.to(device)).gradient.detach()


def fgsm_perturbations(
    model: nn.Module, images: Any, labels: Any, threat: ThreatModel, **options: Unpack[ModelOptions]
) -> Tensor:
    """What FGSM adds to each image, in evaluation mode.

    Args:
        model: anybody's, see `intake.preparation.image_model`.
        images: (B, C, H, W), tensor or array.
        labels: (B,), whole numbers of any type.
        threat: radius, norm and box; with the box "none" images may leave their bounds.
        options: how the model takes its images.

    Returns:
        (B, C, H, W), in the units of the images that were given, on the model's device.

    Raises:
        ConfigError, DataError, ModelError: what cannot be measured.
    """
    return fgsm(model, images, labels, threat, bn_mode="eval", **options).delta


def direction_tensor(directions: Any) -> Tensor:
    """Directions of any kind, (n, C, H, W), as a tensor of floats.

    Raises:
        ConfigError: no tensor can be made of them, or entries are nan or infinite.
    """
    try:
        tensor = torch.as_tensor(directions)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise ConfigError(f"directions must be a tensor or an array ({describe(failure)})") from failure
    tensor = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
    if not tensor.isfinite().all():
        raise ConfigError("directions: some entries are nan or infinite")
    return tensor.detach().cpu()


def direction_share(vectors: Tensor, directions: Tensor) -> DirectionShare:
    """Share of each gradient's or perturbation's energy in the span of the directions, and that of a random vector.

    Args:
        vectors: (B, C, H, W).
        directions: (n, C, H, W), such as a carrier's vectors; their span has their numerical rank.

    Returns:
        The shares, (B,), and their null.

    Raises:
        ConfigError: no direction but zeros.
        InterventionError: another image shape.
    """
    check_same_image(vectors, directions, "directions")
    if not directions.any():
        raise ConfigError("directions: give at least one that is not zero")
    rank = len(span_basis(directions))
    return DirectionShare(feature_share(vectors.double(), directions), rank / vectors[0].numel())
