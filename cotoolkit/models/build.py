"""From a specification to a network that is known to fit the data."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.core.errors import ModelError
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.core.user_code import FAILURES, describe
from cotoolkit.models.normalise import Normalised, statistics_for
from cotoolkit.models.registry import Shape, parse_model


def build_model(spec: Any, shape: Shape, classes: int, seed: int, normalise: str = "none") -> nn.Module:
    """A network on the CPU, from images in [0, 1] to logits, with weights that the seed decides.

    The global random generators are left as they were.

    Args:
        spec: what `parse_model` takes.
        shape: (C, H, W) of the images.
        classes: number of classes.
        seed: the run's.
        normalise: a key of `STATISTICS`, whose constants become the first layer, or "none".

    Returns:
        The network, in train mode.

    Raises:
        ConfigError: no such model, or fields it refuses.
        ModelError: it cannot be built, or does not map a batch of this shape to logits of these classes.
    """
    parsed = parse_model(spec)
    with fork_global_rng(seed, "init"), _float32_default():
        network = parsed.build(shape, classes)
        if normalise != "none":
            network = Normalised(network, statistics_for(normalise, shape[0]))
        _check_output(network, shape, classes, str(parsed))
    return network


@contextlib.contextmanager
def _float32_default() -> Iterator[None]:
    """Layers are made in float32, as the images are: what a configuration says may not depend on a global setting."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _check_output(network: nn.Module, shape: Shape, classes: int, name: str) -> None:
    """Send two images through the network in evaluation mode, which leaves its batch-norm statistics alone."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    images = torch.linspace(-1, 1, 2 * math.prod(shape), dtype=torch.float32).view(2, *shape)
    given = images.clone().requires_grad_().clone()  # no leaf: it may be changed in place
    try:
        with torch.enable_grad():
            logits = network(given)
    except FAILURES as failure:
        raise ModelError(f"{name} fails on images of shape {shape}: {describe(failure)}") from failure
    finally:
        for module, training in modes.items():
            module.training = training
    if not torch.equal(given.detach(), images):  # it works in place on what it is given
        network.register_forward_pre_hook(_copied)
    if not isinstance(logits, Tensor):
        raise ModelError(f"{name} returns a {type(logits).__name__}; it must return a tensor of logits")
    if logits.shape != (2, classes):
        raise ModelError(f"{name} returns {tuple(logits.shape)} for 2 images; it must return logits (2, {classes})")
    if not logits.requires_grad:
        raise ModelError(f"{name} returns logits without a gradient, which attacks need; leave out detach()")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ModelError(f"{name} has no parameters to train")


def _copied(network: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0].clone(),)
