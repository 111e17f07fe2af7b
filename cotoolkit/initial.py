"""Training that starts from given weights: a file, and a stamp of its content.

The stamp makes the content part of a run's identity, and tells a run that is resumed when the file has changed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import nn

from cotoolkit.errors import ConfigError

STAMP = re.compile(r"#[0-9a-f]{12}$")


def stamped(name: str) -> str:
    """PATH as absolute PATH#DIGEST, with 12 hex digits of the file's sha256; a stamped name is itself.

    Raises:
        ConfigError: no such file.
    """
    return name if STAMP.search(name) else f"{Path(name).resolve()}#{_digest(name)}"


def split_stamp(name: str) -> tuple[Path, str]:
    """Path and digest of a stamped name."""
    path, _, digest = name.rpartition("#")
    return Path(path), digest


def load_initial(model: nn.Module, name: str) -> None:
    """Give a model the weights of a safetensors file.

    Args:
        model: of the architecture that the file fits.
        name: PATH#DIGEST.

    Raises:
        ConfigError: the file is missing, is not the one that was stamped, is no safetensors file, or does not fit.
    """
    path, digest = split_stamp(name)
    if _digest(str(path)) != digest:
        raise ConfigError(f"initial: {path} has changed since this run was configured; give the path without #{digest}")
    try:
        model.load_state_dict(from_safetensors(path.read_bytes()))
    except SafetensorError:
        raise ConfigError(f"initial: {path} is no safetensors file") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"initial: {path} does not fit the model: {reason}") from None


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    except OSError:
        raise ConfigError(f"initial: no weights file {path}") from None
