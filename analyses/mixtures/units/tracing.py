"""Watching a pass through a network: hooks that are always taken off again, and who returned a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cotoolkit.intake.model import layers_of
from cotoolkit.models.modes import attack_mode

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


def batches(images: Tensor, size: int) -> list[Tensor]:
    """Images in batches of so many; a lone last one, which `ImageModel` sends through twice, joins those before it.

    Args:
        images: (B, ...).
        size: of a batch.

    Returns:
        The batches.
    """
    parts = list(images.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


class ReturningLayer(NamedTuple):
    """A layer that returned a tensor.

    Attributes:
        name: of the module.
        layer: the module.
    """

    name: str
    layer: nn.Module

    def unit_axis(self, output: Tensor) -> int:
        """The axis of its output along which the units lie."""
        return output.ndim - 1 if isinstance(self.layer, nn.Linear) else 1


class Returned:
    """The tensors that layers returned, to be recognised where another module reads them.

    Only the very tensor counts, and only if it was not changed in place meanwhile, as an activation might.
    """

    def __init__(self) -> None:
        # kept alive, so that no other tensor takes their place
        self._tensors: list[tuple[Tensor, int, ReturningLayer]] = []

    def add(self, source: ReturningLayer, output: Tensor) -> None:
        """Note that this layer, or a module that hands its output on, returned this tensor.

        Args:
            source: the layer.
            output: what it returned.
        """
        self._tensors.append((output, output._version, source))

    def source(self, given: Tensor) -> ReturningLayer | None:
        """The layer that a tensor comes from."""
        for output, version, source in self._tensors:
            if output is given and given._version == version:
                return source
        return None

    def clear(self) -> None:
        """Forget all, before the next pass."""
        self._tensors.clear()


@contextmanager
def hooked(model: nn.Module, hook: Callable[[str, nn.Module], RemovableHandle | None]) -> Iterator[None]:
    """Put hooks on a network for passes in eval mode and without gradients.

    On leaving, by an error, too, the hooks are gone and every module is in the mode it was.

    Args:
        model: any network.
        hook: given each module's name and the module, puts a hook on it, or does not.

    Returns:
        The context manager.
    """
    handles: list[RemovableHandle] = []
    try:
        for name, module in layers_of(model).items():
            if (handle := hook(name, module)) is not None:
                handles.append(handle)
        with attack_mode(model, "eval"), torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
