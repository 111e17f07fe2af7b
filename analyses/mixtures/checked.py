"""Mixtures of anybody's networks: functions of this package behind the door of `intake`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from analyses.core.networks import named_networks
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, DataError, ModelError
from cotoolkit.core.numbers import whole_number
from cotoolkit.core.user_code import describe
from cotoolkit.intake.door import ImageOptions, bring_images, outside_inference
from cotoolkit.intake.model import ImageModel, network_of
from cotoolkit.intake.normalisation import in_unit
from cotoolkit.intake.preparation import copied, in_float32
from cotoolkit.intake.wrappers import unwrapped
from cotoolkit.models.modes import attack_mode

Found = TypeVar("Found")

OPTIONS = tuple(ImageOptions.__annotations__)

NETWORKS = ("model", "clean", "robust", "mixed", "edited", "start", "control")
"""How the functions call networks."""


class _Inputs(NamedTuple):
    """What goes through networks: images in [0, 1], or inputs of another shape, as the networks take them."""

    networks: dict[str, nn.Module]
    inputs: Tensor
    perturbed: Tensor | None


def checked_mixture(function: Callable[..., Found]) -> Callable[..., Found]:
    """A function of networks that checks and converts what it is given; as `function`, with `ImageOptions` as keywords.

    Networks are taken out of their wrappers, and layers have the names that they have in there. Those in another
    precision than float32, or on another device than the first one, are copied. Inputs (B, C, H, W) are images, as
    `evaluate` takes them; those of another shape go through the networks as they are, in float32.

    Args:
        function: takes networks called as in `NETWORKS`, or `models` by name, and perhaps `images` or `fold`,
            `perturbed` images, and a function `accuracy` of networks, which gets them bare and in float32.

    Returns:
        The function for anybody's networks.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: Any, **settings: Any) -> Found:
        options = {option: settings.pop(option) for option in OPTIONS if option in settings}
        given = signature.bind(*args, **settings).arguments
        if "batch_size" in given:
            given["batch_size"] = whole_number(given["batch_size"], "batch_size", 1)
        with outside_inference():
            networks = _networks(given)
            key = "fold" if "fold" in given and "models" not in given else "images"
            if given.get(key) is not None:
                found = _with_inputs(networks, given[key], given.get("perturbed"), options)
                networks = found.networks
                given[key] = found.inputs
                if found.perturbed is not None:
                    given["perturbed"] = found.perturbed
            elif options:
                raise ConfigError(f"{next(iter(options))} says how images are taken, and there are none")
            if "accuracy" in given and given["accuracy"] is not None:
                accuracy = given["accuracy"]
                given["accuracy"] = lambda network: accuracy(network_of(network))
            return function(**given | ({"models": networks} if "models" in given else networks))

    return called


def checked_edit(edit: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """As `checked_mixture`; what comes back is a network of the user's own class and precision, without wrappers.

    Args:
        edit: gives an edited copy of the first network that it takes.

    Returns:
        The edit of anybody's network.
    """
    checked = checked_mixture(edit)
    first = next(iter(inspect.signature(edit).parameters))

    @functools.wraps(edit)
    def edited(*args: Any, **settings: Any) -> nn.Module:
        changed = network_of(checked(*args, **settings))
        original = unwrapped(network_of(args[0] if args else settings[first])).network
        with outside_inference():
            if in_float32(original, device_of(original))[0] is original:
                return changed
            own = copied(original, "an edit leaves it as it is")
            own.load_state_dict(changed.state_dict())
            return own

    return edited


def _networks(given: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The networks without their wrappers, in float32 on the device of the first."""
    known = {name: given[name] for name in NETWORKS if name in given and (given[name], name) != (None, "control")}
    brought = named_networks(given["models"]) if "models" in given else known
    networks: dict[str, nn.Module] = {}
    for name, model in brought.items():
        if isinstance(model, ImageModel):  # has been told how it takes images
            networks[name] = model
            continue
        try:
            network = unwrapped(model).network
            place = device_of(next(iter(networks.values()), network))
            networks[name] = in_float32(network, place)[0]
        except ModelError as failure:
            raise ModelError(f"model {name!r}: {failure}") from failure
    return networks


def _with_inputs(networks: Mapping[str, nn.Module], inputs: Any, perturbed: Any, options: Mapping[str, Any]) -> _Inputs:
    """Networks that take the inputs, and these in the form that they take them in."""
    tensor = _tensor(inputs, "the images")
    changed = None if perturbed is None else _tensor(perturbed, "the changed images")
    if changed is not None and (tensor.shape != changed.shape or tensor.dtype != changed.dtype):
        raise DataError(
            f"the changed images are {_kind(changed)}, the images {_kind(tensor)}; give both in one shape and type"
        )
    if tensor.ndim == 4 or tensor.dtype == torch.uint8:
        return _with_images(networks, tensor, changed, options)
    if options:
        raise ConfigError(f"{next(iter(options))} is for images, (N, C, H, W); these are {_kind(tensor)}")
    place = device_of(next(iter(networks.values())))
    tensor = tensor.to(place)
    for name, network in networks.items():
        try:
            with torch.no_grad(), attack_mode(network, "eval"):
                network(tensor[:2].clone())
        except Exception as failure:
            raise ModelError(f"model {name!r} fails on {_kind(tensor)}: {describe(failure)}") from failure
    return _Inputs(dict(networks), tensor, None if changed is None else changed.to(place))


def _with_images(
    networks: Mapping[str, nn.Module], images: Tensor, changed: Tensor | None, options: Mapping[str, Any]
) -> _Inputs:
    found: dict[str, nn.Module] = {}
    for name, network in networks.items():
        try:
            brought = bring_images(network, images, gradient=False, **options)
        except ModelError as failure:
            raise ModelError(f"model {name!r}: {failure}") from failure
        found[name] = brought.model
    unit, scale = brought.images, brought.scale
    if changed is not None:
        given = changed.to(unit.device)
        if not isinstance(scale, Tensor) and scale == 1:
            changed = given.float()
        else:
            changed = unit + (given.float() - images.to(unit.device).float()) / scale
        changed = in_unit(changed.reshape(unit.shape), "the changed images", (0.0, 1.0), leave=True)
    return _Inputs(found, unit, changed)


def _tensor(inputs: Any, where: str) -> Tensor:
    try:
        tensor = torch.as_tensor(inputs).detach()
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where} must be a tensor or an array ({describe(failure)})") from failure
    if tensor.dtype == torch.bool or tensor.ndim < 2 or tensor.numel() == 0:
        raise DataError(f"{where} are {_kind(tensor)}; give (B, C, H, W)")
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    if not tensor.isfinite().all():
        raise DataError(f"{where}: some entries are nan or infinite; mend them")
    return tensor.clone() if tensor.is_inference() else tensor


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
