"""The device to train on: the words to choose it by, and what they come to. Importing this costs nothing."""

from __future__ import annotations

from typing import Literal

from cotoolkit.core.errors import ConfigError

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
