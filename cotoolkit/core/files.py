"""Files that are whole at any moment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cotoolkit.core.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new content stands under its name.

    Args:
        path: of the file; folders are made.
        content: of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, atomically.

    Args:
        path: of the file.
        tensors: by name; on any device, and they may share memory.
        metadata: text that stands beside them.
    """
    from safetensors.torch import save as to_safetensors

    # clone: safetensors refuses tensors that share memory, as tied weights do
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, to_safetensors(copies, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Inverse of `write_tensors`, on the CPU.

    Raises:
        RunError: missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except (SafetensorError, OSError):
        raise RunError(f"{path}: damaged; delete the folder and run again") from None
