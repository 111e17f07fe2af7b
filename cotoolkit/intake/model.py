"""What is diagnosed: any network as a map from float32 images in [0, 1] to float32 logits, on one device."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DataParallel, DistributedDataParallel

from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.core.user_code import describe
from cotoolkit.intake.findings import Finding, handled, warning
from cotoolkit.intake.model_checks import batch_norm_findings, check_finite
from cotoolkit.intake.points import Bounds, check_bounds
from cotoolkit.models.memory_format import channels_last_warning
from cotoolkit.models.modes import attack_mode
from cotoolkit.models.registry import Shape

PerChannel = float | Sequence[float]
"""A number for all channels, or one for each."""


class DiagnosedModel(nn.Module):
    """`network((low + (high - low) * images - mean) / std)` in float32.

    The network is not changed; measure inside `attack_mode(diagnosed, "eval")`, which restores its modes.

    Attributes:
        network: the user's, or a float32 copy.
        bounds: (low, high) of the pixels that the network takes.
        mean: (C, 1, 1) or (1, 1, 1) in units of the bounds; None for no normalisation.
        std: (C, 1, 1) or (1, 1, 1) in units of the bounds; None for no normalisation.
        compiled: parts of the network are compiled; they are run as they were written, because compiled code has no
            second derivatives.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, network: nn.Module, bounds: Bounds, mean: Tensor | None, std: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.bounds = bounds
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.compiled = any(_is_compiled(module) for module in network.modules())

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes)."""
        # A lone image, as early freezing leaves it, goes through twice: many networks squeeze its batch axis away.
        logits: Tensor = self.outputs(images if len(images) > 1 else images.repeat(2, 1, 1, 1)).float()
        return logits[: len(images)]

    def outputs(self, images: Tensor) -> Any:
        """What the network returns for images in [0, 1], whatever that is."""
        low, high = self.bounds
        # A copy where nothing is computed, because some networks normalise their input in place.
        pixels = images.clone() if self.bounds == (0.0, 1.0) else low + (high - low) * images
        pixels = pixels.contiguous()  # some call `view` on them
        if self.mean is not None and self.std is not None:
            pixels = (pixels - self.mean) / self.std
        eager = torch.compiler.set_stance("force_eager") if self.compiled else contextlib.nullcontext()
        # The fast kernels of attention have no second derivatives, which the curvature needs.
        with eager, sdpa_kernel(SDPBackend.MATH), torch.autocast(images.device.type, enabled=False):
            return self.network(pixels)


def prepare_model(
    model: nn.Module,
    *,
    classes: int,
    shape: Shape,
    device: torch.device | str,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    bounds: Bounds = (0.0, 1.0),
    exact: bool = True,
) -> tuple[DiagnosedModel, list[Finding]]:
    """Make a network ready to be diagnosed, and say which traps were met.

    The model is left as it is, its modes and flags included. Where it is in another precision or on another device, a
    copy in float32 is diagnosed: perturbations of 1/255 drown in the rounding of half precision, and float64 is beyond
    what attacks, which are float32, can use.

    Args:
        model: from images (B, C, H, W) in `bounds`, normalised if `mean` and `std` are given, to logits (B, classes).
        classes: of the data.
        shape: (C, H, W) of the images.
        device: to measure on.
        mean: subtracted from the pixels, in units of the bounds.
        std: by which the difference is divided, in units of the bounds.
        bounds: least and greatest value of a pixel before that.
        exact: `classes` is their number; otherwise it is a lower bound, and the model may have more.

    Returns:
        The model to measure, and the traps.

    Raises:
        ModelError: weights that are not finite, no copy possible, the model fails on images of this shape, returns
            something else than logits, or logits of another number of classes.
        ConfigError: mean, std or bounds that make no sense.
    """
    if torch.is_inference_mode_enabled():
        raise ModelError("there are no gradients inside torch.inference_mode(); call the diagnosis outside that block")
    check_bounds(bounds)
    statistics = _statistics(mean, std, shape[0], bounds)
    network, findings = _unwrapped(model)
    check_finite(network, "the model")
    if doubt := channels_last_warning(network):
        findings.append(warning(doubt))
    if any(module.training for module in network.modules()):
        findings.append(handled("the model is in training mode; it is diagnosed in evaluation mode, and left as it is"))
    network, converted = _float32(network, torch.device(device))
    diagnosed = DiagnosedModel(network, bounds, *statistics).to(device)
    findings += converted
    if diagnosed.compiled:
        findings.append(handled("parts of the model are compiled (torch.compile); they run uncompiled here"))
    findings += batch_norm_findings(network)
    return diagnosed, [*findings, *_try(diagnosed, classes, shape, torch.device(device), exact)]


def _is_compiled(module: nn.Module) -> bool:
    return getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")


def _statistics(
    mean: PerChannel | None, std: PerChannel | None, channels: int, bounds: Bounds
) -> tuple[Tensor | None, Tensor | None]:
    """Mean and std as (C, 1, 1) tensors."""
    if mean is None and std is None:
        return None, None
    if mean is None or std is None:
        raise ConfigError("mean and std go together; give both, or none where the model normalises by itself")
    tensors = [torch.as_tensor(values, dtype=torch.float32).reshape(-1, 1, 1).cpu() for values in (mean, std)]
    for name, tensor in zip(("mean", "std"), tensors, strict=True):
        if len(tensor) not in (1, channels):
            raise ConfigError(f"{name} has {len(tensor)} numbers, the images have {channels} channels")
    low, high = bounds
    if not bool((tensors[1] > 0).all() and tensors[1].isfinite().all()):
        raise ConfigError("std must be above 0")
    if not bool(((tensors[0] >= low) & (tensors[0] <= high)).all()):
        raise ConfigError(f"mean must lie in the bounds, {low:g} to {high:g}: give mean and std in their units")
    if high - low >= 100 and bool((tensors[1] < 1).all()):
        raise ConfigError(f"std is below 1, and pixels run from {low:g} to {high:g}: give mean and std in their units")
    return tensors[0], tensors[1]


def _unwrapped(model: nn.Module) -> tuple[nn.Module, list[Finding]]:
    """The network inside DataParallel, torch.compile and Fabric."""
    findings: list[Finding] = []
    while isinstance(inner := _inside(model), nn.Module):
        findings.append(handled(f"the model is wrapped ({type(model).__name__}); the network inside is diagnosed"))
        model = inner
    return model, findings


def _inside(model: nn.Module) -> Any:
    if isinstance(model, DataParallel | DistributedDataParallel):
        return model.module
    if hasattr(model, "_orig_mod"):  # torch.compile's
        return model._orig_mod
    return getattr(model, "_original_module", None)  # Fabric's


def _float32(network: nn.Module, device: torch.device) -> tuple[nn.Module, list[Finding]]:
    """The network itself if it is in float32 on the device, else a copy that is."""
    tensors = [*network.parameters(), *network.buffers()]
    floats = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.is_floating_point()})
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
    try:
        network = copy.deepcopy(network).to(device=device, dtype=torch.float32)
    except Exception as failure:
        raise ModelError(
            f"the model must be copied, because {', and '.join(reasons)}, and it cannot be ({describe(failure)}); give "
            f"it in float32 on {device}"
        ) from failure
    return network, [handled(f"a copy of the model in float32 on {device} is diagnosed: {', and '.join(reasons)}")]


def _same_device(one: torch.device, other: torch.device) -> bool:
    return one.type == other.type and (other.index is None or one.index == other.index)


@contextlib.contextmanager
def _told(shape: Shape) -> Iterator[None]:
    """What a model raises, as one line."""
    try:
        yield
    except Exception as failure:
        raise ModelError(f"the model fails on images of shape {shape}: {describe(failure)}") from failure


def _try(diagnosed: DiagnosedModel, classes: int, shape: Shape, device: torch.device, exact: bool) -> list[Finding]:
    """Send two random images through, forward and backward, and look at what comes out."""
    images = torch.rand(2, *shape, generator=generator(0, "evaluation")).to(device).requires_grad_()
    autocast: list[bool] = []

    def look(module: nn.Module, inputs: Any) -> None:
        autocast.append(torch.is_autocast_enabled(device.type))

    with (
        contextlib.ExitStack() as hooks,
        fork_global_rng(0, "layers"),
        attack_mode(diagnosed, "eval"),
        torch.enable_grad(),
    ):
        for module in diagnosed.network.modules():
            if not isinstance(module, torch.jit.ScriptModule):
                hooks.callback(module.register_forward_pre_hook(look).remove)
        with _told(shape):
            outputs = diagnosed.outputs(images)
        logits = _check_logits(outputs, classes, exact)
        with _told(shape):
            gradient = torch.autograd.grad(logits.sum(), images, allow_unused=True)[0] if logits.requires_grad else None
    findings = []
    if gradient is None:
        text = "no gradient reaches the images (a detach, no_grad, or rounding to whole numbers on the way)"
        findings.append(warning(f"{text}; it is taken as zero, so gradient attacks find nothing"))
    if any(autocast) or logits.dtype not in (torch.float32, torch.float64):
        text = "the model computes in half precision although its weights are float32 (autocast or a cast inside it)"
        findings.append(warning(f"{text}; rounding hides small changes from attacks, so take that off if you can"))
    if logits.shape[1] > classes:
        text = f"the model has {logits.shape[1]} outputs, the labels given go up to {classes - 1}"
        findings.append(handled(f"{text}; the other classes count as wrong answers"))
    return findings


def _check_logits(outputs: Any, classes: int, exact: bool) -> Tensor:
    if not isinstance(outputs, Tensor):
        kind = type(outputs).__name__
        if isinstance(outputs, tuple | list):
            kind += f" of {len(outputs)}"
        raise ModelError(
            f"the model returns a {kind}, it must return one tensor of logits (N, {classes}); give a module whose "
            "forward picks the logits out of it"
        )
    if outputs.ndim != 2 or len(outputs) != 2 or not outputs.is_floating_point():
        kind = str(outputs.dtype).removeprefix("torch.")
        found = f"{kind} of shape {tuple(outputs.shape)}"
        raise ModelError(f"the model returns {found} for 2 images; it must return logits (2, {classes}), floats")
    if outputs.shape[1] < classes or (exact and outputs.shape[1] > classes):
        raise ModelError(
            f"the last layer has {outputs.shape[1]} outputs, the data {classes} classes; check that model, weights and "
            "data belong together"
        )
    return outputs
