"""The statistics of `mixture_table` of units beside those of a reference: one function each, or one for a family.

Each gives the value and its null: what unrelated, random weights have, nan where that is not known. "Units" are the
rows of a layer. Where a text says that a statistic rises or falls, that is what the theory or a small pilot of ours
leads one to expect from a clean to a robust network; for any deep network it is a conjecture, which may be refuted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from analyses.core.statistic_registry import StatisticRegistry
from analyses.mixtures.layer import ComparedLayer, Role, UnitPair
from analyses.mixtures.layer_statistics import RANKS, Found
from analyses.mixtures.statistics import matching
from analyses.mixtures.statistics.change import (
    RANDOM_ENTRIES,
    RANDOM_PARTICIPATION,
    entries_with,
    hoyer,
    participation,
    relative_size,
)

OF_PAIRS: StatisticRegistry[ComparedLayer, Found | None] = StatisticRegistry()
"""By name; None where a network would be compared with itself, or with a start that is not known."""

_ROLES: dict[Role, str] = {"start": "the start", "clean": "the clean network", "robust": "the robust network"}
_BEFORE: dict[Role, str] = {"start": "the start", "clean": "the clean network"}
_ROBUST: dict[Role, str] = {"robust": "the robust network"}


def _of_pairs(
    name: str, unit: str, role: Mapping[Role, str], **choices: Mapping[Any, str]
) -> Callable[[Callable[..., Found]], Callable[..., Found]]:
    """Register a statistic of the units beside those of a reference, for each role that it may have."""

    def decorate(compute: Callable[..., Found]) -> Callable[..., Found]:
        @OF_PAIRS.register(name, unit, role=role, **choices)
        @functools.wraps(compute)
        def of_layer(layer: ComparedLayer, role: Role, **chosen: object) -> Found | None:
            pair = layer.pairs.get(role)
            return None if pair is None else compute(pair, **chosen)

        return compute

    return decorate


@_of_pairs("cos_{role}", "cosine, -1 to 1", _ROLES)
def _cos(pair: UnitPair) -> Found:
    """Mean cosine of units with those of {role} at the same index; near 1 where they only grew."""
    return float(matching.lineage_cosines(pair.units, pair.other).mean()), 0.0


@_of_pairs("abs_cos_{role}", "|cosine|, 0 to 1", _ROLES)
def _abs_cos(pair: UnitPair) -> Found:
    """Mean |cosine| of units with those of {role} at the same index."""
    found = matching.lineage_cosines(pair.units, pair.other).abs()
    return float(found.mean()), matching.random_cosine(pair.layer.n_in)


@_of_pairs("angle_{role}", "degrees, 0 to 180", _ROLES)
def _angle(pair: UnitPair) -> Found:
    """Median angle to {role} at the same index. Purification turns units by less than 45 degrees."""
    return float(pair.angles.quantile(0.5)), 90.0


@_of_pairs("angle_mean_{role}", "degrees, 0 to 180", _ROLES)
def _angle_mean(pair: UnitPair) -> Found:
    """Mean angle to {role} at the same index."""
    return float(pair.angles.mean()), 90.0


@_of_pairs("angle_p{percent}_{role}", "degrees, 0 to 180", _ROLES, percent={10: "10 %", 90: "90 %"})
def _angle_quantile(pair: UnitPair, percent: int) -> Found:
    """The {percent} quantile of the angles to {role} at the same index."""
    null = matching.random_angle_quantile(pair.layer.n_in, percent / 100)
    return float(pair.angles.quantile(percent / 100)), null


@_of_pairs("under_{limit}_{role}", "share, 0 to 1", _ROLES, limit={15: "15", 30: "30", 45: "45"})
def _turned_less(pair: UnitPair, limit: int) -> Found:
    """Units turned by less than {limit} degrees from {role}; by less than 45, most between clean and robust."""
    null = matching.random_angles_below(pair.layer.n_in, limit)
    return float((pair.angles < limit).float().mean()), null


@_of_pairs("matched_cos_{role}", "|cosine|, 0 to 1", _ROLES)
def _matched_cos(pair: UnitPair) -> Found:
    """Mean |cosine| of units with {role} after the best one-to-one matching. Null: shuffled coordinates."""
    return float(pair.matched.mean()), float(pair.matched_null.mean())


@_of_pairs("on_diagonal_{role}", "share, 0 to 1", _ROLES)
def _on_diagonal(pair: UnitPair) -> Found:
    """Units that are nearest, in |cosine|, to the one of the same index in {role}."""
    nearest = matching.cosines(pair.units, pair.other).abs().argmax(1)
    own = torch.arange(len(nearest), device=nearest.device)
    return float((nearest == own).float().mean()), 1 / len(nearest)


@_of_pairs("change_size_{role}", "relative to the norm of the other weights, from 0", _BEFORE)
def _change_size(pair: UnitPair) -> Found:
    """Frobenius norm of the change from {role}."""
    return relative_size(pair.change, pair.other), math.nan


@_of_pairs("change_density_{role}", "share of the entries, above 0 to 1", _BEFORE)
def _change_density(pair: UnitPair) -> Found:
    """Participation ratio of the entries of the change from {role}, over their number. Gaussian entries: 1/3."""
    entries = pair.change.flatten()
    return float(participation(entries)) / len(entries), RANDOM_PARTICIPATION


@_of_pairs("change_hoyer_{role}", "Hoyer sparsity, 0 (all alike) to 1 (a single one)", _BEFORE)
def _change_hoyer(pair: UnitPair) -> Found:
    """Sparsity of the entries of the change from {role}."""
    return float(hoyer(pair.change.flatten())), math.nan


@_of_pairs("change_entries_90_{role}", "share of the entries, above 0 to 1", _BEFORE)
def _change_entries(pair: UnitPair) -> Found:
    """Smallest share of the entries of the change from {role} that has 90 % of its energy. Gaussian entries: 0.44."""
    return entries_with(pair.change), RANDOM_ENTRIES


@_of_pairs("update_{rank}_{role}", "directions, from 1", _BEFORE, rank=RANKS)
def _update_rank(pair: UnitPair, rank: str) -> Found:
    """{rank} of the change from {role}."""
    return pair.change_spectrum._asdict()[rank], math.nan


@_of_pairs("update_top1_{role}", "share, above 0 to 1", _BEFORE)
def _update_top(pair: UnitPair) -> Found:
    """Energy of the change from {role} in one direction; large where a shared part is taken out."""
    return pair.change_top.share, pair.change_top.null


@_of_pairs("update_top1_z_{role}", "standard deviations", _BEFORE)
def _update_top_z(pair: UnitPair) -> Found:
    """How far the energy of the change from {role} in one direction is above that of rows in random directions."""
    return pair.change_top.z, 0.0


@_of_pairs("mixture_ratio", "ratio, 0 to infinity", _ROBUST)
def _mixture_ratio(pair: UnitPair) -> Found:
    """Median ||v|| / ||beta r|| of units w = beta r + v, with r the robust unit of that index. Falls to 0."""
    return float(pair.split.ratio.nanmedian()), math.nan


@_of_pairs("pure_lineage", "share, 0 to 1", _ROBUST)
def _pure_lineage(pair: UnitPair) -> Found:
    """Mean energy of a unit that the robust unit of its index explains. Rises."""
    return float(pair.split.pure.mean()), 1 / pair.layer.n_in


@_of_pairs("pure_matched", "share, 0 to 1", _ROBUST)
def _pure_matched(pair: UnitPair) -> Found:
    """Mean energy of a unit that its matched robust unit explains. Rises."""
    return float(pair.matched.square().mean()), float(pair.matched_null.square().mean())


@_of_pairs("pure_dictionary", "share, 0 to 1", _ROBUST)
def _pure_dictionary(pair: UnitPair) -> Found:
    """Mean energy of a unit that the best single atom learned from robust units explains. Rises."""
    layer, atoms = pair.layer, pair.layer.references.dictionary
    shuffled = matching.shuffled(layer.units, layer.generator())
    value, null = (matching.cosines(units, atoms).square().max(1).values for units in (layer.units, shuffled))
    return float(value.mean()), float(null.mean())


@_of_pairs("dense_lineage", "share, 0 to 1", _ROBUST)
def _dense_lineage(pair: UnitPair) -> Found:
    """Weight mixture: 1 - `pure_lineage`. Falls."""
    return _rest(_pure_lineage(pair))


@_of_pairs("dense_matched", "share, 0 to 1", _ROBUST)
def _dense_matched(pair: UnitPair) -> Found:
    """Weight mixture: 1 - `pure_matched`. Falls."""
    return _rest(_pure_matched(pair))


@_of_pairs("dense_dictionary", "share, 0 to 1", _ROBUST)
def _dense_dictionary(pair: UnitPair) -> Found:
    """Weight mixture: 1 - `pure_dictionary`. Falls."""
    return _rest(_pure_dictionary(pair))


@_of_pairs("removed_top1", "share, above 0 to 1", _ROBUST)
def _removed_top(pair: UnitPair) -> Found:
    """Energy of the parts v / ||w|| of units w = beta r + v in one direction; above its null where they share it."""
    return pair.rest_top.share, pair.rest_top.null


@_of_pairs("removed_top1_z", "standard deviations", _ROBUST)
def _removed_top_z(pair: UnitPair) -> Found:
    """How far `removed_top1` is above that of parts in random directions."""
    return pair.rest_top.z, 0.0


@_of_pairs("dictionary_match", "|cosine|, 0 to 1", _ROBUST)
def _dictionary_match(pair: UnitPair) -> Found:
    """Mean between nearest atoms of dictionaries learned with three seeds; below 0.7, single atoms mean nothing."""
    return pair.layer.references.dictionary_match, math.nan


def _rest(pure: Found) -> Found:
    return 1 - pure[0], 1 - pure[1]
