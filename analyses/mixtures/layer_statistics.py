"""The statistics of `mixture_table` that need no other network unit by unit: one function each, or one for a family.

Each gives the value and its null: what unrelated, random weights have, nan where that is not known. "Units" are the
rows of a layer. Where a text says that a statistic rises or falls, that is what the theory or a small pilot of ours
leads one to expect from a clean to a robust network; for any deep network it is a conjecture, which may be refuted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from analyses.core.statistic_registry import StatisticRegistry
from analyses.mixtures.layer import Atoms, ComparedLayer
from analyses.mixtures.statistics import directions, matching
from analyses.mixtures.statistics.sparse import Sparsity

Found = tuple[float, float]
"""Value and null."""

OF_LAYERS: StatisticRegistry[ComparedLayer, Found | None] = StatisticRegistry()
"""By name; None where a network would be compared with itself."""

RANKS = {
    "stable_rank": "Stable rank",
    "effective_rank": "Exponential of the entropy of the spectrum",
    "participation": "Participation ratio of the spectrum",
}
"""Numbers of a `WeightSpectrum`, and how texts call them."""

_ATOMS: dict[Atoms, str] = {"units": "robust units as atoms", "dictionary": "atoms learned from robust units"}


@OF_LAYERS.register("energy_own_u1", "share, above 0 to 1")
def _energy_own_u1(layer: ComparedLayer) -> Found:
    """Mean energy of units along their own common direction, the top singular one. Falls."""
    return layer.top.share, layer.top.null


@OF_LAYERS.register("own_u1_z", "standard deviations")
def _own_u1_z(layer: ComparedLayer) -> Found:
    """How far `energy_own_u1` is above that of units in random directions. Falls."""
    return layer.top.z, 0.0


@OF_LAYERS.register("energy_clean_u1", "share, 0 to 1")
def _energy_clean_u1(layer: ComparedLayer) -> Found:
    """Mean energy of units along the common direction u1 of the clean ones. Falls."""
    # the clean units' own direction is their best one, which 1 / n_in does not allow for
    null = layer.top.null if "clean" in layer.own else 1 / layer.n_in
    return directions.energy_share(layer.units, layer.references.u1), null


@OF_LAYERS.register("energy_removed_u2", "share, 0 to 1")
def _energy_removed_u2(layer: ComparedLayer) -> Found:
    """Mean energy of units along u2, the top direction of the parts that the robust units lost. Falls."""
    # u2 is fitted to what the clean units lost, so that their own share of it has no simple null
    null = math.nan if "clean" in layer.own else 1 / layer.n_in
    return directions.energy_share(layer.units, layer.references.u2), null


@OF_LAYERS.register("u1_cos_clean", "|cosine|, 0 to 1")
def _u1_cos_clean(layer: ComparedLayer) -> Found | None:
    """Of the network's own common direction with that of the clean network. Low where the units share another one."""
    if "clean" in layer.own:
        return None
    own = directions.common_direction(layer.units)
    return abs(float(own @ layer.references.u1)), matching.random_cosine(layer.n_in)


@OF_LAYERS.register("same_sign_clean_u1", "share, 0.5 to 1")
def _same_sign_clean_u1(layer: ComparedLayer) -> Found:
    """Units on the larger side of the clean u1; 1 where all add the same mixture."""
    null = directions.random_same_sign(len(layer.units))
    return directions.same_sign(layer.units, layer.references.u1), null


@OF_LAYERS.register("off_diagonal", "|cosine|, 0 to 1")
def _off_diagonal(layer: ComparedLayer) -> Found:
    """Mean between different units of the network. Falls."""
    return matching.off_diagonal(layer.units), matching.random_cosine(layer.n_in)


@OF_LAYERS.register("w_{rank}", "directions, from 1", rank=RANKS)
def _rank(layer: ComparedLayer, rank: str) -> Found:
    """{rank} of units at equal length. Rises, as one direction that they share goes."""
    return layer.spectrum._asdict()[rank], math.nan


@OF_LAYERS.register("deflated_{rank}", "directions, from 1", rank=RANKS)
def _deflated_rank(layer: ComparedLayer, rank: str) -> Found:
    """{rank} of units at equal length minus their top direction."""
    return layer.deflated._asdict()[rank], math.nan


@OF_LAYERS.register("deflated_top1", "share, above 0 to 1")
def _deflated_top(layer: ComparedLayer) -> Found:
    """Energy in the top direction of units at equal length minus their top direction."""
    return layer.deflated.top1, math.nan


def _of_codes(name: str, unit: str) -> Callable[[Callable[[Sparsity], float]], Callable[[Sparsity], float]]:
    """Register a statistic, without a null, of the units written in atoms, for both kinds of atoms."""

    def decorate(compute: Callable[[Sparsity], float]) -> Callable[[Sparsity], float]:
        @OF_LAYERS.register(name, unit, atoms=_ATOMS)
        @functools.wraps(compute)
        def of_layer(layer: ComparedLayer, atoms: Atoms) -> Found | None:
            return (compute(layer.codes[atoms]), math.nan) if layer.codes else None

        return compute

    return decorate


@_of_codes("l0_{atoms}", "atoms, from 1")
def _l0(code: Sparsity) -> float:
    """Mean number of {atoms}, chosen greedily, for 90 % of a unit's energy; all where they miss it. Falls."""
    return float(code.l0.mean())


@_of_codes("reached_{atoms}", "share, 0 to 1")
def _reached(code: Sparsity) -> float:
    """Units of whose energy 90 % can be reached in {atoms}. Rises."""
    return float(code.reached.float().mean())


@_of_codes("r2_{atoms}", "share, at most 1")
def _r2(code: Sparsity) -> float:
    """Energy that the code with an L1 penalty explains, in {atoms}. Rises."""
    return float(code.r2.mean())


@_of_codes("code_participation_{atoms}", "atoms, from 1")
def _code_participation(code: Sparsity) -> float:
    """Mean participation ratio of the codes in {atoms}. Falls."""
    return float(code.participation.nanmean())


@_of_codes("code_top1_{atoms}", "share, above 0 to 1")
def _code_top(code: Sparsity) -> float:
    """Mean energy of a code in its largest coefficient, in {atoms}. Rises."""
    return float(code.top1.nanmean())


@_of_codes("code_hoyer_{atoms}", "Hoyer sparsity, 0 (all alike) to 1 (a single one)")
def _code_hoyer(code: Sparsity) -> float:
    """Mean sparsity of the codes in {atoms}. Rises."""
    return float(code.hoyer.nanmean())


@_of_codes("universal_{atoms}", "atoms, from 0")
def _universal(code: Sparsity) -> float:
    """Atoms that more than half of the units use, in {atoms}. Falls."""
    return float(code.universal)


@_of_codes("universal_energy_{atoms}", "share, 0 to 1")
def _universal_energy(code: Sparsity) -> float:
    """Energy of the codes in atoms that more than half of the units use, in {atoms}. Falls."""
    return code.universal_energy
