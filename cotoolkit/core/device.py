"""Devices: what people ask for, what this machine has, and where a model lies; importing this costs nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

Device = Literal["auto", "cpu", "cuda"]
"""Where to train; "auto" takes a GPU if there is one."""


def available(device: Device) -> Literal["cpu", "cuda"]:
    """The device that a choice comes to on this machine.

    Raises:
        ConfigError: a GPU was asked for and there is none.
    """
    import torch

    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise ConfigError("no GPU found; use --device cpu")
    return "cuda" if found and device != "cpu" else "cpu"


def device_of(model: nn.Module) -> torch.device:
    """Where the model's first parameter or buffer lies; the CPU for a model without any."""
    import torch

    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device
