"""A weights file as tensors by name, without running anything that the file holds.

Safetensors and torch files are read, the latter with `weights_only=True`. Everything else is refused with the reason.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cotoolkit.core.errors import ModelError
from cotoolkit.core.user_code import describe

ADVICE = "save model.state_dict() with torch.save, or with safetensors.torch.save_file"


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a file, on the CPU, named by their path in it.

    A checkpoint that holds dictionaries in dictionaries becomes one flat dictionary: the tensor `conv1.weight` of the
    part `state_dict` is `state_dict/conv1.weight`. What is no tensor (epochs, settings) is left out.

    Args:
        path: a safetensors file, or a torch file (zip or legacy) that `torch.load(weights_only=True)` accepts.

    Raises:
        ModelError: no such file, a damaged one, one of another kind, or one without tensors.
    """
    path = Path(path)
    kind = _kind(path)
    read = load_file(path) if kind == "safetensors" else _read_torch(path)
    tensors = dict(_tensors(read))
    if not tensors:
        raise ModelError(f"{path} holds no tensors: {ADVICE}")
    return tensors


def _kind(path: Path) -> str:
    """`safetensors` or `torch`, by what the file begins with, whatever its name."""
    if not path.exists():
        raise ModelError(f"no weights file {path}; check --weights")
    if path.is_dir():
        raise ModelError(f"{path} is a folder; name the weights file in it (*.safetensors, *.pt, *.pth)")
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise ModelError(f"{path} is empty; get the file again")
    if head[8:] == b"{":
        _check_safetensors(path)
        return "safetensors"
    if head.startswith(b"PK"):
        _check_archive(path)
    elif not head.startswith(b"\x80"):  # the first byte of every binary pickle
        known = {".onnx": "an ONNX graph", ".h5": "HDF5", ".keras": "a Keras model", ".npy": "a NumPy array"}
        guess = f", it looks like {known[path.suffix]}" if path.suffix in known else ""
        raise ModelError(f"{path} is neither a safetensors nor a torch file{guess}: {ADVICE}")
    return "torch"


def _check_safetensors(path: Path) -> None:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as failure:
        raise ModelError(f"{path} is a damaged safetensors file ({failure}); get it again") from None


def _check_archive(path: Path) -> None:
    """Refuse zip archives that are not the ones `torch.save` writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise ModelError(f"{path} is damaged or cut off; get it again") from None
    if any(name.endswith(".npy") for name in names):
        raise ModelError(f"{path} is a NumPy archive, not a torch file: {ADVICE}")
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        raise ModelError(
            f"{path} is a TorchScript program, which holds code beside the weights; load it with torch.jit.load and "
            "save its state_dict() with torch.save"
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise ModelError(f"{path} is a zip archive, but none that torch.save writes: {ADVICE}")


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as failure:  # how weights_only refuses; nothing is unpickled here
        found = re.search(r"GLOBAL ([\w.]+)", str(failure))
        objects = f" ({found[1]})" if found else ""
        raise ModelError(
            f"{path} holds Python objects{objects}, and unpickling those can run any code, so it is not loaded: where "
            f"you trust it, load it yourself and {ADVICE}"
        ) from None
    except Exception as failure:  # torch raises KeyError, EOFError, RuntimeError and others on damaged files
        raise ModelError(f"{path} cannot be read as a torch file ({describe(failure)}); get it again") from failure


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name or "tensor", value.detach()
        return
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(item, f"{name}/{key}" if name else str(key))
