"""All feature statistics of one model, one value per image or per unit; `compare` makes the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analyses.features.attributions.agreement import cosine, rank_correlation, top_overlap
from analyses.features.attributions.attribution import Method, attribute
from analyses.features.attributions.faithfulness import deletion_insertion, randomised_correlation
from analyses.features.attributions.path import completeness_gap
from analyses.features.filters import first_filters, lineage_cosine
from analyses.features.glossary import METHODS
from analyses.features.gradients import direction_share, fgsm_perturbations, input_gradients
from analyses.features.layers import hidden_layers, weight_layers
from analyses.features.maximisation import activations, choose_units, maximise, stability, total_variation
from analyses.features.spectra import (
    band_shares,
    energy_entropy,
    energy_participation_ratio,
    gini,
    high_frequency_share,
)
from cotoolkit.attacks.threat_model import ThreatModel

Values = dict[tuple[str, str], Tensor]
"""(layer, statistic) -> one value per image or unit. The layer of a statistic of the whole network is ""."""


@dataclass(frozen=True)
class Effort:
    """How much is computed; what the defaults of `feature_table` mean.

    Attributes:
        path_steps: points on each path of integrated gradients, at first.
        shap_samples: random points per image of gradient SHAP.
        units: per layer, for activation maximisation.
        starts: images that maximisation starts from.
        ascent_steps: of maximisation.
    """

    path_steps: int
    shap_samples: int
    units: int
    starts: int
    ascent_steps: int


@dataclass(frozen=True)
class Maps:
    """What a model makes of the images; kept of the two reference models to compare with.

    Attributes:
        gradients: (B, C, H, W), of the loss.
        attributions: a batch of maps per method.
        filters: of the first layer, (units, C, h, w).
    """

    gradients: Tensor
    attributions: Mapping[Method, Tensor]
    filters: Tensor


def make_maps(model: nn.Module, images: Tensor, labels: Tensor, effort: Effort, seed: int) -> Maps:
    """The maps of one model, on the CPU; the attributions are those of the labels' logits."""
    steps = {"gradient_shap": effort.shap_samples}
    attributions = {
        method: attribute(model, images, labels, method, steps=steps.get(method, effort.path_steps), seed=seed).cpu()
        for method in METHODS
    }
    return Maps(input_gradients(model, images, labels).cpu(), attributions, first_filters(model, images[0]).cpu())


def gradient_values(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    maps: Maps,
    references: Mapping[str, Maps],
    directions: Tensor | None,
) -> Values:
    """Statistics of the input gradient and of the FGSM perturbation, and the attributions' cosines with the latter."""
    delta = fgsm_perturbations(model, images, labels, threat).cpu()
    found: dict[str, Tensor] = {}
    for name, vectors in (("input_gradient", maps.gradients), ("fgsm", delta)):
        found |= {f"{name}_{band}_share": share for band, share in band_shares(vectors)._asdict().items()}
        if directions is not None:
            inside = direction_share(vectors, directions)
            found[f"{name}_direction_share"] = inside.share
            found["direction_share_null"] = torch.tensor([inside.null])
    found["input_gradient_participation_ratio"] = energy_participation_ratio(maps.gradients)
    found["input_gradient_entropy"] = energy_entropy(maps.gradients)
    for other, theirs in references.items():
        found[f"input_gradient_cosine_with_{other}"] = cosine(maps.gradients, theirs.gradients)
    for method, attribution in maps.attributions.items():
        found[f"{method}_fgsm_cosine"] = cosine(attribution, delta).abs()
    return _of_network(found)


def attribution_values(
    model: nn.Module, images: Tensor, labels: Tensor, maps: Maps, references: Mapping[str, Maps], seed: int
) -> Values:
    """Agreement of the attribution maps with those of the references, their concentration, and checks of them."""
    found: dict[str, Tensor] = {}
    for method, mine in maps.attributions.items():
        for other, theirs in references.items():
            their_map = theirs.attributions[method]
            found[f"{method}_cosine_with_{other}"] = cosine(mine, their_map)
            found[f"{method}_rank_correlation_with_{other}"] = rank_correlation(mine, their_map)
            found[f"{method}_top_overlap_with_{other}"] = top_overlap(mine, their_map)
        found[f"{method}_gini"] = gini(mine)
        found[f"{method}_participation_ratio"] = energy_participation_ratio(mine)
        found[f"{method}_high_frequency_share"] = high_frequency_share(mine)
    path = maps.attributions["integrated_gradients"]
    found["integrated_gradients_completeness_gap"] = completeness_gap(model, images, labels, path)
    curves = deletion_insertion(model, images, labels, path)
    found["integrated_gradients_deletion_auc"] = curves.deletion
    found["integrated_gradients_insertion_auc"] = curves.insertion
    found["saliency_randomised_correlation"] = randomised_correlation(model, images, labels, seed=seed)
    return _of_network(found)


def filter_values(model: nn.Module, image: Tensor, maps: Maps, references: Mapping[str, Maps]) -> Values:
    """Statistics of the first layer's filters, per unit."""
    first = weight_layers(model, image)[0]
    found = {(first, "filter_high_frequency_share"): high_frequency_share(maps.filters)}
    for other, theirs in references.items():
        found[first, f"filter_lineage_cosine_with_{other}"] = lineage_cosine(maps.filters, theirs.filters)
    return found


def chosen_units(model: nn.Module, images: Tensor, effort: Effort) -> dict[str, list[int]]:
    """Units of the first, middle and last hidden layer, by the fixed rule of `choose_units`."""
    return {layer: choose_units(model, layer, images, effort.units) for layer in hidden_layers(model, images[0])}


def maximisation_values(
    model: nn.Module, images: Tensor, units: Mapping[str, Sequence[int]], radius: float, effort: Effort, *, box: bool
) -> Values:
    """Statistics of activation maximisation from the first images, per unit."""
    found: Values = {}
    for layer, chosen in units.items():
        result = maximise(model, layer, chosen, images[: effort.starts], radius, effort.ascent_steps, box=box)
        spread = activations(model, layer, images)[:, chosen].std(dim=0)
        changes = result.changes
        shares = high_frequency_share(changes.flatten(0, 1)).reshape(changes.shape[:2])
        found[layer, "maximised_total_variation"] = total_variation(changes).mean(1)
        found[layer, "maximised_high_frequency_share"] = shares.nanmean(1)
        found[layer, "maximised_stability"] = stability(changes)
        found[layer, "maximised_gain"] = result.gain.mean(1) / spread
    return found


def _of_network(found: Mapping[str, Tensor]) -> Values:
    return {("", statistic): values for statistic, values in found.items()}
