"""The report of a comparison of weight mixtures."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from analyses.core.networks import Compared, by_model, facts
from analyses.core.statistic_registry import explained
from analyses.mixtures import plots
from analyses.mixtures.table import STATISTICS, mixture_table
from analyses.mixtures.units.hidden_units import unit_length, units_of
from cotoolkit.pages import Report, Section
from cotoolkit.runs.checkpoints import evaluation_points

SHOWN_LAYERS = 4
"""Layers in the pictures of a deep network, evenly spaced from the first to the last; the tables have all."""

MAIN = (
    "dense_lineage",
    "dense_matched",
    "dense_dictionary",
    "energy_clean_u1",
    "energy_own_u1",
    "off_diagonal",
    "w_stable_rank",
    "w_effective_rank",
    "matched_cos_robust",
    "change_size_start",
)
"""Statistics in the table on the page; its files have all of `STATISTICS`."""


def mixtures_report(compared: Compared, seed: int = 0) -> Report:
    """Weight mixtures, layer by layer.

    Args:
        compared: the networks.
        seed: of the nulls and the dictionaries.

    Returns:
        The report, with the whole table and the meaning of all statistics as its data.
    """
    table = mixture_table(
        compared.models,
        start=compared.start,
        clean=compared.clean,
        robust=compared.robust,
        seed=seed,
        images=evaluation_points(compared.config, compared.device).images,
    )
    units = {name: _weights(model) for name, model in compared.models.items()}
    layers = _shown(list(units[compared.robust]))
    clean, robust = units[compared.clean], units[compared.robust]
    both = {layer: (clean[layer], robust[layer]) for layer in layers}
    sections = [
        Section("mixtures", "Mixtures by network", "Means over layers.", table=by_model(table, MAIN)),
        Section(
            "meanings",
            "What these statistics are",
            "Expectations are for purification, from a clean to a robust network.",
            table=explained(STATISTICS, MAIN),
        ),
        Section(
            "layers",
            "Layer by layer",
            "One point per network, in the order given; dotted: what unrelated, random weights give.",
            _by_network(table, list(compared.models)),
            "Six statistics of mixture by network and layer",
        ),
        *(_cosines(compared, units, layer) for layer in layers),
        Section(
            "histograms",
            "Clean and robust units: how alike",
            "",
            plots.cosine_histograms(both)[0],
            "Histograms of cosines between clean and robust units by layer",
        ),
        Section(
            "coefficients",
            "The common direction of the clean units",
            "",
            plots.mixture_histograms(both)[0],
            "Histograms of the coefficient along the clean units' common direction",
        ),
        *(_spectrum(layer, *pair) for layer, pair in both.items()),
    ]
    lead = f"{len(compared.models)} networks; clean reference: {compared.clean}; robust reference: {compared.robust}."
    data = {"mixture_table": table, "statistics": explained(STATISTICS, STATISTICS)}
    return Report("Weight mixtures", lead, sections, facts(compared, seed), data)


def _cosines(compared: Compared, units: Mapping[str, Mapping[str, Tensor]], layer: str) -> Section:
    roles = {"clean": compared.clean, "robust": compared.robust}
    if compared.start is not None:
        roles["start"] = compared.start
    pairs = [("clean", "robust"), ("start", "clean"), ("start", "robust"), ("clean", "clean")]
    weights = {role: units[name][layer] for role, name in roles.items()}
    between = {f"{a} and {b}": (weights[a], weights[b]) for a, b in pairs if {a, b} <= set(roles)}
    return Section(
        f"cosines-{layer}",
        f"Cosines between units: layer {layer}",
        "Above, units are paired by index, which means kinship for networks from the same start; below, by the best "
        "one-to-one match.",
        plots.cosine_maps(between)[0],
        f"Heat maps of cosines between units of layer {layer}",
    )


def _spectrum(layer: str, clean: Tensor, robust: Tensor) -> Section:
    matrices = {"clean": unit_length(clean), "robust": unit_length(robust), "robust minus clean": robust - clean}
    return Section(
        f"spectrum-{layer}",
        f"Spectrum: layer {layer}",
        "Of unit-normalised weights, and of the change from the clean to the robust network.",
        plots.weight_spectra(matrices)[0],
        f"Share of energy by singular direction of layer {layer}",
    )


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: units.weight.cpu() for name, units in units_of(model).items()}


def _shown(layers: list[str]) -> list[str]:
    if len(layers) <= SHOWN_LAYERS:
        return layers
    return [layers[round(place)] for place in torch.linspace(0, len(layers) - 1, SHOWN_LAYERS).tolist()]


def _by_network(table: pd.DataFrame, names: list[str]) -> Figure:
    """A point per network, in their order, with their names."""
    figure, axes = plots.checkpoint_series(
        table, {name: float(place) for place, name in enumerate(names)}, _measured(table, MAIN[:6])
    )
    for axis in axes:
        axis.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    figure.supxlabel("")
    return figure


def _measured(table: pd.DataFrame, statistics: tuple[str, ...]) -> list[str]:
    known = set(table["statistic"])
    return [name for name in statistics if name in known]
