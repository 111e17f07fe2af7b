"""How sensitive a layer's units are to the directions that the data carries, at any depth.

The common direction of the weights may be of no consequence if no input has it. Here the directions come from data: a
change of the images, such as the carriers of `interventions.carriers` or a band of frequencies, changes the inputs of
each layer, and the gain says how much more of that change its units pick up than units with no sense of direction.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from analyses.mixtures.units.hidden_units import LayerUnits, units_of
from analyses.mixtures.units.layer_inputs import layer_inputs
from analyses.mixtures.units.tracing import batches
from cotoolkit.core.errors import ConfigError


def second_moments(model: nn.Module, images: Tensor, perturbed: Tensor, *, batch_size: int = 128) -> dict[str, Tensor]:
    """Second moment C = E[d d^T] of the differences d of each layer's inputs that a change of the images causes.

    Args:
        model: any network; its state is untouched (see `layer_inputs`).
        images: (B, ...).
        perturbed: the same images, changed.
        batch_size: images a pass.

    Returns:
        Layer name -> (groups, n_in, n_in).

    Raises:
        ConfigError: no images, or not as many changed ones of the same shape.
    """
    if images.shape != perturbed.shape or len(images) == 0:
        raise ConfigError(f"the images and the changed ones differ in shape: {_shape(images)}, {_shape(perturbed)}")
    device = next(model.parameters()).device
    totals: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    for clean, changed in zip(*(batches(part, batch_size) for part in (images, perturbed)), strict=True):
        before = layer_inputs(model, clean.to(device))
        after = layer_inputs(model, changed.to(device))
        for name, vectors in after.items():
            difference = vectors - before.pop(name)
            total = difference.mT @ difference
            totals[name] = totals[name] + total if name in totals else total
            counts[name] = counts.get(name, 0) + difference.shape[1]
    return {name: total / counts[name] for name, total in totals.items()}


def gain(units: Tensor, moment: Tensor) -> float:
    """How much more energy units take from a change of their inputs than from one of equal size in random directions.

    mean_i w_i^T C w_i / (||w_i||^2 tr C / n_in), over units that can respond at all. It reads the directions of the
    units alone, not their lengths.

    Args:
        units: (n_units, n_in); for grouped convolutions the groups follow each other, as torch orders them.
        moment: C, (groups, n_in, n_in).

    Returns:
        In [0, n_in]: 1 for a layer that does not see directions, 0 where all units are orthogonal to the change, n_in
        where all point along a change that has one direction. nan where nothing changed.

    Raises:
        ConfigError: shapes that do not belong together.
    """
    if moment.ndim != 3 or len(moment) == 0 or len(units) % len(moment) or units.shape[1:] != moment.shape[1:2]:
        raise ConfigError(f"units of shape {_shape(units)} have no second moment of shape {_shape(moment)}")
    groups, n_in, _ = moment.shape
    rows = units.to(moment).unflatten(0, (groups, -1))
    lengths = rows.square().sum(-1)
    trace = moment.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None].expand_as(lengths)
    response = (rows @ moment * rows).sum(-1)
    known = lengths * trace > 0  # a group of channels that the change does not reach says nothing
    return float((response / (lengths * trace / n_in))[known].mean())


def sensitivity(model: nn.Module, images: Tensor, perturbed: Tensor, *, batch_size: int = 128) -> dict[str, float]:
    """The gain of every layer for a change of the images, from the inputs that this very network has.

    To compare networks on equal inputs give `gain` the units of one and the `second_moments` of the other.

    >>> import torch
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[3.0, 4.0]]))
    >>> found = sensitivity(layer, torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    >>> {name: round(gain, 6) for name, gain in found.items()}  # 2 * (3 / 5) ** 2
    {'model': 0.72}

    Args:
        model: any network; its state is untouched.
        images: (B, ...).
        perturbed: the same images, changed.
        batch_size: images a pass.

    Returns:
        Layer name -> gain (see there).
    """
    units = units_of(model)
    return gains(units, second_moments(model, images, perturbed, batch_size=batch_size))


def gains(units: Mapping[str, LayerUnits], moments: Mapping[str, Tensor]) -> dict[str, float]:
    """The gain of every layer that is in both, the order that of the units.

    Args:
        units: by layer.
        moments: of `second_moments`, by layer.

    Returns:
        Layer name -> gain (see there).
    """
    return {name: gain(layer.weight, moments[name]) for name, layer in units.items() if name in moments}


def _shape(images: Tensor) -> str:
    return " x ".join(map(str, images.shape))
