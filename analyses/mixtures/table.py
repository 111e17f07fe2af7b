"""One tidy table of everything that weights alone say about mixtures: models x layers x statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from torch import Tensor, nn

from analyses.mixtures.layer import ComparedLayer, LayerReferences, Role
from analyses.mixtures.layer_statistics import OF_LAYERS
from analyses.mixtures.pair_statistics import OF_PAIRS
from analyses.mixtures.units.firing import firing_units
from analyses.mixtures.units.hidden_units import LayerUnits, check_same_layers, live_units, units_of
from cotoolkit.core.errors import ConfigError

STATISTICS = {**OF_LAYERS, **OF_PAIRS}
"""The statistics of the table by name."""


def mixture_table(
    models: Mapping[str, nn.Module],
    *,
    start: str | None,
    clean: str,
    robust: str,
    seed: int = 0,
    images: Tensor | None = None,
    fold: bool = False,
) -> pd.DataFrame:
    """Compare the units of every model with those of the start, the clean and the robust one, layer by layer.

    Comparisons of a model with itself are left out. So are units that are dead in both the model and the robust one:
    too short (`live_units`), or, if there are images, silent on them (`firing_units`). The others are taken at equal
    length wherever directions are compared. Units are paired by index, which means something only for networks from the
    same start; else look at the `matched` statistics.

    Args:
        models: name -> network; all of one architecture.
        start: the name of the common start, None if it is not known.
        clean: the name of the network trained on clean images.
        robust: the name of the robust network, the reference of what is pure.
        seed: of the nulls and the dictionaries.
        images: some 2000, to find units that never fire: training at a high rate can silence most of a layer, whose
            units then stand still and share the direction that silenced them.
        fold: whether to fold batch norm into the units (see `units_of`); needs images.

    Returns:
        One row per model, layer and statistic; layers without a live unit in the clean or the robust network, and a
        model's layers of zeros, are left out. Columns: model, layer, kind, n_units, n_in, live (how many units are),
        statistic (see `STATISTICS`), value, null (what unrelated, random weights give; nan where that is not known).

    Raises:
        ConfigError: a name that `models` lacks, one name for clean and robust; folding without images.
        ModelError: networks with different layers.
    """
    roles: dict[Role, str] = {} if start is None else {"start": start}
    roles |= {"clean": clean, "robust": robust}
    _check(models, roles, fold, images)
    few = images[:4] if images is not None and fold else None
    units = {name: units_of(model, few) for name, model in models.items()}
    firing = {name: firing_units(model, units[name], images) for name, model in models.items()}
    for name, layers in units.items():
        check_same_layers(layers, units[robust], (name, robust))
    rows = [
        (name, layer, shape.kind, *shape.weight.shape, int(compared.keep.sum()), statistic, *found)
        for layer, shape in units[robust].items()
        for name, compared in _compared(layer, units, firing, roles, seed)
        for statistic, found in _found(compared)
    ]
    columns = ["model", "layer", "kind", "n_units", "n_in", "live", "statistic", "value", "null"]
    return pd.DataFrame(rows, columns=columns)


def _check(models: Mapping[str, nn.Module], roles: Mapping[Role, str], fold: bool, images: Tensor | None) -> None:
    missing = [name for name in roles.values() if name not in models]
    if missing:
        raise ConfigError(f"no model {', '.join(missing)}; there are: {', '.join(models)}")
    if roles["clean"] == roles["robust"]:
        raise ConfigError(f"{roles['clean']} cannot be both the clean and the robust network")
    if fold and images is None:
        raise ConfigError("batch norm can be folded only with images, to see which layer it follows")


def _compared(
    layer: str,
    units: Mapping[str, Mapping[str, LayerUnits]],
    firing: Mapping[str, Mapping[str, Tensor]],
    roles: Mapping[Role, str],
    seed: int,
) -> Iterator[tuple[str, ComparedLayer]]:
    """Every network's layer beside the references; none if that has no live unit in the clean or the robust network."""
    weights = {name: layers[layer].weight for name, layers in units.items()}
    fires = {name: layers[layer] for name, layers in firing.items()}
    clean, robust = roles["clean"], roles["robust"]
    if not all((live_units(weights[name]) & fires[name]).any() for name in (clean, robust)):
        return
    known = {role: weights[name] for role, name in roles.items()}
    references = LayerReferences.of(known, fires[clean], fires[robust], seed)
    for name, weight in weights.items():
        own = frozenset(role for role, of in roles.items() if of == name)
        keep = live_units(weight, weights[robust]) & (fires[name] | fires[robust])
        if weight[keep].any():
            yield name, ComparedLayer(weight, keep, own, references)


def _found(layer: ComparedLayer) -> Iterator[tuple[str, tuple[float, float]]]:
    for name, statistic in STATISTICS.items():
        found = statistic.compute(layer)
        if found is not None:
            yield name, found
