"""The report of a comparison of features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
from torch import Tensor, nn

from analyses.core.networks import Compared, by_model, facts
from analyses.core.statistic_registry import explained
from analyses.features import plots
from analyses.features.attributions.attribution import attribute
from analyses.features.attributions.integrated_gradients import integrated_gradients
from analyses.features.filters import first_filters
from analyses.features.layers import hidden_layers
from analyses.features.maximisation import choose_units, default_radius, maximise
from analyses.features.observed import METHODS, ImageSetting
from analyses.features.table import all_correct, compare_features
from analyses.features.table_statistics import STATISTICS
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.pages import Report, Section
from cotoolkit.runs.checkpoints import evaluation_points

MAIN = (
    "input_gradient_low_share",
    "input_gradient_high_share",
    "input_gradient_participation_ratio",
    "fgsm_high_share",
    "filter_high_frequency_share",
    "integrated_gradients_rank_correlation_with_clean",
    "integrated_gradients_rank_correlation_with_robust",
    "saliency_rank_correlation_with_robust",
    "gradient_shap_rank_correlation_with_robust",
    "integrated_gradients_completeness_gap",
    "maximised_high_frequency_share",
    "maximised_stability",
)
"""Statistics in the table on the page; its files have all of `STATISTICS`."""


def features_report(compared: Compared, points: int = 100, seed: int = 0) -> Report:
    """Filters, maximising images, attributions and input gradients.

    Args:
        compared: the networks.
        points: test images; those that all trained networks classify correctly count, if there are ten.
        seed: of random numbers and the bootstrap.

    Returns:
        The report, with the whole table and the meaning of all statistics as its data.
    """
    data = evaluation_points(compared.config, compared.device).first(points)
    trained = {name: model for name, model in compared.models.items() if name != compared.start}
    right = all_correct(trained, data.images, data.labels)
    images, labels = (data.images[right], data.labels[right]) if right.sum() >= 10 else (data.images, data.labels)
    setting = ImageSetting(images, labels, ThreatModel(compared.config.epsilon, "linf", compared.config.box), seed=seed)
    table = compare_features(compared.models, setting, clean=compared.clean, robust=compared.robust)
    pair = {"clean": compared.models[compared.clean], "robust": compared.models[compared.robust]}
    box = compared.config.box != "none"
    sections = [
        *_numbers(table),
        Section(
            "filters",
            "First-layer filters",
            "The same units in every network. Spectra are means over units.",
            plots.filter_figure({name: first_filters(model, images[0]) for name, model in pair.items()})[0],
            "Filters of the first layer and their spectra, clean and robust",
        ),
        *(_maximisation(pair, layer, images, box) for layer in hidden_layers(pair["clean"], images[0])),
        _attributions(pair, images, labels, seed),
        Section(
            "frequencies",
            "Spatial frequencies of the input gradient",
            "Shares of energy by thirds of the frequency axis (DCT); bands: 95 % intervals over images.",
            plots.frequency_figure(table)[0],
            "Frequency shares of the input gradient by network",
        ),
    ]
    lead = (
        f"{len(compared.models)} networks on {len(images)} test images"
        f"{', all of which the trained ones classify correctly' if right.sum() >= 10 else ''}; "
        f"clean reference: {compared.clean}; robust reference: {compared.robust}."
    )
    tables = {"feature_table": table, "statistics": explained(STATISTICS, STATISTICS)}
    return Report("Features", lead, sections, facts(compared, seed), tables)


def _numbers(table: pd.DataFrame) -> list[Section]:
    return [
        Section(
            "features",
            "What the networks look for, in numbers",
            "Means over images, units and layers.",
            table=by_model(table, MAIN),
        ),
        Section(
            "meanings",
            "What these statistics are",
            "Expectations are for a step from a clean to a robust network. They are ours, or, where a text names the "
            "paper, recalled from Allen-Zhu and Li (arXiv 2005.10190).",
            table=explained(STATISTICS, MAIN),
        ),
    ]


def _maximisation(pair: Mapping[str, nn.Module], layer: str, images: Tensor, box: bool) -> Section:
    units = choose_units(pair["clean"], layer, images)
    ascend = partial(maximise, layer=layer, units=units, starts=images[:2], radius=default_radius(images[0]), box=box)
    found = {name: ascend(model) for name, model in pair.items()}
    return Section(
        f"maximised-{layer}",
        f"Activation maximisation: layer {layer}",
        "The same units and the same start. Units are chosen by a fixed rule: half of those whose activation varies "
        "most over the images, half in the middle of that order.",
        plots.maximisation_figure(found, units)[0],
        f"Images that maximise units of layer {layer}, clean and robust",
    )


def _attributions(pair: Mapping[str, nn.Module], images: Tensor, labels: Tensor, seed: int) -> Section:
    firsts = [int((labels == label).nonzero()[0]) for label in labels.unique()][:6]
    images, labels = images[firsts], labels[firsts]
    paths = {name: integrated_gradients(model, images, labels) for name, model in pair.items()}
    maps: dict[tuple[str, str], Tensor] = {
        (method, name): paths[name].maps
        if method == "integrated_gradients"
        else attribute(model, images, labels, method, seed=seed)
        for method in METHODS
        for name, model in pair.items()
    }
    gaps = ", ".join(f"{name} {float(path.gap.max()):.2%}" for name, path in paths.items())
    return Section(
        "attributions",
        "Attributions",
        "Of the logit of the true class; one image per class. Largest completeness gap of integrated gradients (the "
        f"part of the logit's change that a map misses): {gaps}.",
        plots.attribution_figure(images, maps)[0],
        "Attribution maps by method, clean and robust",
    )
