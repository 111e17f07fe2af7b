"""What a training step hands over: brought to one form at every step, and looked into on the first ones."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.reading.labels import class_numbers
from cotoolkit.core.user_code import describe
from cotoolkit.models.normalise import Statistics
from cotoolkit.signals.observation import step_signals

FIRST_BATCHES = 3
"""Batches whose by-products are refused with an error where they cannot be; those of later ones are left out, and told
once. Looking at values waits for the device, so that only these are looked at."""

IMAGES = ("images", "adversarial", "delta", "attack_gradient", "update_gradient")
LOSSES = ("losses", "start_losses")
LOGITS = ("logits", "start_logits")

FAR_OUT = 0.5
"""How far images may leave [0, 1], as augmentations and noise make them, before they are taken for another range."""

BLACK = 100
"""How much greater images in [0, 1] look than they are to a model that takes 0 to 255, at least."""

FAR_BEYOND = 50
"""Times epsilon beyond which a perturbation is taken for one in other units (0 to 255 is off by 255)."""


@dataclass(frozen=True)
class Expected:
    """What is known about the training before its first step.

    Attributes:
        statistics: of the model's input.
        outputs: logits of the model; None if they are not known.
        binary: the model has one logit z, which stands for (0, z).
        shape: (C, H, W) of the held-out images; None if it is not known.
        threat: the monitor's; None if it is not known.
    """

    statistics: Statistics
    outputs: int | None = None
    binary: bool = False
    shape: torch.Size | None = None
    threat: ThreatModel | None = None


def unknown_name(name: str, names: Collection[str]) -> ConfigError:
    """The error for a by-product that nobody reads.

    Args:
        name: as it was given.
        names: there are.

    Returns:
        One line with the nearest name.
    """
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return ConfigError(f"no by-product {name!r}{hint}; there are {', '.join(sorted(names))}")


def in_one_form(given: Mapping[str, Any], binary: bool = False) -> dict[str, Tensor]:
    """Tensors of the right number of dimensions on one device, whatever their values are.

    Args:
        given: by-products by name; tensors, arrays, lists or numbers.
        binary: single logits z are taken for (0, z).

    Returns:
        Detached tensors by name. Labels are (B,) int64, or (B, K) if they are soft.

    Raises:
        ConfigError: one is no such thing.
    """
    tensors = {name: _tensor(name, value) for name, value in given.items()}
    device = next((value.device for value in tensors.values() if value.device.type != "cpu"), torch.device("cpu"))
    shaped = {}
    for name, tensor in tensors.items():
        value = tensor.to(device)
        if name == "labels":
            shaped[name] = _labels(value)
        else:
            if not value.is_floating_point() and name not in ("loss", *LOSSES):
                raise ConfigError(f"{name}: floating point is needed, not {value.dtype}")
            shaped[name] = _shaped(name, value, binary)
    pictures = {name: tuple(shaped[name].shape) for name in IMAGES if name in shaped}
    if len(set(pictures.values())) > 1:
        described = ", ".join(f"{name} {shape}" for name, shape in pictures.items())
        raise ConfigError(f"images, perturbations and gradients of one batch have one shape, not {described}")
    return shaped


def _tensor(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor | np.ndarray | np.generic | list | tuple | int | float):
        raise ConfigError(f"{name}: a tensor is needed, not a {type(value).__name__}")
    try:
        tensor = value.detach() if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError, RuntimeError) as failure:
        raise ConfigError(f"{name}: a tensor is needed ({describe(failure)})") from None
    if tensor.is_complex():
        raise ConfigError(f"{name}: real numbers are needed, not {tensor.dtype}")
    return tensor


def _labels(labels: Tensor) -> Tensor:
    if labels.dim() == 2 and labels.shape[1] > 1 and len(labels) > 0:
        return labels
    if labels.dim() not in (1, 2):
        raise ConfigError(f"labels: class numbers (B,) are needed, not of shape {tuple(labels.shape)}")
    return labels.reshape(-1) if labels.is_floating_point() else labels.reshape(-1).long()


def _shaped(name: str, value: Tensor, binary: bool) -> Tensor:
    shape = tuple(value.shape)
    if name == "loss":
        if value.numel() != 1:
            raise ConfigError(f"loss: one number is needed, not {shape}; losses per sample are handed over as losses")
        return value.reshape(())
    if name in LOSSES:
        if value.dim() == 2 and shape[1] == 1:
            return value.reshape(-1)
        if value.dim() > 1:
            raise ConfigError(f"{name}: one value per sample (B,) is needed, not {shape}")
    if name in LOGITS:
        if binary and (value.dim() == 1 or (value.dim() == 2 and shape[1] == 1)):
            value = value.reshape(-1, 1)
            return torch.cat([torch.zeros_like(value), value], 1)
        if value.dim() != 2 or shape[1] < 2:
            raise ConfigError(f"{name}: (B, classes) are needed, not {shape}")
    if name in IMAGES and value.dim() < 2:
        raise ConfigError(f"{name}: (B, C, H, W) are needed, not {shape}")
    return value


def without_soft_labels(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Class numbers as int64; shares (B, classes) are left out, and with them the signals that need class numbers.

    Args:
        tensors: as `in_one_form` returns them.

    Returns:
        The tensors, and the names of signals that are left out.
    """
    labels = tensors.get("labels")
    if labels is None:
        return tensors, []
    if labels.dim() == 1:
        return {**tensors, "labels": labels.long()}, []
    left_out = [info.name for info in step_signals() if "labels" in info.inputs]
    if not {"loss", "losses"} & tensors.keys():
        left_out += ["train_loss", "abnormal_example", "attack_gain"]
    return {name: value for name, value in tensors.items() if name != "labels"}, left_out


def check_values(tensors: Mapping[str, Tensor], expected: Expected) -> None:
    """Look into the by-products of a batch. nan and infinity are a training's own business.

    Args:
        tensors: as `in_one_form` returns them.
        expected: what they have to fit.

    Raises:
        ConfigError: an empty batch, labels that are no classes of the model, images or perturbations in other units.
    """
    batch = {name: value for name, value in tensors.items() if name != "loss"}
    if any(value.dim() > 0 and len(value) == 0 for value in batch.values()):
        raise ConfigError(f"{', '.join(batch)}: of no sample at all")
    for name in LOGITS:
        if name in tensors and expected.outputs not in (None, tensors[name].shape[1]):
            found = tensors[name].shape[1]
            raise ConfigError(f"{name}: {found} classes, and the model has {expected.outputs} outputs")
    if "labels" in tensors:
        _check_labels(tensors, expected.outputs)
    for name in IMAGES:
        if name in tensors and expected.shape is not None:
            shape = tensors[name].shape
            if len(shape) != 4 or shape[1] != expected.shape[0]:
                wanted = f"(B, {expected.shape[0]}, H, W), as the held-out images have them,"
                raise ConfigError(f"{name}: {wanted} are needed, not {tuple(shape)}")
    if expected.threat is not None:
        _check_units(tensors, expected.statistics, expected.threat)


def _check_labels(tensors: Mapping[str, Tensor], outputs: int | None) -> None:
    labels = tensors["labels"]
    logits = next((tensors[name] for name in LOGITS if name in tensors), None)
    classes = outputs if logits is None else logits.shape[1]
    if labels.dim() == 2:
        if classes is not None and labels.shape[1] != classes:
            raise ConfigError(f"labels: {tuple(labels.shape)} for {classes} classes; give class numbers (B,)")
        return
    try:
        class_numbers(labels, len(labels), "a step", classes)
    except DataError as problem:
        raise ConfigError(str(problem)) from None


def _check_units(tensors: Mapping[str, Tensor], statistics: Statistics, threat: ThreatModel) -> None:
    if "images" in tensors and threat.box != "none":
        pixels = tensors["images"].float() * per_channel(statistics.std, tensors["images"])
        low, high = (float(end) for end in (pixels + per_channel(statistics.mean, pixels)).aminmax())
        least, greatest = (float(end) for end in tensors["images"].aminmax())
        if 0 < greatest <= 1 and BLACK * abs(high) <= greatest:
            raise ConfigError(
                f"images: they run from {least:.4g} to {greatest:.4g}, and so are black in the held-out images' range; "
                "they are handed over as the model takes them, or make the monitor without bounds"
            )
        if low < -FAR_OUT or high > 1 + FAR_OUT:
            raise ConfigError(
                f"images: they run from {least:.4g} to {greatest:.4g}, in the held-out images' range from {low:.4g} to "
                f"{high:.4g}; they are handed over as the model takes them: give the monitor mean and std, or bounds"
            )
    if "delta" in tensors:
        delta = tensors["delta"].float() * per_channel(statistics.std, tensors["delta"])
        reach = float(delta.abs().amax() if threat.norm == "linf" else delta.flatten(1).norm(dim=1).amax())
        if reach > FAR_BEYOND * threat.epsilon:
            raise ConfigError(
                f"delta: of {threat.norm} norm {reach:.4g} in the images' range, with epsilon {threat.epsilon:.4g}; "
                "it is handed over in the units of the model's input"
            )


def in_pixels(value: Tensor, name: str, scale: Any, statistics: Statistics) -> Tensor:
    """A copy: a perturbation in pixel units, or the gradient of the summed loss per pixel unit.

    Args:
        value: (B, C, H, W), in units of the model's input.
        name: of the by-product.
        scale: makes a gradient that of the summed loss; None: the batch size.
        statistics: of the model's input.

    Raises:
        ConfigError: the scale is no number above 0.
    """
    value = value.float() if value.dtype.itemsize < 4 else value  # half precision has no room for the factor
    std = per_channel(statistics.std, value)
    if name == "delta":
        return value * std
    # The scale of a gradient is the batch size unless it is known.
    factor = len(value) if scale is None else float(scale)
    if not (factor > 0 and math.isfinite(factor)):
        raise ConfigError(f"{name.removesuffix('gradient')}scale is {factor:g}; give a number above 0")
    return value * (factor / std)


def per_channel(values: tuple[float, ...], like: Tensor) -> Tensor | float:
    """Numbers per channel, to be multiplied with a batch.

    Args:
        values: one per channel, or one for all.
        like: (B, C, ...), the batch.

    Returns:
        (C, 1, ...), on the batch's device; a plain number if there is only one.
    """
    if len(values) == 1:
        return values[0]
    return torch.tensor(values, device=like.device).view(-1, *[1] * (like.dim() - 2))
