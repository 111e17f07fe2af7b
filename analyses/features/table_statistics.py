"""The statistics of `feature_table`: one function each, or one for a family of them.

Texts say which way a statistic is expected to go from a clean to a robust network. Expectations are ours, not results,
where no source is given; those after the feature purification paper (arXiv 2005.10190) are from memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from analyses.core.statistic_registry import StatisticRegistry, TableStatistic
from analyses.features.attributions.agreement import map_cosine, map_rank_correlation, top_overlap
from analyses.features.attributions.attribution import Method
from analyses.features.attributions.faithfulness import randomised_correlation
from analyses.features.attributions.integrated_gradients import completeness_gap
from analyses.features.filters import lineage_cosine
from analyses.features.gradients import direction_share
from analyses.features.maximisation import stability, total_variation
from analyses.features.observed import METHODS, ComparedNetwork, MaximisedUnits
from analyses.features.spectra import (
    band_shares,
    energy_entropy,
    energy_participation_ratio,
    gini,
    high_frequency_share,
)

OF_IMAGES: StatisticRegistry[ComparedNetwork, Tensor | None] = StatisticRegistry()
"""Statistics with a value per image; None where what they need was not given."""

OF_FILTERS: StatisticRegistry[ComparedNetwork, Tensor] = StatisticRegistry()
"""Statistics with a value per unit of the first layer."""

OF_UNITS: StatisticRegistry[MaximisedUnits, Tensor] = StatisticRegistry()
"""Statistics with a value per unit chosen for activation maximisation."""

COMPUTED = ("direction_share_null",)
"""Statistics that are computed, not measured: they have no interval, and n = 0."""

_BANDS = {"low": "[0, 1/3)", "mid": "[1/3, 2/3)", "high": "[2/3, 1)"}
_VECTORS = {"input_gradient": "loss gradient", "fgsm": "FGSM perturbation"}
_REFERENCES = {"clean": "clean", "robust": "robust"}


@OF_IMAGES.register("input_gradient_{band}_share", "share, 0 to 1", band=_BANDS)
def _gradient_band(network: ComparedNetwork, band: str) -> Tensor:
    """Energy of the loss gradient at DCT frequencies in {band} of the Nyquist frequency.

    Expected to rise at low and to fall at high frequencies.
    """
    share: Tensor = band_shares(network.own.gradients)._asdict()[band]
    return share


@OF_IMAGES.register("fgsm_{band}_share", "share, 0 to 1", band=_BANDS)
def _perturbation_band(network: ComparedNetwork, band: str) -> Tensor:
    """Energy of the FGSM perturbation at DCT frequencies in {band} of the Nyquist frequency.

    Expected to rise at low and to fall at high frequencies: after the paper, perturbations are like noise for clean
    networks and like features for robust ones.
    """
    share: Tensor = band_shares(network.own.perturbations)._asdict()[band]
    return share


@OF_IMAGES.register("{vectors}_direction_share", "share, 0 to 1", vectors=_VECTORS)
def _direction_share(network: ComparedNetwork, vectors: str) -> Tensor | None:
    """Energy of the {vectors} in the span of the given directions; compare `direction_share_null`."""
    directions = network.own.setting.directions
    return None if directions is None else direction_share(network.own.vectors(vectors), directions).share


@OF_IMAGES.register("direction_share_null", "share, 0 to 1")
def _direction_share_null(network: ComparedNetwork) -> Tensor | None:
    """What a random vector has in the span of the given directions: their rank over the number of entries."""
    directions = network.own.setting.directions
    return None if directions is None else torch.tensor([direction_share(network.own.gradients, directions).null])


@OF_IMAGES.register("input_gradient_participation_ratio", "entries, from 1 to their number")
def _gradient_participation(network: ComparedNetwork) -> Tensor:
    """(sum g^2)^2 / sum g^4 of the loss gradient g.

    Low values have been linked to catastrophic overfitting (arXiv 2505.02360).
    """
    return energy_participation_ratio(network.own.gradients)


@OF_IMAGES.register("input_gradient_entropy", "nats, from 0 to log(entries)")
def _gradient_entropy(network: ComparedNetwork) -> Tensor:
    """Entropy of the shares g^2 / sum g^2 of the loss gradient g; goes with the participation ratio."""
    return energy_entropy(network.own.gradients)


@OF_IMAGES.register("input_gradient_cosine_with_{other}", "cosine, -1 to 1", other=_REFERENCES)
def _gradient_cosine(network: ComparedNetwork, other: str) -> Tensor:
    """Cosine of the loss gradient with that of the {other} network at the same image.

    Expected to fall with the clean and to rise with the robust network.
    """
    return map_cosine(network.own.gradients, network.references[other].gradients)


@OF_IMAGES.register("{method}_fgsm_cosine", "|cosine|, 0 to 1", method=METHODS)
def _perturbation_cosine(network: ComparedNetwork, method: Method) -> Tensor:
    """|Cosine| of the {method} map with the FGSM perturbation of the same image."""
    return map_cosine(network.own.attributions[method], network.own.perturbations).abs()


@OF_IMAGES.register("{method}_cosine_with_{other}", "cosine, -1 to 1", method=METHODS, other=_REFERENCES)
def _attribution_cosine(network: ComparedNetwork, method: Method, other: str) -> Tensor:
    """Cosine of the {method} map with that of the {other} network.

    Expected to fall with the clean and to rise with the robust network.
    """
    return map_cosine(network.own.attributions[method], network.references[other].attributions[method])


@OF_IMAGES.register("{method}_rank_correlation_with_{other}", "correlation, -1 to 1", method=METHODS, other=_REFERENCES)
def _attribution_rank_correlation(network: ComparedNetwork, method: Method, other: str) -> Tensor:
    """Spearman's rank correlation of the {method} map with that of the {other} network.

    Expected to fall with the clean and to rise with the robust network.
    """
    return map_rank_correlation(network.own.attributions[method], network.references[other].attributions[method])


@OF_IMAGES.register("{method}_top_overlap_with_{other}", "share, 0 to 1", method=METHODS, other=_REFERENCES)
def _attribution_top_overlap(network: ComparedNetwork, method: Method, other: str) -> Tensor:
    """Overlap of the tenth of the entries of largest magnitude in the {method} maps of this and of the {other} network.

    0.1 for independent maps without common zeros. Expected to fall with the clean and to rise with the robust network.
    """
    return top_overlap(network.own.attributions[method], network.references[other].attributions[method])


@OF_IMAGES.register("{method}_gini", "Gini coefficient, 0 (even) to 1 (one entry)", method=METHODS)
def _attribution_gini(network: ComparedNetwork, method: Method) -> Tensor:
    """Gini coefficient of the magnitudes of the {method} map. Expected to rise, as maps become sparser."""
    return gini(network.own.attributions[method])


@OF_IMAGES.register("{method}_participation_ratio", "entries, from 1 to their number", method=METHODS)
def _attribution_participation(network: ComparedNetwork, method: Method) -> Tensor:
    """(sum a^2)^2 / sum a^4 of the {method} map a. Expected to fall, as maps become sparser."""
    return energy_participation_ratio(network.own.attributions[method])


@OF_IMAGES.register("{method}_high_frequency_share", "share, 0 to 1", method=METHODS)
def _attribution_high_frequencies(network: ComparedNetwork, method: Method) -> Tensor:
    """Energy of the {method} map above half the Nyquist frequency. Expected to fall."""
    return high_frequency_share(network.own.attributions[method])


@OF_IMAGES.register("integrated_gradients_completeness_gap", "share of the mean |f(x) - f(black)|, from 0")
def _completeness_gap(network: ComparedNetwork) -> Tensor:
    """|sum of the map - (f(x) - f(black))|, f the logit. A check of the quadrature: below 0.05 in every network.

    Paths get twice as many points until it is at most 0.005, four times at most.
    """
    setting, path = network.own.setting, network.own.attributions["integrated_gradients"]
    return completeness_gap(network.own.model, setting.images, setting.labels, path)


@OF_IMAGES.register("integrated_gradients_deletion_auc", "area, 0 to 1")
def _deletion(network: ComparedNetwork) -> Tensor:
    """Area under the curve of the target's probability while the most credited pixels turn black first.

    Low for a faithful map.
    """
    return network.own.curves.deletion


@OF_IMAGES.register("integrated_gradients_insertion_auc", "area, 0 to 1")
def _insertion(network: ComparedNetwork) -> Tensor:
    """Area under the curve of the target's probability while the most credited pixels appear on black first.

    High for a faithful map.
    """
    return network.own.curves.insertion


@OF_IMAGES.register("saliency_randomised_correlation", "correlation, -1 to 1")
def _randomised_correlation(network: ComparedNetwork) -> Tensor:
    """Spearman's rank correlation of the saliency map with that of a copy whose last layer is random.

    A check of the method: well below 1 in every network.
    """
    setting = network.own.setting
    return randomised_correlation(network.own.model, setting.images, setting.labels, seed=setting.seed)


@OF_FILTERS.register("filter_high_frequency_share", "share, 0 to 1")
def _filter_high_frequencies(network: ComparedNetwork) -> Tensor:
    """Energy of a first-layer filter above half its Nyquist frequency.

    Expected to fall: after the paper, robust filters look like clean ones without their noise.
    """
    return high_frequency_share(network.own.filters)


@OF_FILTERS.register("filter_lineage_cosine_with_{other}", "|cosine|, 0 to 1", other=_REFERENCES)
def _filter_lineage_cosine(network: ComparedNetwork, other: str) -> Tensor:
    """|Cosine| of a first-layer filter with that of the same index in the {other} network.

    Only for networks from the same initial weights.
    Expected to fall with the clean and to rise with the robust network.
    """
    return lineage_cosine(network.own.filters, network.references[other].filters)


@OF_UNITS.register("maximised_total_variation", "total variation, from 0")
def _maximised_total_variation(units: MaximisedUnits) -> Tensor:
    """Total variation of what activation maximisation changes in an image, mean over the starts. Expected to fall."""
    return total_variation(units.found.changes).mean(1)


@OF_UNITS.register("maximised_high_frequency_share", "share, 0 to 1")
def _maximised_high_frequencies(units: MaximisedUnits) -> Tensor:
    """Energy of what maximisation changes above half the Nyquist frequency, mean over the starts. Expected to fall."""
    changes = units.found.changes
    return high_frequency_share(changes.flatten(0, 1)).reshape(changes.shape[:2]).nanmean(1)


@OF_UNITS.register("maximised_stability", "|cosine|, 0 to 1")
def _maximised_stability(units: MaximisedUnits) -> Tensor:
    """Mean |cosine| between what maximisation changes from different starts. Expected to rise."""
    return stability(units.found.changes)


@OF_UNITS.register("maximised_gain", "standard deviations of the unit's activation over the images, from 0")
def _maximised_gain(units: MaximisedUnits) -> Tensor:
    """Activation gained in the l2 ball, mean over the starts. Expected to fall: a robust unit moves less."""
    return units.found.gain.mean(1) / units.spread


STATISTICS: dict[str, TableStatistic[Any, Any]] = {**OF_IMAGES, **OF_FILTERS, **OF_UNITS}
"""All of them by name."""
