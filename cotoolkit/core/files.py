"""Files that are whole at any moment, and data that carry a digest of themselves, so that a flipped bit is noticed.

A digest is a check against accidents: whoever changes data on purpose can seal them again. Data without one, as earlier
versions wrote them, are taken as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

DIGEST = "digest"
"""Under which a digest stands among the data."""

ABANDONED = 600.0
"""Seconds after which a temporary file is taken for that of a killed process: a write takes seconds."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new content stands under its name.

    Args:
        path: of the file; folders are made.
        content: of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A random name: other machines that share the folder have our number of process, too.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk, or Ctrl-C
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path, older_than: float = ABANDONED) -> None:
    """Remove the temporary files that killed processes left below a folder.

    Args:
        folder: which need not exist.
        older_than: age in seconds; younger ones may be another process's, which is writing.
    """
    for path in folder.rglob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()
        except FileNotFoundError:  # renamed or removed meanwhile
            continue


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file with a digest of its content, atomically.

    Args:
        path: of the file.
        tensors: by name; on any device, and they may share memory.
        metadata: text that stands beside them.
    """
    from safetensors.torch import save as to_safetensors

    # clone: safetensors refuses tensors that share memory, as tied weights do
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, to_safetensors(copies, {**metadata, DIGEST: tensor_digest(copies, metadata)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Inverse of `write_tensors`, on the CPU.

    Raises:
        RunError: missing, or damaged, be it by one bit.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except SafetensorError:
        raise damaged(path) from None
    if metadata.pop(DIGEST, None) not in (None, tensor_digest(tensors, metadata)):
        raise damaged(path)
    return tensors, metadata


def damaged(path: Path) -> RunError:
    """The error of a file of a run that does not hold what it should."""
    return RunError(f"{path}: damaged; delete the folder, or run again with --fresh")


def unreadable(path: Path, error: OSError) -> RunError:
    """The error of a file of a run that the system does not let us read."""
    return RunError(f"{path}: cannot be read ({error.strerror}); mend that, or move the folder away")


def sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """JSON data with their digest.

    >>> sealed({"state": "done"})
    {'state': 'done', 'digest': '414dc96abeb5a87d'}

    Args:
        data: that JSON gives back as they are.

    Returns:
        The data, and the first 16 hex digits of the sha256 of their canonical JSON.
    """
    return {**data, DIGEST: _digest(data)}


def unsealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Inverse of `sealed`.

    Raises:
        ValueError: the digest is that of other data.
    """
    bare = {name: value for name, value in data.items() if name != DIGEST}
    if DIGEST in data and data[DIGEST] != _digest(bare):
        raise ValueError("its content does not match its digest")
    return bare


def tensor_digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Digest of tensors and the text beside them.

    Args:
        tensors: by name, contiguous and on the CPU.
        metadata: text by name; a digest among it does not count.

    Returns:
        The first 16 hex digits of a sha256 of names, types, shapes, values and text.
    """
    import torch

    found = hashlib.sha256(_canonical({name: text for name, text in metadata.items() if name != DIGEST}))
    for name, tensor in sorted(tensors.items()):
        found.update(_canonical([name, str(tensor.dtype), list(tensor.shape)]))
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _digest(data: Any) -> str:
    return hashlib.sha256(_canonical(data)).hexdigest()[:16]


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
