"""Everything that is measured of the deep networks of a seed, as rows of one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.features.attributions.agreement import map_cosine
from analyses.features.filters import first_filters, lineage_cosine
from analyses.features.layers import hidden_layers
from analyses.features.maximisation import choose_units, maximise, stability, total_variation
from analyses.features.spectra import high_frequency_share
from analyses.mixtures.edits import graft, random_control, unedited
from analyses.mixtures.statistics.change import unit_angles
from analyses.mixtures.units.hidden_units import live_units, units_of, with_units
from cotoolkit.attacks.gradient import pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from figures.feature_purification.experiments.patches import explained_energy, patches_of

RANKS = (1, 2, 4, 8)
"""Of the update of each layer that is kept."""

ATOMS = (1, 2, 3, 4)
"""Filters that a patch may be written with."""

POINTS, SHOWN, UNITS, STEPS = 200, 4, 6, 50
"""Test images, images and units that are shown, and steps of activation maximisation."""

PIXEL_CHANGE = 0.5
"""Root mean square change of a pixel that maximising images and l2 perturbations may have, in units of epsilon (ours):
an l2 radius of 1 on 8 x 8 grey images at ε 0.25, of 0.87 on 32 x 32 coloured ones at 8/255."""

COLOURS = ("red", "green", "blue")
"""Columns that coloured pictures have instead of a value."""

Rows = Iterator[dict[str, Any]]


def measured(networks: Mapping[str, nn.Module], points: Points, config: RunConfig, train: Tensor) -> pd.DataFrame:
    """Everything that is measured, told apart by the column `part`.

    Args:
        networks: start, clean, robust, fgsm, longer, scratch; in evaluation mode.
        points: test images.
        config: of the robust run, for its radius.
        train: training images, to estimate batch norm on after edits.

    Returns:
        The union of the columns of the parts: accuracies, angles, filters, filter_statistics, maximising,
        maximising_statistics, perturbations, perturbation_statistics, patches, ranks.
    """
    radius = PIXEL_CHANGE * config.epsilon * points.images[0].numel() ** 0.5
    parts: dict[str, Callable[[], Rows]] = {
        "accuracies": lambda: _accuracies(networks, points, config.threat),
        "angles": lambda: _angles(networks),
        "filters": lambda: _filters(networks, points),
        "filter_statistics": lambda: _filter_statistics(networks, points),
        "maximising": lambda: _maximising(networks, points, radius),
        "perturbations": lambda: _perturbations(networks, points, radius),
        "patches": lambda: _patches(networks, points),
        "ranks": lambda: _ranks(networks, points, config, train),
    }
    return pd.concat([pd.DataFrame(rows()).assign(part=name) for name, rows in parts.items()], ignore_index=True)


def _accuracies(networks: Mapping[str, nn.Module], points: Points, threat: ThreatModel) -> Rows:
    for name, model in networks.items():
        for protocol in ("clean", "pgd-10"):
            found = run_protocol(model, points.images, points.labels, threat, protocol)
            yield {"network": name, "statistic": protocol, "value": found.accuracy.value}


def _angles(networks: Mapping[str, nn.Module]) -> Rows:
    """Angles between units of the same index: a row per layer, pair and statistic; `entries` of a unit."""
    units = {name: units_of(model) for name, model in networks.items()}
    pairs = [("start", "clean"), ("start", "robust"), ("clean", "robust"), ("clean", "longer"), ("start", "scratch")]
    for layer in units["start"]:
        for first, second in pairs:
            a, b = units[first][layer].weight, units[second][layer].weight
            keep = live_units(a, b)
            found = unit_angles(a[keep], b[keep])
            statistics = {
                "mean": float(found.mean()),
                "median": float(found.median()),
                "low": float(found.quantile(0.1)),
                "high": float(found.quantile(0.9)),
                "within_45": float((found < 45).float().mean()),
            }
            for statistic, value in statistics.items():
                yield {
                    "layer": layer, "pair": f"{first}-{second}", "statistic": statistic, "value": value,
                    "entries": a.shape[1],
                }  # fmt: skip


def _filters(networks: Mapping[str, nn.Module], points: Points) -> Rows:
    """Pixels of the first layer's filters before and after."""
    for name in ("clean", "robust", "fgsm", "longer"):
        yield from pixel_rows(first_filters(networks[name], points.images[0]), network=name)


def _filter_statistics(networks: Mapping[str, nn.Module], points: Points) -> Rows:
    filters = {name: first_filters(model, points.images[0]) for name, model in networks.items()}
    for name, own in filters.items():
        unit = own / own.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        yield {"network": name, "statistic": "variation", "value": float(total_variation(unit).mean())}
        kinship = float(lineage_cosine(filters["clean"], own).nanmean())
        yield {"network": name, "statistic": "lineage_cosine", "value": kinship}
        if name in ("fgsm", "longer"):
            same_way = float(map_cosine(own - filters["clean"], filters["robust"] - filters["clean"]).nanmean())
            yield {"network": name, "statistic": "change_cosine", "value": same_way}


def _maximising(networks: Mapping[str, nn.Module], points: Points, radius: float) -> Rows:
    """What raises units of the middle hidden layer most, from grey, and how stable that is over real images."""
    layers = hidden_layers(networks["clean"], points.images[0])
    layer = layers[(len(layers) - 1) // 2]
    units = choose_units(networks["clean"], layer, points.images, UNITS)
    grey = torch.full_like(points.images[:1], 0.5)
    for name in ("clean", "robust", "longer"):
        shown = maximise(networks[name], layer, units, grey, radius, STEPS).changes[:, 0]
        real = maximise(networks[name], layer, units, points.images[:4], radius, STEPS).changes
        yield from pixel_rows(shown, network=name, layer=layer)
        statistics = {"high_frequency": high_frequency_share(shown), "stability": stability(real)}
        for statistic, values in statistics.items():
            yield {"network": name, "layer": layer, "statistic": statistic, "value": float(values.nanmean())}


def _perturbations(networks: Mapping[str, nn.Module], points: Points, radius: float) -> Rows:
    """l2 PGD perturbations of the same images, and how much they look like a class."""
    images, labels, classes = points
    threat = ThreatModel(radius, "l2", "box_then_eps")
    yield from pixel_rows(images[:SHOWN], network="image")
    for name in ("clean", "robust", "longer"):
        delta = pgd(networks[name], images, labels, threat, generator=None, bn_mode="eval").delta
        yield from pixel_rows(delta[:SHOWN], network=name)
        with torch.no_grad():
            turned = networks[name](images + delta).argmax(1)
        statistics = {
            "high_frequency": high_frequency_share(delta),
            "towards_class": towards_class(delta, images, labels, turned, classes),
        }
        for statistic, values in statistics.items():
            yield {"network": name, "statistic": statistic, "value": float(values.nanmean())}


def towards_class(delta: Tensor, images: Tensor, labels: Tensor, turned: Tensor, classes: int) -> Tensor:
    """Cosine between a perturbation and the mean image of the class it leads to minus that of its own class.

    Args:
        delta: (B, C, H, W).
        images: (B, C, H, W), of which the classes' means are taken.
        labels: (B,).
        turned: (B,), what the network says of the perturbed images.
        classes: number of classes, each with at least one image.

    Returns:
        (B,), nan where the class does not change.
    """
    means = torch.stack([images[labels == c].mean(0) for c in range(classes)])
    way = (means[turned] - means[labels]).flatten(1)
    return map_cosine(delta.flatten(1), way)


def _patches(networks: Mapping[str, nn.Module], points: Points) -> Rows:
    """Energy of patches that a few of the first layer's filters explain."""
    for name in ("start", "clean", "robust"):
        filters = first_filters(networks[name], points.images[0])
        patches = patches_of(points.images, filters.shape[-2:], most=2000)
        for atoms in ATOMS:
            value = explained_energy(patches, filters.flatten(1), atoms)
            yield {"network": name, "statistic": "explained", "rank": atoms, "value": value}


def _ranks(networks: Mapping[str, nn.Module], points: Points, config: RunConfig, train: Tensor) -> Rows:
    """PGD accuracy of clean weights with the update of adversarial training at a rank; 0 without, -1 in full.

    Kinds: "update" among the biases of the robust network, so that the full update is that network; "random", the same
    with random directions of the same spectrum; "clean biases", the update among those of the clean network.
    """
    clean, robust = networks["clean"], networks["robust"]
    rows = {name: units.weight for name, units in units_of(clean).items()}
    full = max(min(weight.shape) for weight in rows.values())
    for kind, start in {"update": with_units(robust, rows), "clean biases": clean}.items():
        for rank in (0, *RANKS, full):
            model = graft(start, robust, rank, images=train) if rank else unedited(start, train)
            edited = {kind: model}
            if rank and kind == "update":
                edited["random"] = random_control(start, model, config.seed, train)
            for name, network in edited.items():
                for protocol in ("clean", "pgd-10"):
                    value = run_protocol(network, points.images, points.labels, config.threat, protocol).accuracy.value
                    shown = -1 if rank == full else rank
                    yield {"network": name, "rank": shown, "statistic": protocol, "value": value}


def pixel_rows(pictures: Tensor, **place: Any) -> Rows:
    """Pictures as rows of a table, one per pixel.

    Args:
        pictures: (N, C, H, W), C 1 or 3.
        **place: further columns.

    Returns:
        Rows with picture, row, column, and to four digits the value of grey pictures or `COLOURS` of others.
    """
    colours = ("value",) if pictures.shape[1] == 1 else COLOURS
    for index, picture in enumerate(pictures.permute(0, 2, 3, 1).tolist()):
        for row, line in enumerate(picture):
            for column, pixel in enumerate(line):
                values = {name: float(f"{value:.4g}") for name, value in zip(colours, pixel, strict=True)}
                yield {**place, "statistic": "pixel", "picture": index, "row": row, "column": column, **values}
