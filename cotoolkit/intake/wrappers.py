"""What stands around a network: DataParallel, DistributedDataParallel, torch.compile and Fabric."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from cotoolkit.core.errors import ModelError

Autocast = Callable[[], contextlib.AbstractContextManager[Any]]
"""Makes the context in which a network's passes run, such as `fabric.autocast`."""


class Unwrapped(NamedTuple):
    """A network without its wrappers.

    Attributes:
        network: inside all of them.
        wrappers: their class names, from outside.
        autocast: Fabric's, or none.
    """

    network: nn.Module
    wrappers: tuple[str, ...]
    autocast: Autocast


def unwrapped(model: Any) -> Unwrapped:
    """The network inside DataParallel, DistributedDataParallel, torch.compile and Fabric, and Fabric's autocast.

    Fabric's wrapper forbids the gradients that an attack takes besides `fabric.backward`, DDP's synchronises with
    other processes, and a compiled network would be compiled anew for a probe. What accelerate does to a network on
    one device is part of the network itself.

    Raises:
        ModelError: no module, or one whose weights are sharded over processes.
    """
    autocast: Autocast = contextlib.nullcontext
    wrappers: list[str] = []
    while isinstance(inner := _inside(model), nn.Module):
        wrappers.append(type(model).__name__)
        strategy = getattr(model, "_strategy", None)
        if strategy is not None:  # Fabric's
            autocast = strategy.precision.forward_context
        model = inner
    if not isinstance(model, nn.Module):
        hint = "; call .module() of it" if hasattr(model, "module") and callable(model.module) else ""
        raise ModelError(f"model: a torch.nn.Module is needed, not a {type(model).__name__}{hint}")
    if any(isinstance(module, _sharded()) for module in model.modules()):
        raise ModelError("model: weights sharded over processes (FSDP) cannot be measured")
    return Unwrapped(model, tuple(wrappers), autocast)


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile has been called on a module or stands around it."""
    return getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")


def _inside(model: Any) -> Any:
    if isinstance(model, DataParallel | DistributedDataParallel):
        return model.module
    if hasattr(model, "_orig_mod"):  # torch.compile's
        return model._orig_mod
    return getattr(model, "_original_module", None)  # Fabric's


def _sharded() -> tuple[type, ...]:
    fsdp = sys.modules.get("torch.distributed.fsdp")  # never imported here: only who uses it has such a model
    return () if fsdp is None else (fsdp.FullyShardedDataParallel, fsdp.FSDPModule)
