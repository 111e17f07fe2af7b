"""One tidy table of everything that weights alone say about mixtures: models x layers x statistics."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.mixtures.statistics import directions, matching
from analyses.mixtures.statistics.change import (
    RANDOM_ENTRIES,
    RANDOM_PARTICIPATION,
    angles,
    entries_with,
    hoyer,
    participation,
    relative_size,
    split,
)
from analyses.mixtures.statistics.sparse import atom_match, learn_atoms, sparsity
from analyses.mixtures.statistics.spectrum import deflated_spectrum, spectrum
from analyses.mixtures.units.firing import firing_units
from analyses.mixtures.units.hidden_units import check_same_layers, live_units, unit_length, units_of
from cotoolkit.core.errors import ConfigError

Measure = tuple[str, float, float]  # statistic, value, null


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
    missing = [name for name in (start, clean, robust) if name is not None and name not in models]
    if missing:
        raise ConfigError(f"no model {', '.join(missing)}; there are: {', '.join(models)}")
    if clean == robust:
        raise ConfigError(f"{clean} cannot be both the clean and the robust network")
    if fold and images is None:
        raise ConfigError("batch norm can be folded only with images, to see which layer it follows")
    few = images[:4] if images is not None and fold else None
    units = {name: units_of(model, few) for name, model in models.items()}
    firing = {name: firing_units(model, units[name], images) for name, model in models.items()}
    for name, layers in units.items():
        check_same_layers(layers, units[robust], (name, robust))
    rows = []
    for layer, shape in units[robust].items():
        weights = {name: layers[layer].weight for name, layers in units.items()}
        references = {"start": start, "clean": clean, "robust": robust}
        known = {role: weights[name] for role, name in references.items() if name is not None}
        fires = {name: firing[name][layer] for name in models}
        if not all((live_units(weights[name]) & fires[name]).any() for name in (clean, robust)):
            continue
        reference = _Reference.of(known, fires[clean], fires[robust], seed)
        for name, weight in weights.items():
            own = {role for role, of in references.items() if of == name}
            keep = live_units(weight, known["robust"]) & (fires[name] | fires[robust])
            if not weight[keep].any():
                continue
            size = (name, layer, shape.kind, *weight.shape, int(keep.sum()))
            rows += [(*size, *measure) for measure in _measures(weight, own, keep, reference, seed)]
    columns = ["model", "layer", "kind", "n_units", "n_in", "live", "statistic", "value", "null"]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class _Reference:
    """What the models of one layer are compared with, worked out once for all of them.

    Attributes:
        weights: of "start" (if known), "clean" and "robust".
        pure_units: the live robust units.
        atoms: the dictionary learned from them.
        atoms_match: how alike dictionaries from several seeds are.
        u1: the common direction of the clean units.
        u2: the common direction of the parts that the robust units lost.
        grams: of random units (`directions.random_grams`).
    """

    weights: Mapping[str, Tensor]
    pure_units: Tensor
    atoms: Tensor
    atoms_match: float
    u1: Tensor
    u2: Tensor
    grams: Tensor

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], clean_fires: Tensor, robust_fires: Tensor, seed: int) -> _Reference:
        clean, robust = weights["clean"], weights["robust"]
        both = live_units(clean, robust) & (clean_fires | robust_fires)
        pure_units = robust[live_units(robust) & robust_fires]
        dictionaries = [learn_atoms(pure_units, seed + offset) for offset in range(3)]
        matches = [atom_match(first, second) for first, second in itertools.combinations(dictionaries, 2)]
        return cls(
            weights,
            pure_units,
            dictionaries[0],
            sum(matches) / len(matches),
            directions.common_direction(clean[both]),
            directions.removed_direction(split(clean[both], robust[both]).rest_per_length),
            directions.random_grams(len(robust), robust.shape[1], torch.Generator().manual_seed(seed)),
        )


def _measures(weight: Tensor, own: set[str], keep: Tensor, reference: _Reference, seed: int) -> Iterator[Measure]:
    generator = torch.Generator().manual_seed(seed)
    units = weight[keep]
    chosen = keep.cpu()
    grams = reference.grams[:, chosen][:, :, chosen]
    yield from _alone(units, own, reference, grams)
    for role, other in reference.weights.items():
        if role in own:
            continue
        yield from _named(role, _to_reference(units, other[keep], generator))
        if role != "robust":
            yield from _named(role, _from_reference(units, other[keep], grams))
        else:
            yield from _mixture(units, other[keep], reference, grams, generator)
            yield from _named("units", _in_atoms(units, reference.pure_units))
            yield from _named("dictionary", _in_atoms(units, reference.atoms))
            yield "dictionary_match", reference.atoms_match, math.nan


def _alone(units: Tensor, own: set[str], reference: _Reference, grams: Tensor) -> Iterator[Measure]:
    n, n_in = units.shape
    normalised = unit_length(units)
    top = directions.top_share(normalised, grams)
    u1 = directions.common_direction(units)
    yield "energy_own_u1", top.share, top.null
    yield "own_u1_z", top.z, 0.0
    # the clean units' own direction is their best one, which 1 / n_in does not allow for
    clean_null = top.null if "clean" in own else 1 / n_in
    yield "energy_clean_u1", directions.energy_share(units, reference.u1), clean_null
    # u2 is fitted to what the clean units lost, so that their own share of it has no simple null
    removed_null = math.nan if "clean" in own else 1 / n_in
    yield "energy_removed_u2", directions.energy_share(units, reference.u2), removed_null
    if "clean" not in own:
        yield "u1_cos_clean", abs(float(u1 @ reference.u1)), matching.random_cosine(n_in)
    yield "same_sign_clean_u1", directions.same_sign(units, reference.u1), directions.random_same_sign(n)
    yield "off_diagonal", matching.off_diagonal(units), matching.random_cosine(n_in)
    whole = spectrum(normalised)._asdict()
    yield from ((f"w_{key}", value, math.nan) for key, value in whole.items() if key != "top1")
    yield from ((f"deflated_{key}", value, math.nan) for key, value in deflated_spectrum(normalised)._asdict().items())


def _to_reference(units: Tensor, other: Tensor, generator: torch.Generator) -> Iterator[Measure]:
    n, n_in = units.shape
    found, turned = matching.lineage_cosines(units, other), angles(units, other)
    yield "cos", float(found.mean()), 0.0
    yield "abs_cos", float(found.abs().mean()), matching.random_cosine(n_in)
    yield "angle", float(turned.quantile(0.5)), 90.0
    yield "angle_mean", float(turned.mean()), 90.0
    for percent in (10, 90):
        quantile = float(turned.quantile(percent / 100))
        yield f"angle_p{percent}", quantile, matching.random_angle_quantile(n_in, percent / 100)
    for limit in (15, 30, 45):
        yield f"under_{limit}", float((turned < limit).float().mean()), matching.random_angles_below(n_in, limit)
    null = matching.matched_null(units, other, generator)
    yield "matched_cos", float(matching.matched_cosines(units, other).mean()), float(null.mean())
    nearest = matching.cosines(units, other).abs().argmax(1)
    yield "on_diagonal", float((nearest == torch.arange(n, device=nearest.device)).float().mean()), 1 / n


def _from_reference(units: Tensor, other: Tensor, grams: Tensor) -> Iterator[Measure]:
    change = units - other
    entries = change.flatten()
    top = directions.top_share(change, grams)
    yield "change_size", relative_size(change, other), math.nan
    yield "change_density", float(participation(entries)) / len(entries), RANDOM_PARTICIPATION
    yield "change_hoyer", float(hoyer(entries)), math.nan
    yield "change_entries_90", entries_with(change), RANDOM_ENTRIES
    ranks = spectrum(change)._asdict()
    yield from ((f"update_{key}", value, math.nan) for key, value in ranks.items() if key != "top1")
    yield "update_top1", top.share, top.null
    yield "update_top1_z", top.z, 0.0


def _mixture(
    units: Tensor, robust: Tensor, reference: _Reference, grams: Tensor, generator: torch.Generator
) -> Iterator[Measure]:
    n_in = units.shape[1]
    parts = split(units, robust)
    yield "mixture_ratio", float(parts.ratio.nanmedian()), math.nan
    matched_null = float(matching.matched_null(units, robust, generator).square().mean())
    best = matching.cosines(units, reference.atoms).square().max(1).values
    best_null = matching.cosines(matching.shuffled(units, generator), reference.atoms).square().max(1).values
    for name, pure, null in (
        ("lineage", parts.pure, 1 / n_in),
        ("matched", matching.matched_cosines(units, robust).square(), matched_null),
        ("dictionary", best, float(best_null.mean())),
    ):
        share = float(pure.mean())
        yield f"pure_{name}", share, null
        yield f"dense_{name}", 1 - share, 1 - null
    top = directions.top_share(parts.rest_per_length, grams)
    yield "removed_top1", top.share, top.null
    yield "removed_top1_z", top.z, 0.0


def _in_atoms(units: Tensor, atoms: Tensor) -> Iterator[Measure]:
    found = sparsity(units[units.any(1)], atoms)  # a unit of zeros has no direction to code
    yield "l0", float(found.l0.mean()), math.nan
    yield "reached", float(found.reached.float().mean()), math.nan
    yield "r2", float(found.r2.mean()), math.nan
    yield "code_participation", float(found.participation.nanmean()), math.nan
    yield "code_top1", float(found.top1.nanmean()), math.nan
    yield "code_hoyer", float(found.hoyer.nanmean()), math.nan
    yield "universal", float(found.universal), math.nan
    yield "universal_energy", found.universal_energy, math.nan


def _named(suffix: str, measures: Iterable[Measure]) -> Iterator[Measure]:
    return ((f"{name}_{suffix}", value, null) for name, value, null in measures)
