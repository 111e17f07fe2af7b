"""Training that starts from given weights: a safetensors file, named with a stamp of its content."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import nn

from cotoolkit.core.digest import read_stamped, split_stamp
from cotoolkit.core.errors import ConfigError


def load_initial(model: nn.Module, name: str) -> None:
    """Give a model the weights of a safetensors file.

    Args:
        model: of the architecture that the file fits.
        name: PATH#DIGEST.

    Raises:
        ConfigError: the file is missing, is not the one that was stamped, is no safetensors file, or does not fit.
    """
    path, _ = split_stamp(name)
    try:
        content = read_stamped(name, "weights")
    except ConfigError as error:
        raise ConfigError(f"initial: {error}") from None
    try:
        model.load_state_dict(from_safetensors(content))
    except SafetensorError:
        raise ConfigError(f"initial: {path} is no safetensors file") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"initial: {path} does not fit the model: {reason}") from None
