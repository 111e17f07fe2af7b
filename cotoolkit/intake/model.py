"""Anybody's network as a map from float32 images in [0, 1] to float32 logits, on one device: unwrapped, probed once."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ModelError
from cotoolkit.core.seeding import generator
from cotoolkit.intake.checkpointing import without_reentry
from cotoolkit.intake.findings import Finding, warning
from cotoolkit.intake.normalisation import Bounds, check_bounds
from cotoolkit.intake.outputs.logits import logits_in, two_logits
from cotoolkit.intake.outputs.probabilities import BELOW, TINY, Link, exclude_each_other, link_of, recovered
from cotoolkit.intake.wrappers import Autocast, is_compiled
from cotoolkit.models.modes import attack_mode
from cotoolkit.models.registry import Shape

FEW = 8
"""Images below which random ones are looked at, too, to tell probabilities by."""

Forward = Callable[[nn.Module, Tensor], Any]
"""How a network is called, where that is not `network(images)`: `lambda network, images: network(images)[0]`."""


class ImageModel(nn.Module):
    """`network((low + (high - low) * images - mean) / std)` in float32, whatever the network returns.

    Make one with `image_model`, which probes it. The network is not changed; measure inside `attack_mode(model, mode)`,
    which restores its modes.

    Attributes:
        network: the user's, or a copy, in float32 unless that fails.
        dtype: of what the network gets.
        bounds: (low, high) of the pixels that the network takes.
        mean: (C, 1, 1) or (1, 1, 1) in units of the bounds; None for no normalisation.
        std: (C, 1, 1) or (1, 1, 1) in units of the bounds; None for no normalisation.
        binary: the network returns one number per image, for two classes.
        probability: that number is the probability of class 1, not its logit.
        link: takes probabilities back to logits.
        examined: its outputs have been looked at, to decide on the two.
        gradient: of the images exists; otherwise it is taken as zero.
        opaque: the network fails on images that ask for a gradient, and never sees one.
        watching: it fails where nothing asks for a gradient, as code that follows gradients does, and never sees that.
        reentrant: it checkpoints in the way that attacks cannot differentiate through; it is made to in the other.
        classes: of its logits.
        shapes: (C, H, W) of images that it is known to take.
        compiled: parts of it are compiled; they run as written, since compiled code has no second derivatives.
        copied: the network is a copy, which does not train.
        findings: the traps that were met.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        bounds: Bounds,
        mean: Tensor | None,
        std: Tensor | None,
        *,
        forward: Forward | None = None,
        autocast: Autocast | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.bounds = bounds
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.binary = self.probability = self.examined = self.reentrant = False
        self.opaque = self.watching = self.copied = False
        self.gradient = True
        self.classes = 2
        self.shapes: set[Shape] = set()
        self.link = Link("identity")
        self.findings: list[Finding] = []
        self._call = forward
        self._autocast = autocast
        self.compiled = any(is_compiled(module) for module in network.modules())
        weights = [p.dtype for p in network.parameters() if p.is_floating_point()]
        self.dtype = dtype or next(iter(weights), torch.float32)
        self._in_float32 = set(weights) <= {torch.float32}

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes)."""
        if self.watching and not (torch.is_grad_enabled() and images.requires_grad):
            with torch.enable_grad():
                return self._logits(images.detach().requires_grad_()).detach()
        return self._logits(images)

    def _logits(self, images: Tensor) -> Tensor:
        # A lone image, as early freezing leaves it, goes through twice: many networks squeeze its batch axis away.
        outputs = logits_in(self.outputs(images if len(images) > 1 else images.repeat(2, 1, 1, 1))).float()
        logits = two_logits(outputs, probability=self.probability) if self.binary else outputs
        if self.link.name != "identity":
            logits = recovered(logits, self.link)
        if not self.gradient:
            logits = logits.detach() + 0 * images.flatten(1).sum(1, keepdim=True)
        return logits[: len(images)]

    def as_returned(self) -> ImageModel:
        """The same without a link: where the network returns probabilities, so does this."""
        plain = copy.copy(self)
        plain.link = Link("identity")
        return plain

    def outputs(self, images: Tensor) -> Any:
        """What the network returns for images in [0, 1], whatever that is."""
        seen = images.detach() if self.opaque else images
        inputs = self.to_input(seen)
        if inputs is seen:  # a copy, because some networks work on their input in place
            inputs = seen.clone()
        inputs = inputs.contiguous()  # some call `view` on it
        eager = torch.compiler.set_stance("force_eager") if self.compiled else contextlib.nullcontext()
        precise = torch.autocast(images.device.type, enabled=False)
        reentry = without_reentry() if self.reentrant else contextlib.nullcontext()
        blind = torch.no_grad() if self.opaque else contextlib.nullcontext()
        with eager, reentry, blind, precise if self._autocast is None else self._autocast():
            inputs = inputs.to(self.dtype)
            return self.network(inputs) if self._call is None else self._call(self.network, inputs)

    def to_input(self, images: Tensor) -> Tensor:
        """What the network takes for images in [0, 1]."""
        low, high = self.bounds
        pixels = images if self.bounds == (0.0, 1.0) else low + (high - low) * images
        return pixels if self.mean is None or self.std is None else (pixels - self.mean) / self.std

    def to_images(self, inputs: Tensor) -> Tensor:
        """Inverse of `to_input`."""
        low, high = self.bounds
        pixels = inputs if self.mean is None or self.std is None else inputs * self.std + self.mean
        return pixels if self.bounds == (0.0, 1.0) else (pixels - low) / (high - low)

    @property
    def computes_precisely(self) -> bool:
        """Whether the passes are meant to be in float32."""
        return self._autocast is None and self._in_float32

    @property
    def scale(self) -> Tensor:
        """Units of the network's input per unit of an image in [0, 1], (C, 1, 1) or (1, 1, 1)."""
        low, high = self.bounds
        width = torch.full((1, 1, 1), high - low, dtype=torch.float32, device=device_of(self.network))
        return width if self.std is None else width / self.std

    def read_probabilities(self, images: Tensor, elsewhere: Iterable[AbstractContextManager[None]] = ()) -> None:
        """Look at the outputs for some images, the first time, and take probabilities back to logits from now on.

        Args:
            images: (N, C, H, W) in [0, 1], on the model's device.
            elsewhere: contexts in which another network of its make stands in its place, with other weights, at which
                outputs have to be probabilities, too, where the present ones leave a doubt: logits may look like some
                by chance, as they do at the first weights of a training.
        """
        if self.examined:
            return
        self.examined = True
        if len(images) < FEW:  # the outputs of one image always sum to a constant
            noise = torch.rand(
                FEW, *images.shape[1:], generator=generator(0, "evaluation"), device="cpu", dtype=torch.float32
            )
            images = torch.cat([images, noise.to(images.device)])
        with attack_mode(self, "eval"), torch.no_grad():
            outputs = self(images)
            if (outputs.nan_to_num() >= -BELOW).all() and (self.binary or not exclude_each_other(outputs)):
                for weights in elsewhere:
                    with weights, contextlib.suppress(Exception):  # a network may refuse numbers that are too large
                        there = self(images)
                        there = there.where(there != 0, TINY)  # a probability that underflows, and no ReLU's zero
                        outputs = torch.cat([outputs, there])
        if not self.binary:
            self.link, findings = link_of(outputs)
            self.findings += findings
            return
        numbers = outputs[:, 1][outputs[:, 1].isfinite()]
        if len(numbers) > 0 and numbers.min() >= -BELOW and numbers.max() <= 1 + BELOW:
            self.probability = True
            text = (
                "the one output lies in [0, 1] and is taken for the probability of class 1; attacks follow its log-odds"
            )
            self.findings.append(warning(f"{text}: give the network without its sigmoid to be sure"))
            self.link = Link("log")


def bounds_of(model: nn.Module, bounds: Bounds) -> Bounds:
    """Bounds of the pixels that a model takes, as somebody states them beside it.

    Args:
        model: prepared or not; a prepared one knows its bounds.
        bounds: as they are stated; (0, 1) stands for nothing stated.

    Returns:
        The model's own if nothing is stated.

    Raises:
        ConfigError: they are not two finite numbers in ascending order.
    """
    stated = check_bounds(bounds)
    return model.bounds if isinstance(model, ImageModel) and stated == (0.0, 1.0) else stated


def network_of(model: nn.Module) -> nn.Module:
    """The user's own network, or the copy of it, whose modules have the names that the user knows."""
    return model.network if isinstance(model, ImageModel) else model


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """All modules of the user's own network by the names that the user knows, itself by "".

    Raises:
        ModelError: it was compiled by `torch.jit`, and its layers cannot be watched.
    """
    network = network_of(model)
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise ModelError(
            "the layers of a network scripted or traced by torch.jit cannot be seen; give it as it was before"
        )
    return dict(network.named_modules())
