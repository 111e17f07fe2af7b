"""The door of every function that takes somebody's model, images and labels: checked, converted, on one device."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import DataError, ModelError
from cotoolkit.core.reading.items import image_tensor
from cotoolkit.core.reading.labels import class_numbers
from cotoolkit.intake.findings import Finding, warning
from cotoolkit.intake.model import Forward, ImageModel
from cotoolkit.intake.normalisation import (
    FAR_OUT,
    Bounds,
    PerChannel,
    check_bounds,
    in_unit,
    pixel_statistics,
)
from cotoolkit.intake.preparation import image_model
from cotoolkit.intake.probing import NO_GRADIENT, first_look

log = logging.getLogger(__name__)

LOOKED_AT = 64
"""Images whose outputs decide whether these are probabilities."""

SLACK = 1e-3
"""How far outside the bounds, as a share of their width, pixels may be once mean and std are taken off."""


class ModelOptions(TypedDict, total=False):
    """How somebody's model takes its images and returns its logits; as `intake.preparation.image_model` explains.

    Attributes:
        mean: of the pixels, which the model takes normalised; one number, or one per channel.
        std: of the pixels; with `mean`.
        bounds: least and greatest value of a pixel before that; (0, 1) if it is not given.
        forward: how the model is called, `lambda model, images: model(images)[0]`.
        binary: the model has to have one output, the logit of class 1 of two.
    """

    mean: PerChannel | None
    std: PerChannel | None
    bounds: Bounds
    forward: Forward | None
    binary: bool


class ImageOptions(ModelOptions, total=False):
    """As `ModelOptions`, for functions that set no threat model, which would say whether images stay in their bounds.

    Attributes:
        leave: images may leave their bounds, as data with an injected feature do.
    """

    leave: bool


class BroughtImages(NamedTuple):
    """A model and images that came through the door; the attributes are those of `Brought`."""

    model: ImageModel
    images: Tensor
    scale: Tensor | float


class Brought(NamedTuple):
    """What came through the door.

    Attributes:
        model: from images in [0, 1] to logits.
        images: (N, C, H, W) float32 in [0, 1], on the model's device.
        labels: (N,) int64, on the model's device.
        scale: units of the images that were given per unit of `images`, a number or (C, 1, 1).
    """

    model: ImageModel
    images: Tensor
    labels: Tensor
    scale: Tensor | float


def bring(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    leave: bool = False,
    gradient: bool = True,
    **options: Any,
) -> Brought:
    """Check and convert a model, images and their labels.

    Traps that were dealt with are told by Python's logging.

    Args:
        model: see `image_model`; one that comes from it is not probed again.
        images: (N, C, H, W), tensor or array: uint8, or floats in the bounds; or, where `mean` and `std` are given,
            floats that these have been applied to.
        labels: one whole number per image, of any type.
        leave: images may leave their bounds.
        gradient: that of the images is needed.
        options: `ModelOptions`.

    Returns:
        The model, images and labels.

    Raises:
        ConfigError: options that make no sense.
        DataError: images or labels that cannot be measured on.
        ModelError: a model that cannot be measured.
    """
    known = isinstance(model, ImageModel) and model.examined
    brought = bring_images(model, images, leave=leave, gradient=gradient, **options)
    count, classes = len(brought.images), brought.model.classes
    numbers = class_numbers(labels, count, "the labels", classes)
    numbers = numbers.clone() if numbers.is_inference() else numbers
    numbers = numbers.to(brought.images.device)
    if not known:
        for finding in first_look(brought.model, brought.images[:LOOKED_AT], numbers[:LOOKED_AT], gradient=gradient):
            log.warning("%s", finding.text)
    return Brought(brought.model, brought.images, numbers, brought.scale)


def bring_images(
    model: nn.Module, images: Any, *, leave: bool = False, gradient: bool = True, **options: Any
) -> BroughtImages:
    """As `bring`, where no labels are needed.

    Args:
        model: see `image_model`; one that comes from it is not probed again.
        images: as for `bring`.
        leave: images may leave their bounds.
        gradient: that of the images is needed.
        options: `ModelOptions`.

    Returns:
        The model and images.

    Raises:
        ConfigError: options that make no sense.
        DataError: images that cannot be measured on.
        ModelError: a model that cannot be measured.
    """
    told: Mapping[str, Any] = options
    if isinstance(model, ImageModel):
        told = {"bounds": model.bounds, "mean": model.mean, "std": model.std}
    bounds = check_bounds(told.get("bounds", (0.0, 1.0)))
    unit, scale, findings = _images(images, bounds, told.get("mean"), told.get("std"), leave=leave)
    _, channels, height, width = unit.shape
    found = image_model(model, shape=(channels, height, width), **options)
    device = device_of(found.network)
    unit = unit.to(device)
    if gradient and not found.gradient:
        reason = next((one.text for one in found.findings if one.text.startswith(NO_GRADIENT)), NO_GRADIENT)
        raise ModelError(f"{reason.partition(';')[0]}, and this needs one; square_attack and diagnose do without")
    if not found.examined:
        found.read_probabilities(unit[:LOOKED_AT])
        findings += found.findings
    for finding in findings:
        log.log(logging.WARNING if finding.kind == "warning" else logging.INFO, "%s", finding.text)
    scale = scale.to(device) if isinstance(scale, Tensor) else scale
    return BroughtImages(found, unit, scale)


@contextlib.contextmanager
def outside_inference() -> Iterator[None]:
    """Inside the block gradients exist and products are in float32, whatever mode a caller is in.

    Validation hooks are in `torch.inference_mode()`, and often in autocast, which would round our own products, too.
    """
    with torch.inference_mode(False), contextlib.ExitStack() as precise:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                precise.enter_context(torch.autocast(kind, enabled=False))
        yield


def _images(
    images: Any, bounds: Bounds, mean: PerChannel | None, std: PerChannel | None, *, leave: bool
) -> tuple[Tensor, Tensor | float, list[Finding]]:
    """Images in [0, 1], the units of those given per unit of these, and what was done to them."""
    low, high = bounds
    tensors = image_tensor(images, "the images").detach()
    tensors = tensors.clone() if tensors.is_inference() else tensors
    if len(tensors) == 0:
        raise DataError("the images: there are none; give at least one")
    statistics = pixel_statistics(mean, std, tensors.shape[1], bounds) if tensors.ndim == 4 else None
    if statistics is not None and tensors.is_floating_point():
        shift, factor = (values.to(tensors.device) for values in statistics)
        pixels, out = tensors * factor + shift, FAR_OUT / 2 * (high - low)
        # Pixels leave their bounds a little by resizing; what mean and std have been applied to leaves them by far.
        if (tensors.min() < low - out or tensors.max() > high + out) and (
            leave or (pixels.min() >= low - SLACK * (high - low) and pixels.max() <= high + SLACK * (high - low))
        ):
            text = "the images are taken for normalised by the mean and std that were given, which are taken off again"
            unit = in_unit(pixels if leave else pixels.clamp(low, high), "the images", bounds, leave=leave)
            return unit, (high - low) / factor, [warning(text)]
    unit = in_unit(tensors, "the images", bounds, leave=leave)
    return unit, 255.0 if tensors.dtype == torch.uint8 else high - low, []
