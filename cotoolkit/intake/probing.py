"""What a network returns and whether attacks can follow it, by two random images, and by the first that are given."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.core.user_code import describe
from cotoolkit.intake.findings import Finding, handled, warning
from cotoolkit.intake.model import ImageModel
from cotoolkit.intake.outputs.logits import is_one_logit, logits_in
from cotoolkit.models.modes import attack_mode
from cotoolkit.models.registry import Shape

NO_GRADIENT = "no gradient reaches the images"

STUCK = 0.1
"""Share of right images with a gradient of zero above which attacks are doubted."""

SAME = 0.02
"""How far, as a share of the greatest, outputs of two passes may lie apart by rounding: in bfloat16 by up to 4e-3."""


def probe(model: ImageModel, shape: Shape, *, classes: int | None, exact: bool, binary: bool) -> list[Finding]:
    """Look at what comes out of a model, and set how it is read.

    Args:
        model: gets `binary`, `gradient`, `reentrant`, `opaque` and `watching`.
        shape: (C, H, W) of the images.
        classes: of the data; None if they are not known.
        exact: `classes` is their number; otherwise it is a lower bound.
        binary: the network has to have one output.

    Returns:
        The traps that were met.

    Raises:
        ModelError: the model fails on images of this shape, returns something else than logits, or logits of another
            number of classes.
        ConfigError: `binary`, and it has several outputs.
    """
    images = _random_images(model, shape)
    autocast: list[bool] = []

    def look(module: nn.Module, inputs: Any) -> None:
        autocast.append(torch.is_autocast_enabled(images.device.type))

    _check_mode(model)
    with (
        contextlib.ExitStack() as hooks,
        fork_global_rng(0, "layers"),
        attack_mode(model, "eval"),
        torch.enable_grad(),
    ):
        for module in model.network.modules():
            if not isinstance(module, torch.jit.ScriptModule):
                hooks.callback(module.register_forward_pre_hook(look).remove)
        outputs, gradient, reason = _passed(model, images, shape)
        again = _once_more(model, images)
    model.watching = again is None
    model.shapes.add(shape)
    findings = _read(model, outputs, shape, classes, exact=exact, binary=binary)
    if gradient is None:
        model.gradient = False
        findings.append(warning(f"{NO_GRADIENT} ({reason}); it is taken as zero, so gradient attacks find nothing"))
    elif broken := int((~outputs.detach().reshape(2, -1).amax(1).isfinite()).sum()):
        findings.append(warning(f"the outputs for {broken} of 2 random images are nan or infinite"))
    elif not gradient.any():
        text = "the gradient of the model's outputs is zero (rounding on the way, or outputs that do not change)"
        findings.append(warning(f"{text}, so gradient attacks find nothing"))
    if again is not None and _differ(outputs, again):
        text = "two passes of the same images differ: the model is random, or remembers, in evaluation mode too"
        findings.append(warning(f"{text} (dropout that stays on, noise); attacks on it find less than there is"))
    if model.computes_precisely and (any(autocast) or outputs.dtype not in (torch.float32, torch.float64)):
        text = "the model computes in half precision although its weights are float32 (autocast or a cast inside it)"
        findings.append(warning(f"{text}; rounding hides small changes from attacks, so take that off if you can"))
    return findings


def _check_mode(model: ImageModel) -> None:
    try:
        with attack_mode(model, "eval"):
            pass
    except Exception as failure:
        reason = f"the model cannot be put into evaluation mode ({describe(failure)})"
        raise ModelError(f"{reason}; give the network that it was made from") from failure


def _once_more(model: ImageModel, images: Tensor) -> Tensor | None:
    """The outputs where nothing asks for a gradient, as in `evaluate`; None where the network fails on that."""
    try:
        with torch.no_grad():
            return logits_in(model.outputs(images))
    except Exception:  # somebody's network may raise anything; that it fails here is what is asked
        return None


def _differ(outputs: Tensor, again: Tensor) -> bool:
    if outputs.shape != again.shape or not outputs.is_floating_point():
        return False
    one, other = (part.detach().double().nan_to_num(0, 0, 0) for part in (outputs, again))
    return bool((one - other).abs().max() > SAME * one.abs().max())


def check_classes(outputs: int, classes: int, *, exact: bool) -> None:
    """Refuse a network that cannot belong to the data.

    Args:
        outputs: of the network.
        classes: of the data.
        exact: `classes` is their number; otherwise it is a lower bound.

    Raises:
        ModelError: it has too few outputs, or too many.
    """
    if not exact and classes == outputs + 1:
        raise ModelError(f"labels go up to {outputs}, and the last layer has {outputs} outputs; number classes from 0")
    if outputs < classes or (exact and outputs > classes):
        raise ModelError(
            f"the last layer has {outputs} outputs, the data {classes} classes; check that model, weights and data "
            "belong together"
        )


def check_shape(model: ImageModel, shape: Shape) -> None:
    """Try a model on images of a shape that it has not seen.

    Args:
        model: probed on another shape.
        shape: (C, H, W) of the images.

    Raises:
        ModelError: it fails on them.
    """
    if shape in model.shapes:
        return
    try:
        with fork_global_rng(0, "layers"), attack_mode(model, "eval"), torch.no_grad():
            model(_random_images(model, shape))
    except Exception as failure:
        raise ModelError(fails(shape, failure)) from failure
    model.shapes.add(shape)


def failure_on(model: ImageModel, shape: Shape) -> Exception | None:
    """Why a model fails on images of a shape, whether they ask for a gradient or not; None if it does not.

    Args:
        model: not probed.
        shape: (C, H, W) of the images.

    Raises:
        ModelError: it cannot be put into evaluation mode, or memory runs out.
    """
    _check_mode(model)
    found: list[Exception] = []
    images = _random_images(model, shape)
    for asking in (True, False):
        try:
            with fork_global_rng(0, "layers"), attack_mode(model, "eval"), torch.set_grad_enabled(asking):
                model.outputs(images.clone().requires_grad_(asking))
            return None
        except torch.OutOfMemoryError as failure:  # which says nothing of its precision
            raise ModelError(fails(shape, failure)) from failure
        except Exception as failure:
            found.append(failure)
    return found[0]


def fails(shape: Shape, failure: Exception) -> str:
    """The message on a model that fails on images of a shape (C, H, W)."""
    return f"the model fails on images of shape {shape}: {describe(failure)}{_axis_added(shape)}"


def _axis_added(shape: Shape) -> str:
    """What there is to say of one channel, which images without that axis are given."""
    if shape[0] != 1:
        return ""
    given = f"(N, {shape[1]}, {shape[2]})"
    return (
        f"; data of shape {given} are taken for pictures of one channel, and an axis is added, (N, 1, {shape[1]}, "
        f"{shape[2]}): if yours are, and the model takes none, forward=lambda model, images: model(images.squeeze(1))"
    )


def _random_images(model: ImageModel, shape: Shape) -> Tensor:
    device = device_of(model.network) if model.mean is None else model.mean.device
    return torch.rand(2, *shape, generator=generator(0, "evaluation"), device="cpu", dtype=torch.float32).to(device)


def _passed(model: ImageModel, images: Tensor, shape: Shape) -> tuple[Tensor, Tensor | None, str]:
    """The network's tensor of outputs and the gradient of their sum, or why there is none."""
    cut = "a detach, no_grad, or rounding to whole numbers on the way"
    try:
        leaf = images.clone().requires_grad_()
        outputs = logits_in(model.outputs(leaf))
        gradient = None
        if outputs.requires_grad:
            weights = torch.linspace(1, 2, outputs.numel(), device=outputs.device).view_as(outputs)  # softmax sums to 1
            gradient = torch.autograd.grad((weights * outputs).sum(), leaf, allow_unused=True)[0]
    except ModelError:
        raise
    except Exception as failure:
        if not model.reentrant and "heckpoint" in str(failure):
            model.reentrant = True  # torch's re-entrant checkpoints allow no gradient of the images alone
            return _passed(model, images, shape)
        return _without_gradient(model, images, shape, failure), None, describe(failure)
    return outputs, gradient, cut


def _without_gradient(model: ImageModel, images: Tensor, shape: Shape, failure: Exception) -> Tensor:
    """The outputs of a network that fails where its images ask for a gradient, as numpy's functions inside do."""
    model.opaque = True
    try:
        with torch.no_grad():
            return logits_in(model.outputs(images))
    except ModelError:
        raise
    except Exception:  # fails without a gradient too: the first failure is the one to tell
        raise ModelError(fails(shape, failure)) from failure


def _read(
    model: ImageModel, outputs: Tensor, shape: Shape, classes: int | None, *, exact: bool, binary: bool
) -> list[Finding]:
    """Check the outputs for two images, and say how they are read."""
    expected = "classes" if classes is None else str(classes)
    if is_one_logit(outputs, 2) and (binary or classes is None or classes <= 2):
        model.binary = True
        text = "the model has one output: it is the logit of class 1, and 0 that of class 0"
        return [] if binary else [handled(text)]
    if outputs.ndim != 2 or len(outputs) != 2 or not outputs.is_floating_point():
        kind = str(outputs.dtype).removeprefix("torch.")
        found = f"{kind} of shape {tuple(outputs.shape)}"
        wanted = f"it must return logits (2, {expected}), floats{_axis_added(shape)}"
        raise ModelError(f"the model returns {found} for 2 images; {wanted}")
    if binary:
        raise ConfigError(f"binary: the model has {outputs.shape[1]} outputs, a binary one has one; leave binary out")
    if classes is not None:
        check_classes(outputs.shape[1], classes, exact=exact)
    if outputs.shape[1] < 2:
        raise ModelError(f"the model returns {tuple(outputs.shape)} for 2 images; a classifier has at least 2 outputs")
    model.classes = outputs.shape[1]
    if classes is not None and outputs.shape[1] > classes:
        text = f"the model has {outputs.shape[1]} outputs, the labels given go up to {classes - 1}"
        return [handled(f"{text}; the other classes count as wrong answers")]
    return []


def first_look(model: ImageModel, images: Tensor, labels: Tensor, *, gradient: bool) -> list[Finding]:
    """Look at outputs, and at gradients where these are needed.

    Args:
        model: to be measured.
        images: (N, C, H, W) in [0, 1], on the model's device.
        labels: (N,) int64, likewise.
        gradient: that of the images is needed.

    Returns:
        What to warn of: features in place of logits, gradients that are zero or nan.
    """
    with attack_mode(model, "eval"), torch.set_grad_enabled(gradient):
        leaf = images.detach().requires_grad_(gradient)
        logits = model(leaf)
        losses = F.cross_entropy(logits, labels, reduction="sum")
        slopes = torch.autograd.grad(losses, leaf)[0].flatten(1) if gradient else None
    found, count = [], len(labels)
    predicted, broken = logits.argmax(1), ~logits.detach().amax(1).isfinite()
    beyond = int(((predicted > labels.max()) & ~broken).sum())
    if 2 * beyond > count:
        text = f"for {beyond} of {count} images the greatest of {logits.shape[1]} outputs is beyond every label"
        found.append(warning(f"{text} (0 to {int(labels.max())}): are these features, of a network without its head?"))
    if slopes is not None:
        right = (predicted == labels) & ~broken
        lost = int((right & slopes.isnan().any(1)).sum())
        if lost:
            text = f"{lost} of {int(right.sum())} images that are right have nan in their gradient"
            found.append(warning(f"{text}: attacks take such entries for zero, which is no robustness; see diagnose"))
        stuck = int((right & (slopes == 0).all(1)).sum())
        if stuck > STUCK * int(right.sum()):
            text = f"{stuck} of {int(right.sum())} images that are right have a gradient of exactly zero"
            found.append(warning(f"{text}: gradient attacks cannot move there, which is no robustness; see diagnose"))
    return found
