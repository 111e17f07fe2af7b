"""Penultimate features: what a network's last linear layer sees."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cotoolkit.core.errors import ModelError


class Penultimate:
    """The features of the latest forward pass, inside `penultimate`."""

    def __init__(self) -> None:
        self._features: Tensor | None = None
        self._output: Tensor | None = None

    @property
    def features(self) -> Tensor:
        """(B, D) float32, with their graph.

        Raises:
            ModelError: the network has made no forward pass yet.
        """
        if self._features is None:
            raise ModelError("no penultimate features: the network has made no forward pass yet")
        return self._features

    def _layer(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._features, self._output = inputs[0].flatten(1).float(), output.detach()

    def _network(self, network: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        # Wrappers hand the output on, or a float32 copy of it.
        if self._output is None or not torch.equal(self._output.float(), logits.detach().float()):
            raise ModelError(
                "penultimate features are the input of the network's last nn.Linear, but what that returns is not what "
                "the network returns"
            )


@contextlib.contextmanager
def penultimate(model: nn.Module) -> Iterator[Penultimate]:
    """Keep, during forward passes inside the block, the input of the last `nn.Linear` of a network.

    Wrappers that hand the logits on (normalisation, precision, DDP) may stand around the network.

    Raises:
        ModelError: there is no such layer; or, from a forward pass, its output is not what the network returns.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ModelError("penultimate features need a network that ends in an nn.Linear; this one has none")
    found = Penultimate()
    hooks = [linear[-1].register_forward_hook(found._layer), model.register_forward_hook(found._network)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
