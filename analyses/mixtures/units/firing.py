"""Which units ever fire: a unit that its ReLU silences on all data is dead, however long its weights are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from analyses.mixtures.units.hidden_units import LayerUnits
from analyses.mixtures.units.tracing import Conv, Returned, ReturningLayer, batches, hooked

SILENT = 1e-3
"""A unit that fires on fewer positions than this is dead [M]."""


def firing_units(model: nn.Module, units: Mapping[str, LayerUnits], images: Tensor | None) -> dict[str, Tensor]:
    """Which units fire on at least 0.1 % of positions; all of a layer where that is not known.

    Args:
        model: any network.
        units: its units.
        images: (B, ...); None if there are none to tell by.

    Returns:
        Layer name -> bool (n_units,), for every layer of `units`.
    """
    rates = {} if images is None else firing_rates(model, images)
    ones = {name: torch.ones_like(layer.weight[:, 0]) for name, layer in units.items()}
    return {name: rates.get(name, every) >= SILENT for name, every in ones.items()}


def firing_rates(model: nn.Module, images: Tensor, *, batch_size: int = 500) -> dict[str, Tensor]:
    """Share of images and positions at which each unit is above 0 where its ReLU reads it.

    Only layers whose output goes straight, or through one batch norm, into a `nn.ReLU` module are there: elsewhere a
    negative unit is not a silent one. The model is in eval mode meanwhile, and untouched.

    Args:
        model: any network.
        images: (B, ...); some 2000 make a rate of 0.1 % meaningful.
        batch_size: images a pass.

    Returns:
        Layer name -> (n_units,), in [0, 1].
    """
    returned = Returned()
    fired: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def pass_on(given: Tensor, output: Tensor) -> None:
        if (source := returned.source(given)) is not None:
            returned.add(source, output)

    def count(given: Tensor) -> None:
        if (source := returned.source(given)) is not None:
            on = (given > 0).movedim(source.unit_axis(given), 0).flatten(1)
            fired[source.name] = fired.get(source.name, 0) + on.sum(1)
            counts[source.name] = counts.get(source.name, 0) + on.shape[1]

    def hook(name: str, module: nn.Module) -> RemovableHandle | None:
        if isinstance(module, nn.Linear | Conv):
            source = ReturningLayer(name or "model", module)
            return module.register_forward_hook(lambda _m, _i, output: returned.add(source, output))
        if isinstance(module, _BatchNorm):
            return module.register_forward_hook(lambda _, inputs, output: pass_on(inputs[0], output))
        if isinstance(module, nn.ReLU):
            return module.register_forward_pre_hook(lambda _, inputs: count(inputs[0]))
        return None

    device = next(model.parameters()).device
    with hooked(model, hook):
        for batch in batches(images, batch_size):
            returned.clear()
            model(batch.to(device))
    return {name: total / counts[name] for name, total in fired.items()}
