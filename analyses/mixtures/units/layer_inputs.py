"""What each layer of a network sees: its inputs, cut into the patches that its units are multiplied with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from analyses.mixtures.units.tracing import Conv, hooked


def layer_inputs(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The inputs of every layer in one pass in eval mode; batch norm, training mode and hooks stay as they were.

    Layers that the pass does not call are missing, and so is the output projection of attention layers, whose input
    torch does not show.

    Args:
        model: any network.
        images: (B, ...), on the model's device.

    Returns:
        Layer name, as `units_of` has it -> (groups, n, n_in): the n vectors that the units of each group of channels
        are multiplied with: rows for linear layers, patches for convolutions. n counts images, positions and calls.
    """
    seen: dict[str, list[Tensor]] = {}

    def record(name: str, vectors: Tensor) -> None:
        seen.setdefault(name, []).append(vectors)

    def attention(prefix: str, given: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        for position, part in enumerate(("query", "key", "value")):
            vectors = given[position] if position < len(given) else named[part]
            record(f"{prefix}{part}", vectors.reshape(1, -1, vectors.shape[-1]))

    def linear(name: str, given: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        rows = given[0] if given else named["input"]
        record(name, rows.reshape(1, -1, rows.shape[-1]))

    def hook(name: str, module: nn.Module) -> RemovableHandle | None:
        if isinstance(module, nn.MultiheadAttention):
            prefix = f"{name}." if name else ""
            return module.register_forward_pre_hook(lambda _, a, named: attention(prefix, a, named), with_kwargs=True)
        name = name or "model"
        if isinstance(module, nn.Linear):
            return module.register_forward_pre_hook(lambda _, a, named: linear(name, a, named), with_kwargs=True)
        if isinstance(module, Conv):
            return module.register_forward_pre_hook(
                lambda conv, a, named: record(name, patches(conv, a[0] if a else named["input"])), with_kwargs=True
            )
        return None

    with hooked(model, hook):
        model(images)
    return {name: torch.cat(parts, dim=1) for name, parts in seen.items()}


def patches(conv: Conv, inputs: Tensor) -> Tensor:
    """The patches a convolution multiplies its kernels with, with its stride, padding, dilation and groups.

    Args:
        conv: the convolution.
        inputs: (B, channels, *grid).

    Returns:
        (groups, B * positions, n_in), n_in as in `units_of`.
    """
    dimensions = len(conv.kernel_size)
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    windows = F.pad(inputs, _padding(conv), mode=mode)
    steps = zip(conv.kernel_size, conv.stride, conv.dilation, strict=True)
    for axis, (size, stride, dilation) in enumerate(steps, start=2):
        windows = windows.unfold(axis, (size - 1) * dilation + 1, stride)[..., ::dilation]
    # (B, channels, *positions, *kernel) -> (groups, B, *positions, channels / groups, *kernel)
    windows = windows.unflatten(1, (conv.groups, -1)).movedim(1, 0).movedim(2, 2 + dimensions)
    vectors: Tensor = windows.flatten(2 + dimensions).flatten(1, -2)
    return vectors


def _padding(conv: Conv) -> Sequence[int]:
    """Left and right padding per axis, last axis first, as `F.pad` takes it."""
    pairs: list[tuple[int, int]] = []
    for axis, (size, dilation) in enumerate(zip(conv.kernel_size, conv.dilation, strict=True)):
        if conv.padding == "same":
            total = dilation * (size - 1)
            pairs.append((total // 2, total - total // 2))
        else:
            width = 0 if isinstance(conv.padding, str) else int(conv.padding[axis])
            pairs.append((width, width))
    return [width for pair in reversed(pairs) for width in pair]
