"""Devices: what people ask for, what this machine has, and where a model lies; importing this costs nothing."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

Device = Literal["auto", "cpu", "cuda"]
"""Where to train; "auto" takes a GPU if there is one."""


def available(device: Device) -> Literal["cpu", "cuda"]:
    """The device that a choice comes to on this machine.

    Raises:
        ConfigError: a GPU was asked for and there is none, or the choice is none.
    """
    import torch

    if device not in get_args(Device):
        raise ConfigError(f"device is {device!r}; give {', '.join(get_args(Device)[:-1])} or {get_args(Device)[-1]}")

    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise ConfigError("no GPU found; use --device cpu")
    return "cuda" if found and device != "cpu" else "cpu"


def visible_gpus(device: Device) -> list[str]:
    """The GPUs that a choice may use, as the variable CUDA_VISIBLE_DEVICES names them; none for the CPU."""
    import torch

    count = 0 if device == "cpu" else torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] or [str(number) for number in range(count)]


def keep_to_gpu(gpus: Sequence[str], worker: int) -> None:
    """Let this process see one GPU only, given out in turn; to be called before it uses any.

    Args:
        gpus: that there are, see `visible_gpus`; nothing happens without any.
        worker: which of several processes this is, from 0.
    """
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[worker % len(gpus)]


def device_of(model: nn.Module) -> torch.device:
    """Where the model's first parameter or buffer lies; the CPU for a model without any."""
    import torch

    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device
