"""One layer of one network beside the same layer of the networks that it is compared with.

What several statistics need is computed once, when it is first asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from analyses.mixtures.statistics import directions, matching
from analyses.mixtures.statistics.change import ReferenceSplit, split_by_reference, unit_angles
from analyses.mixtures.statistics.directions import TopShare, top_share
from analyses.mixtures.statistics.sparse import Sparsity, atom_match, learn_atoms, sparsity
from analyses.mixtures.statistics.spectrum import WeightSpectrum, deflated_spectrum, weight_spectrum
from analyses.mixtures.units.hidden_units import live_units, unit_length

Role = Literal["start", "clean", "robust"]
Atoms = Literal["units", "dictionary"]


@dataclass(frozen=True)
class LayerReferences:
    """What all networks are compared with in one layer.

    Attributes:
        weights: of the start, if it is known, and of the clean and the robust network.
        pure_units: the live robust units.
        dictionary: atoms learned from them.
        dictionary_match: how alike dictionaries from several seeds are.
        u1: the common direction of the clean units.
        u2: the common direction of the parts that the robust units lost.
        grams: of random units (`directions.random_grams`).
        seed: of all random numbers.
    """

    weights: Mapping[Role, Tensor]
    pure_units: Tensor
    dictionary: Tensor
    dictionary_match: float
    u1: Tensor
    u2: Tensor
    grams: Tensor
    seed: int

    @classmethod
    def of(
        cls, weights: Mapping[Role, Tensor], clean_fires: Tensor, robust_fires: Tensor, seed: int
    ) -> LayerReferences:
        """Work them out.

        Args:
            weights: by role, each (n_units, n_in).
            clean_fires: bool (n_units,), which units fire in the clean network.
            robust_fires: the same for the robust one.
            seed: of all random numbers.

        Returns:
            The references; at least one unit must be live in the clean network, and one in the robust one.
        """
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
            directions.removed_direction(split_by_reference(clean[both], robust[both]).rest_per_length),
            directions.random_grams(len(robust), robust.shape[1], torch.Generator().manual_seed(seed)),
            seed,
        )


@dataclass(frozen=True)
class ComparedLayer:
    """The live units of a layer of one network.

    Attributes:
        weight: (n_units, n_in), all units.
        keep: bool (n_units,), which of them count.
        own: the roles that the network itself has.
        references: what it is compared with.
    """

    weight: Tensor
    keep: Tensor
    own: frozenset[Role]
    references: LayerReferences

    @cached_property
    def units(self) -> Tensor:
        """(live, n_in)."""
        return self.weight[self.keep]

    @property
    def n_in(self) -> int:
        """Weights of a unit."""
        return self.weight.shape[1]

    @cached_property
    def grams(self) -> Tensor:
        """(draws, live, live), of random units."""
        kept = self.keep.cpu()
        return self.references.grams[:, kept][:, :, kept]

    @cached_property
    def top(self) -> TopShare:
        """How far the units share one direction."""
        return top_share(unit_length(self.units), self.grams)

    @cached_property
    def spectrum(self) -> WeightSpectrum:
        """Of the units at equal length."""
        return weight_spectrum(unit_length(self.units))

    @cached_property
    def deflated(self) -> WeightSpectrum:
        """Of the same minus their top direction."""
        return deflated_spectrum(unit_length(self.units))

    @cached_property
    def pairs(self) -> dict[Role, UnitPair]:
        """The units beside those of each reference but the network itself."""
        others = self.references.weights.items()
        return {role: UnitPair(self, other[self.keep]) for role, other in others if role not in self.own}

    @cached_property
    def codes(self) -> dict[Atoms, Sparsity]:
        """The units written in robust units, and in atoms learned from them; empty for the robust network itself."""
        if "robust" in self.own:
            return {}
        units = self.units[self.units.any(1)]  # a unit of zeros has no direction to code
        return {
            "units": sparsity(units, self.references.pure_units),
            "dictionary": sparsity(units, self.references.dictionary),
        }

    def generator(self) -> torch.Generator:
        """Random numbers from the start, so that no statistic depends on which others are computed."""
        return torch.Generator().manual_seed(self.references.seed)


@dataclass(frozen=True)
class UnitPair:
    """Units beside those of the same index in a reference network.

    Attributes:
        layer: of the network that is looked at.
        other: (live, n_in), the reference's units.
    """

    layer: ComparedLayer
    other: Tensor

    @property
    def units(self) -> Tensor:
        """(live, n_in)."""
        return self.layer.units

    @cached_property
    def angles(self) -> Tensor:
        """(live,), degrees."""
        return unit_angles(self.units, self.other)

    @cached_property
    def matched(self) -> Tensor:
        """(live,), |cosine| of each unit with its match."""
        return matching.matched_cosines(self.units, self.other)

    @cached_property
    def matched_null(self) -> Tensor:
        """(draws, live), the same with the coordinates shuffled."""
        return matching.matched_null(self.units, self.other, self.layer.generator())

    @cached_property
    def change(self) -> Tensor:
        """(live, n_in), from the reference."""
        return self.units - self.other

    @cached_property
    def change_top(self) -> TopShare:
        """How far the units' changes share one direction."""
        return top_share(self.change, self.layer.grams)

    @cached_property
    def change_spectrum(self) -> WeightSpectrum:
        """Of the change."""
        return weight_spectrum(self.change)

    @cached_property
    def split(self) -> ReferenceSplit:
        """Each unit as a multiple of the reference's and a rest, which is weight mixture if that is the robust one."""
        return split_by_reference(self.units, self.other)

    @cached_property
    def rest_top(self) -> TopShare:
        """How far the rests, per length of the unit, share one direction."""
        return top_share(self.split.rest_per_length, self.layer.grams)
