"""Analyses of anybody's network: functions of this package behind the door of `intake`."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.numbers import whole_number
from cotoolkit.core.reading.labels import class_numbers
from cotoolkit.core.user_code import describe
from cotoolkit.intake.door import ImageOptions, bring_images, outside_inference
from cotoolkit.intake.model import ImageModel

log = logging.getLogger(__name__)

Found = TypeVar("Found")

OPTIONS = tuple(ImageOptions.__annotations__)


def checked_analysis(analysis: Callable[..., Found], *, gradient: bool = True) -> Callable[..., Found]:
    """An analysis that checks and converts what it is given; as `analysis`, and with `ImageOptions` as keywords.

    Images, and what is found, are in [0, 1], whatever range they were given in. Layers have the names that they have in
    the network inside all wrappers. Targets may also be one number, the class of all images; units, too.

    Args:
        analysis: takes `model`, and `images`, `starts` or one `image`; perhaps `targets`, and `maps` of the images.
        gradient: it needs the gradient of the images.

    Returns:
        The function for anybody's model.
    """
    signature = inspect.signature(analysis)
    name = next(one for one in ("images", "image", "starts") if one in signature.parameters)

    @functools.wraps(analysis)
    def analysed(*args: Any, **settings: Any) -> Found:
        options = {option: settings.pop(option) for option in OPTIONS if option in settings}
        given = signature.bind(*args, **settings).arguments
        for key in {"steps", "count", "starts", "bands"} & given.keys() - {name}:
            given[key] = whole_number(given[key], key, 1)
        if given.get("box") is False:
            options["leave"] = True
        with outside_inference():
            images = _one(given["image"]) if name == "image" else given[name]
            brought = bring_images(given["model"], images, gradient=gradient, **options)
            given |= {"model": brought.model, name: brought.images[0] if name == "image" else brought.images}
            if "targets" in given:
                given["targets"] = _targets(given["targets"], brought.model, brought.images)
            if "radius" in given:
                given["radius"] = _radius(given["radius"])
            if "units" in given:
                given["units"] = _units(given["units"])
            if "maps" in given:
                given["maps"] = _maps(given["maps"], brought.images)
            return analysis(**given)

    return analysed


def _one(image: Any) -> Tensor:
    """One image, (C, H, W) or (H, W), as several."""
    try:
        tensor = torch.as_tensor(image)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"the image must be a tensor or an array ({describe(failure)})") from failure
    if tensor.ndim not in (2, 3):
        raise DataError(f"the image has shape {tuple(tensor.shape)}; give (C, H, W)")
    return tensor[None]


def _targets(targets: Any, model: ImageModel, images: Tensor) -> Tensor:
    """The class to explain of each image."""
    count = len(images)
    numbers = targets if isinstance(targets, Tensor) else None
    if (numbers is not None and numbers.ndim == 0) or (numbers is None and not hasattr(targets, "__len__")):
        targets = [targets] * count
    found = class_numbers(targets, count, "the targets", model.classes)
    if model.binary and not model.probability and not found.all():
        log.warning("the network has one output, so the logit of class 0 is 0 and its maps are zero; explain class 1")
    return (found.clone() if found.is_inference() else found).to(images.device)


def _units(units: Any) -> list[int]:
    """Indices of units as a list: of a list, tensor or array, or of one number."""
    try:
        numbers = torch.as_tensor(units)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise ConfigError(f"units are {units!r}; give their numbers, [0, 3]") from failure
    if numbers.numel() and (numbers.dtype == torch.bool or numbers.is_floating_point() or numbers.ndim > 1):
        kind = str(numbers.dtype).removeprefix("torch.")
        raise ConfigError(f"units are {kind} of shape {tuple(numbers.shape)}; give their numbers, [0, 3]")
    return [int(number) for number in numbers.reshape(-1)]


def _radius(radius: Any) -> float:
    """A float as it is, other numbers and text as everywhere."""
    return radius if isinstance(radius, float) else ThreatModel(radius, "l2").epsilon


def _maps(maps: Any, images: Tensor) -> Tensor:
    try:
        tensor = torch.as_tensor(maps)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"the maps must be a tensor or an array ({describe(failure)})") from failure
    if tensor.shape != images.shape:
        raise DataError(f"the maps have shape {tuple(tensor.shape)}, the images {tuple(images.shape)}")
    return tensor.detach()
