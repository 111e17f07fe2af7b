"""From anybody's model to one that can be measured: out of its wrappers, in float32, tried on two images."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.user_code import describe
from cotoolkit.intake.findings import Finding, handled, warning
from cotoolkit.intake.model import Forward, ImageModel
from cotoolkit.intake.model_checks import batch_norm_findings, check_finite
from cotoolkit.intake.normalisation import Bounds, PerChannel, check_bounds, pixel_statistics
from cotoolkit.intake.probing import check_classes, check_shape, fails, failure_on, probe
from cotoolkit.intake.wrappers import Autocast, unwrapped
from cotoolkit.models.memory_format import channels_last_warning
from cotoolkit.models.registry import Shape


def image_model(
    model: nn.Module,
    *,
    shape: Shape,
    device: torch.device | str | None = None,
    classes: int | None = None,
    exact: bool = False,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    bounds: Bounds = (0.0, 1.0),
    forward: Forward | None = None,
    binary: bool = False,
    autocast: Autocast | None = None,
    live: bool = False,
) -> ImageModel:
    """Make anybody's network ready to be measured, and say which traps were met.

    The network is left as it is, its modes and flags included. Where it is in another precision or on another device, a
    copy in float32 is measured: perturbations of 1/255 drown in the rounding of half precision, and float64 is beyond
    what attacks, which are float32, can use. Where the copy alone fails, because casts inside want the precision that
    was, the network is measured in that.

    Args:
        model: from images (B, C, H, W) in `bounds`, normalised if `mean` and `std` are given, to logits (B, classes), a
            tensor or the part `logits` of an object or dictionary; or to one logit, (B, 1) or (B,), of class 1 of two.
            An `ImageModel` is returned as it is, once it is known to take images of this shape, and takes no options.
        shape: (C, H, W) of the images.
        device: to measure on; None for that of the network.
        classes: of the data; None if they are not known.
        exact: `classes` is their number; otherwise it is a lower bound, and the model may have more.
        mean: subtracted from the pixels, in units of the bounds.
        std: by which the difference is divided, in units of the bounds.
        bounds: least and greatest value of a pixel before that.
        forward: how the network is called, see `Forward`.
        binary: the network has to have one output for two classes.
        autocast: the precision of its passes; by default none, and Fabric's for a live network.
        live: measure the network itself, in the precision that it trains in, and never a copy.

    Returns:
        The model to measure, with its `findings`.

    Raises:
        ModelError: weights that are not finite, no copy possible, or no logits for images of this shape and classes.
        ConfigError: options that make no sense.
    """
    bounds = check_bounds(bounds)
    _check_functions(forward, autocast)
    if isinstance(model, ImageModel):
        said = {"mean": mean, "std": std, "bounds": bounds, "forward": forward, "autocast": autocast, "binary": binary}
        _check_known(model, said, classes, exact=exact, live=live)
        check_shape(model, shape)
        return model
    statistics = pixel_statistics(mean, std, shape[0], bounds) or (None, None)
    with torch.inference_mode(False):
        bare, precision, findings = _bare(model, live=live)
        place = device_of(bare) if device is None else torch.device(device)  # a live network may be on several
        takes = {"bounds": bounds, "mean": statistics[0], "std": statistics[1], "forward": forward}
        found = _prepared(bare, place, shape, {**takes, "autocast": autocast or precision}, live=live)
        found.findings = [*findings, *found.findings, *probe(found, shape, classes=classes, exact=exact, binary=binary)]
    return found


def _prepared(
    network: nn.Module, device: torch.device, shape: Shape, options: Mapping[str, Any], *, live: bool
) -> ImageModel:
    """A network on the device, in the precision in which it is measured, with what was done and met.

    Args:
        network: outside of its wrappers.
        device: to measure on.
        shape: (C, H, W) of the images.
        options: of the `ImageModel`, the statistics on any device.
        live: the network itself, as it is.

    Raises:
        ModelError: it cannot be copied, or fails in float32 and as it is.
    """
    there: dict[str, Any] = {
        name: value.to(device) if isinstance(value, Tensor) else value for name, value in options.items()
    }
    made: Callable[..., ImageModel] = functools.partial(ImageModel, **there)
    found, findings = (made(network), list[Finding]()) if live else _measurable(network, device, shape, made)
    found.copied = found.network is not network
    found.findings = findings if live else [*findings, *batch_norm_findings(found.network)]
    if found.compiled:
        text = "parts of the model are compiled (torch.compile); they run uncompiled here"
        found.findings.insert(len(findings), handled(text))
    return found


def _check_functions(forward: object, autocast: object) -> None:
    if forward is not None and not callable(forward):
        raise ConfigError(f"forward: give a function of the network and images, not a {type(forward).__name__}")
    if autocast is not None and (isinstance(autocast, AbstractContextManager) or not callable(autocast)):
        raise ConfigError("autocast: give what makes the context: lambda: torch.autocast(...)")


def _check_known(model: ImageModel, said: Mapping[str, Any], classes: int | None, *, exact: bool, live: bool) -> None:
    """Refuse what contradicts the making of a model, or was said there already."""
    unsaid = {"bounds": ((0.0, 1.0), model.bounds), "binary": (False,)}
    repeated = [name for name, value in said.items() if value is not None and value not in unsaid.get(name, ())]
    if repeated:
        raise ConfigError(f"{repeated[0]}: image_model has been told, so leave it out here")
    if classes is not None:
        check_classes(model.classes, classes, exact=exact)
    if live and model.copied:
        raise ModelError("the model was made from a copy of the network, which does not train; give the network itself")


def _bare(model: nn.Module, *, live: bool) -> tuple[nn.Module, Autocast | None, list[Finding]]:
    """The network inside a model; the precision of its passes if it is live; and what was met."""
    network, wrappers, precision = unwrapped(model)
    findings = [handled(f"the model is wrapped ({name}); the network inside is measured") for name in wrappers]
    check_finite(network, "the model")
    if doubt := channels_last_warning(network):
        findings.append(warning(doubt))
    if live:
        _check_live(network)
    return network, precision if live else None, findings


def _measurable(
    network: nn.Module, device: torch.device, shape: Shape, made: Callable[..., ImageModel]
) -> tuple[ImageModel, list[Finding]]:
    """A network in float32 on the device, or in its own precision where only that works; and what was done."""
    precise, findings = in_float32(network, device)
    found = made(precise)
    kinds = _precisions(network)
    failure = failure_on(found, shape) if kinds not in ([], ["float32"]) else None
    if failure is None:
        return found, findings
    itself = _on_device(network, device)
    reasons = []
    for dtype in (torch.float32, None):  # images as people have them, or as its first weights are
        found = made(itself, dtype=dtype)
        reason = failure_on(found, shape)
        if reason is None:
            rounds = set(kinds) - {"float32", "float64"}
            text = f"the model is measured in its own precision, {' and '.join(kinds)}, since it casts on the way and a"
            text += f" float32 copy of it fails ({describe(failure)})"
            return found, [warning(f"{text}; rounding hides small changes from attacks") if rounds else handled(text)]
        reasons.append(reason)
    text = fails(shape, reasons[-1])
    if describe(failure) != describe(reasons[-1]):
        why = f"made because its weights are {' and '.join(kinds)}"
        text += f"; a float32 copy, {why}, fails, too ({describe(failure)})"
    raise ModelError(text) from reasons[-1]


def _precisions(network: nn.Module) -> list[str]:
    """The types of the numbers in a network, in words."""
    tensors = [*network.parameters(), *network.buffers()]
    return sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.is_floating_point()})


def _on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """The network if it is on the device, else a copy that is; in its own precision."""
    tensors = [*network.parameters(), *network.buffers()]
    if all(_same_device(tensor.device, device) and not tensor.is_inference() for tensor in tensors):
        return network
    return copied(network, f"it is to be on {device}").to(device=device)


def _check_live(network: nn.Module) -> None:
    if any(tensor.is_inference() for tensor in (*network.parameters(), *network.buffers())):
        raise ModelError("the model's tensors were made in inference mode, in which nothing can be trained")


def in_float32(network: nn.Module, device: torch.device) -> tuple[nn.Module, list[Finding]]:
    """The network itself if it is in float32 on the device, else a copy that is.

    Args:
        network: outside of its wrappers.
        device: to measure on.

    Returns:
        The network or its copy, and what was done.

    Raises:
        ModelError: it cannot be copied.
    """
    tensors = [*network.parameters(), *network.buffers()]
    floats = _precisions(network)
    places = sorted({str(tensor.device) for tensor in tensors if not _same_device(tensor.device, device)})
    reasons = []
    if floats not in ([], ["float32"]):
        reasons.append(f"its weights are {' and '.join(floats)}")
    if places:
        reasons.append(f"it is on {' and '.join(places)}")
    if any(tensor.is_inference() for tensor in tensors):
        reasons.append("its tensors were made in inference mode, in which there are no gradients")
    if not reasons:
        return network, []
    why = ", and ".join(reasons)
    try:
        network = copied(network, why).to(device=device, dtype=torch.float32)
    except ModelError as failure:
        raise ModelError(f"{failure}; give it in float32 on {device}") from failure
    return network, [handled(f"a copy of the model in float32 on {device} is measured: {why}")]


def copied(network: nn.Module, why: str) -> nn.Module:
    """A copy of a network.

    Args:
        network: anybody's.
        why: one is needed, for the message.

    Returns:
        The copy.

    Raises:
        ModelError: it cannot be copied.
    """
    # What a module keeps of a pass has a history and cannot be copied: a former weight_norm's weight, an activation.
    kept = [value for module in network.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    known = {id(value): value.detach().clone() for value in kept if not value.is_leaf}
    try:
        return copy.deepcopy(network, known)
    except Exception as failure:
        raise ModelError(
            f"the model must be copied, because {why}, and it cannot be ({describe(failure)})"
        ) from failure


def _same_device(one: torch.device, other: torch.device) -> bool:
    return one.type == other.type and (other.index is None or one.index == other.index)
