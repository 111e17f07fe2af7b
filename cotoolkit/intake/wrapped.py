"""Somebody's network as the monitor sees it: outside of every wrapper, from images in [0, 1] to float32 logits."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models.normalise import Statistics

Autocast = Callable[[], contextlib.AbstractContextManager[Any]]
"""Makes the context in which the network's passes run, such as `fabric.autocast`."""


def unwrapped(model: nn.Module) -> tuple[nn.Module, Autocast]:
    """The network inside DataParallel, DistributedDataParallel, torch.compile and Fabric, and Fabric's autocast.

    Fabric's wrapper forbids the gradients that an attack takes besides `fabric.backward`, DDP's synchronises with
    other processes, and a compiled network would be compiled anew for a probe. What accelerate does to a network on
    one device is part of the network itself.

    Raises:
        ModelError: no module, or one whose weights are sharded over processes.
    """
    autocast: Autocast = contextlib.nullcontext
    fabric = sys.modules.get("lightning_fabric.wrappers")  # never imported here: only who uses it has such a model
    while True:
        if fabric is not None and isinstance(model, fabric._FabricModule):
            autocast = model._strategy.precision.forward_context
            model = model.module
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod  # type: ignore[assignment]
        else:
            break
    if not isinstance(model, nn.Module):
        raise ModelError(f"model: a torch.nn.Module is needed, not a {type(model).__name__}")
    if any(isinstance(module, _sharded()) for module in model.modules()):
        raise ModelError("model: weights sharded over processes (FSDP) cannot be watched")
    return model, autocast


def _sharded() -> tuple[type, ...]:
    fsdp = sys.modules.get("torch.distributed.fsdp")  # never imported here, as above
    return () if fsdp is None else (fsdp.FullyShardedDataParallel, fsdp.FSDPModule)


def input_statistics(
    mean: float | Sequence[float] | None, std: float | Sequence[float] | None, bounds: tuple[float, float]
) -> Statistics:
    """How images in [0, 1] become what the network takes: (images - mean) / std.

    Args:
        mean: per channel, or one for all, in [0, 1] pixel units; with `std`.
        std: per channel, or one for all, in [0, 1] pixel units; with `mean`.
        bounds: range of the network's input, instead of mean and std.

    Returns:
        Mean and std per channel, one value if there is one for all.

    Raises:
        ConfigError: both or half of it were given, a std is not above 0, or the bounds are not in order.
    """
    low, high = bounds
    if (mean is None) != (std is None):
        raise ConfigError("mean and std go together: give both or neither")
    if mean is not None and std is not None:
        if bounds != (0.0, 1.0):
            raise ConfigError("give mean and std, or bounds, not both")
        means, stds = ((value,) if isinstance(value, int | float) else tuple(value) for value in (mean, std))
        if not all(value > 0 for value in stds):
            raise ConfigError(f"std: {stds} must be above 0")
        return Statistics(means, stds)
    if not low < high:
        raise ConfigError(f"bounds: {bounds} must be (lowest, highest)")
    return Statistics((-low / (high - low),), (1 / (high - low),))


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
    return torch.tensor(values, dtype=torch.float32, device=like.device).view(-1, *[1] * (like.dim() - 2))


class WrappedModel(nn.Module):
    """`network((images - mean) / std)` in the training's precision, with its own weights or others of its past.

    Args:
        network: unwrapped.
        statistics: of its input.
        autocast: its precision.
        weights: by the names of its state dict; None means its own.
    """

    def __init__(
        self,
        network: nn.Module,
        statistics: Statistics,
        autocast: Autocast,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.device = device_of(network)
        self._dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
        self._statistics = statistics
        self._autocast = autocast
        self._weights = None
        if weights is not None:
            self._weights = {name: tensor.to(self.device) for name, tensor in weights.items()}

    def to_input(self, images: Tensor) -> Tensor:
        """What the network takes for images in [0, 1]."""
        mean, std = (per_channel(values, images) for values in self._statistics)
        return (images - mean) / std

    def to_images(self, inputs: Tensor) -> Tensor:
        """Inverse of `to_input`."""
        mean, std = (per_channel(values, inputs) for values in self._statistics)
        return inputs * std + mean

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes) in float32.

        Raises:
            ModelError: the network returns anything else.
        """
        inputs = self.to_input(images).to(self._dtype)
        with self._autocast():
            if self._weights is None:
                logits = self.network(inputs)
            else:
                logits = functional_call(self.network, self._weights, (inputs,))
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
            raise ModelError(f"the model returns {found}; the monitor needs logits (B, classes)")
        return logits.float()
