"""A running average of a network's weights and buffers, which a method keeps in its memory under `average/NAME`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from torch import Tensor, nn

AVERAGED = "averaged"
"""Label of the averaged network: of its checkpoint, and before the colon in a run's evaluation."""

PREFIX = "average/"
"""Of the average's tensors among what a method remembers."""

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of BatchNorm's statistics."""


def first_average(model: nn.Module) -> dict[str, Tensor]:
    """The average before the first step: the network as it is.

    Args:
        model: without wrappers around it.

    Returns:
        For a method's memory.
    """
    return {f"{PREFIX}{name}": tensor.detach().clone() for name, tensor in model.state_dict().items()}


def move_average(memory: MutableMapping[str, Tensor], model: nn.Module, share: float) -> None:
    """Move the average towards the present network: average + share * (network - average).

    What has no fractions, such as counters, becomes that of the network.

    Args:
        memory: holds what `first_average` made; changed in place.
        model: the same network; wrappers may be around it.
        share: in [0, 1]; 1 makes the average the network, to the bit.
    """
    # A wrapper puts the same words before all names, and so leaves their order as it is.
    names = sorted(name for name in memory if name.startswith(PREFIX))
    network = sorted(model.state_dict().items())
    for name, (_, tensor) in zip(names, network, strict=True):
        average = memory[name]
        if average.is_floating_point() and share < 1:
            average.lerp_(tensor, share)
        else:
            average.copy_(tensor)


def averaged(memory: Mapping[str, Tensor], *, statistics: bool = True) -> dict[str, Tensor]:
    """The state dict of the averaged network.

    Args:
        memory: holds the average.
        statistics: with BatchNorm's; otherwise they are left out, for whoever takes it to measure them.

    Returns:
        Tensors by their names in the network, not copied.
    """
    found = {name.removeprefix(PREFIX): tensor for name, tensor in memory.items() if name.startswith(PREFIX)}
    return {name: tensor for name, tensor in found.items() if statistics or name.rpartition(".")[2] not in STATISTICS}
