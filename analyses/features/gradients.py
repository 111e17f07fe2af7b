"""Where input gradients and attack perturbations point: in which frequencies, along which given directions."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError
from cotoolkit.models.modes import attack_mode
from interventions.projection import feature_share, span_basis


class DirectionShare(NamedTuple):
    """Energy in the span of given directions.

    Attributes:
        share: (B,), in [0, 1]; nan for a vector of zeros.
        null: rank / entries, the share of a random vector.
    """

    share: Tensor
    null: float


def input_gradients(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Gradient of each image's cross-entropy with respect to the image, in evaluation mode.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).

    Returns:
        (B, C, H, W), on the model's device.
    """
    device = device_of(model)
    with attack_mode(model, "eval"):
        return attacks.input_gradient(model, images.to(device), labels.to(device)).gradient.detach()


def fgsm_perturbations(model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel) -> Tensor:
    """What FGSM adds to each image, in evaluation mode.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        labels: (B,).
        threat: radius, norm and box.

    Returns:
        (B, C, H, W), in the images' units, on the model's device.
    """
    device = device_of(model)
    return attacks.fgsm(model, images.to(device), labels.to(device), threat, bn_mode="eval").delta


def direction_share(vectors: Tensor, directions: Tensor) -> DirectionShare:
    """Share of each gradient's or perturbation's energy in the span of the directions, and that of a random vector.

    Args:
        vectors: (B, C, H, W).
        directions: (n, C, H, W), such as a carrier's vectors; their span has their numerical rank.

    Returns:
        The shares, (B,), and their null.

    Raises:
        ConfigError: no direction but zeros, or another image shape.
    """
    _same_image(vectors, directions)
    if not directions.any():
        raise ConfigError("directions: give at least one that is not zero")
    rank = len(span_basis(directions))
    largest = vectors.flatten(1).abs().amax(1).view(-1, 1, 1, 1)  # the squares of tiny gradients would vanish
    return DirectionShare(feature_share(vectors.double() / largest, directions), rank / vectors[0].numel())


def _same_image(vectors: Tensor, directions: Tensor) -> None:
    if directions.dim() != vectors.dim() or directions.shape[1:] != vectors.shape[1:]:
        got, wanted = tuple(directions.shape), ("n", *vectors.shape[1:])
        raise ConfigError(f"directions have the shape {got}; for these images it is ({', '.join(map(str, wanted))})")
