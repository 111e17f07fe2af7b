"""What several models look for in the same images: one tidy table of all feature statistics."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, Unpack

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from analyses.core.networks import named_networks
from analyses.core.statistics import CONFIDENCE
from analyses.features.gradients import direction_tensor
from analyses.features.layers import hidden_layers, weight_layers
from analyses.features.maximisation import choose_units, default_radius
from analyses.features.observed import (
    DEFAULT_EFFORT,
    ComparedNetwork,
    Effort,
    ImageSetting,
    ObservedNetwork,
    maximised_units,
)
from analyses.features.table_statistics import COMPUTED, OF_FILTERS, OF_IMAGES, OF_UNITS
from cotoolkit.attacks.gradient import holds
from cotoolkit.attacks.threat_model import Box, ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.intake.door import ImageOptions, bring, outside_inference
from cotoolkit.intake.model import network_of
from cotoolkit.models.modes import attack_mode

Values = dict[tuple[str, str], Tensor]
"""(layer, statistic) -> one value per image or unit. The layer of a statistic of the whole network is ""."""

RESAMPLES = 2000
"""Bootstrap samples behind every interval."""


def feature_table(
    models: Mapping[str, nn.Module],
    images: Any,
    labels: Any,
    *,
    clean: str,
    robust: str,
    epsilon: float,
    directions: Any = None,
    seed: int = 0,
    box: Box = "box_then_eps",
    radius: float | None = None,
    effort: Effort = DEFAULT_EFFORT,
    **options: Unpack[ImageOptions],
) -> pd.DataFrame:
    """All feature statistics of all models, on the same images, from the same starts and random numbers.

    Attributions explain the logit of the true class: give images that all models classify correctly
    (`classified_correctly`). Units for maximisation are chosen in the clean model and taken at the same index in all
    others, which are their kin only if all models started from the same weights. Models are not changed; those in
    another precision than float32 are copied. Everything is measured of images in [0, 1].

    Args:
        models: by name, of one architecture; each anybody's (`intake.preparation.image_model`), on any device.
        images: (N, C, H, W), tensor or array, pixels in their bounds; about a hundred.
        labels: (N,), the true classes, whole numbers of any type.
        clean: name of the model that every other is compared with as the clean one.
        robust: the same for the robust one.
        epsilon: L-inf radius of the FGSM perturbation, in [0, 1] pixel units.
        directions: (n, C, H, W), such as a carrier's vectors; adds the shares of energy in their span.
        seed: of gradient SHAP, of the randomised layer, and of the bootstrap.
        box: how FGSM is clipped to [0, 1] (see `threat_model.Box`); maximisation keeps to [0, 1] and images have to be
            in their bounds unless "none".
        radius: l2 radius of maximisation, for pixels in [0, 1]; None means `default_radius`.
        effort: how much is computed.
        options: how all models take their images.

    Returns:
        Columns model, layer ("" for the whole network), statistic (a key of `STATISTICS`), value, low, high, n. The
        value is the mean over the n images or units for which it exists, low and high its 95 % percentile bootstrap
        interval over them, drawn alike for all models: nan for n below 2. It says nothing of the spread over seeds.

    Raises:
        ConfigError: names, options or directions that do not fit.
        DataError: images or labels that cannot be measured on.
        ModelError: a model that cannot be measured, models of different architectures, or without a hidden layer.
    """
    if not isinstance(effort, Effort):
        raise ConfigError(f"effort is a {type(effort).__name__}; give Effort(units=4, ...)")
    threat = ThreatModel(epsilon, "linf", box)
    options["leave"] = options.get("leave", False) or box == "none"
    with outside_inference():
        brought = _bring_all(models, images, labels, **options)
        given = None if directions is None else direction_tensor(directions)
        setting = ImageSetting(brought.images, brought.labels, threat, given, effort, seed, radius)
        return compare_features(brought.models, setting, clean=clean, robust=robust)


def compare_features(
    models: Mapping[str, nn.Module], setting: ImageSetting, *, clean: str, robust: str
) -> pd.DataFrame:
    """As `feature_table`, of what needs no check: networks of ours, or what came through the door.

    Args:
        models: by name, of one architecture; each from images to logits, on any device.
        setting: images, and what else is the same for all of them.
        clean: name of the model that every other is compared with as the clean one.
        robust: the same for the robust one.

    Returns:
        The table.

    Raises:
        ConfigError: names or directions that do not fit.
        ModelError: models of different architectures, or without a hidden layer.
    """
    _check(models, clean, robust)
    references = {role: ObservedNetwork(models[name], setting) for role, name in (("clean", clean), ("robust", robust))}
    known = {clean: references["clean"], robust: references["robust"]}
    chosen = _chosen_units(models[clean], setting.images, setting.effort)
    tables = []
    for name, model in models.items():
        own = known.get(name) or ObservedNetwork(model, setting)
        tables.append(_summary(name, _values(ComparedNetwork(own, references), chosen), setting.seed))
    return pd.concat(tables, ignore_index=True)


def classified_correctly(
    models: Mapping[str, nn.Module], images: Any, labels: Any, **options: Unpack[ImageOptions]
) -> Tensor:
    """Which images every one of the models classifies correctly; outputs that are not finite decide nothing.

    Args:
        models: by name, each anybody's (`intake.preparation.image_model`).
        images: (N, C, H, W), tensor or array.
        labels: (N,), whole numbers of any type.
        options: how all models take their images.

    Returns:
        bool (N,), on the CPU.

    Raises:
        ConfigError, DataError, ModelError: what cannot be measured.
    """
    with outside_inference():
        brought = _bring_all(models, images, labels, gradient=False, **options)
        return all_correct(brought.models, brought.images, brought.labels)


def all_correct(models: Mapping[str, nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """As `classified_correctly`, of what needs no check.

    Args:
        models: by name, each from images to logits.
        images: (N, C, H, W).
        labels: (N,).

    Returns:
        bool (N,), on the CPU.
    """
    right = torch.ones(len(images), dtype=torch.bool)
    for model in models.values():
        with torch.no_grad(), attack_mode(model, "eval"):
            right &= holds(model(images.to(device_of(model))), labels.to(device_of(model))).cpu()
    return right


class _Brought(NamedTuple):
    """Models that came through the door, and the images and labels they share."""

    models: dict[str, nn.Module]
    images: Tensor
    labels: Tensor


def _bring_all(models: Any, images: Any, labels: Any, **options: Any) -> _Brought:
    found = {}
    for name, model in named_networks(models).items():
        try:
            found[name] = bring(model, images, labels, **options)
        except ModelError as failure:
            raise ModelError(f"model {name!r}: {failure}") from failure
    first = next(iter(found.values()))
    return _Brought({name: one.model for name, one in found.items()}, first.images, first.labels)


def _check(models: Mapping[str, nn.Module], clean: str, robust: str) -> None:
    for role, name in (("clean", clean), ("robust", robust)):
        if name not in models:
            raise ConfigError(f"{role}={name!r} is none of the models: {', '.join(models) or 'there are none'}")
    if clean == robust:
        raise ConfigError(f"{clean!r} cannot be both the clean and the robust model")
    shapes = {
        name: [(key, tuple(p.shape)) for key, p in network_of(model).named_parameters()]
        for name, model in models.items()
    }
    for name, shape in shapes.items():
        if shape != shapes[clean]:
            raise ModelError(f"model {name!r} is not of the architecture of {clean!r}: their parameters differ")


def _chosen_units(model: nn.Module, images: Tensor, effort: Effort) -> dict[str, list[int]]:
    """Units of the first, middle and last hidden layer, by the fixed rule of `choose_units`."""
    return {layer: choose_units(model, layer, images, effort.units) for layer in hidden_layers(model, images[0])}


def _values(network: ComparedNetwork, units: Mapping[str, list[int]]) -> Values:
    """All statistics of one network."""
    model, setting = network.own.model, network.own.setting
    found: Values = {}
    for name, statistic in OF_IMAGES.items():
        values = statistic.compute(network)
        if values is not None:
            found["", name] = values
    first = weight_layers(model, setting.images[0])[0]
    found |= {(first, name): of_filters.compute(network) for name, of_filters in OF_FILTERS.items()}
    box = setting.threat.box != "none"
    radius = default_radius(setting.images[0]) if setting.radius is None else setting.radius
    for layer, chosen in units.items():
        maximised = maximised_units(model, layer, chosen, setting.images, radius, setting.effort, box=box)
        found |= {(layer, name): of_units.compute(maximised) for name, of_units in OF_UNITS.items()}
    return found


def _summary(model: str, values: Values, seed: int) -> pd.DataFrame:
    """One row per statistic; resamples are shared by all statistics of as many values."""
    rows = []
    for (layer, statistic), one in values.items():
        known = one.double().cpu().numpy()
        known = np.where(np.isfinite(known), known, np.nan)
        n = 0 if statistic in COMPUTED else int(np.isfinite(known).sum())
        value = float(np.nanmean(known)) if np.isfinite(known).any() else np.nan
        low, high = _interval(known, seed) if n >= 2 else (np.nan, np.nan)
        rows.append((model, layer, statistic, value, low, high, n))
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value", "low", "high", "n"])


def _interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of the mean of the values that are not nan.

    `analyses.core.statistics.bootstrap` corrects for bias but takes a second for the statistics of one model.
    """
    known = np.isfinite(values)
    drawn = _resamples(len(values), seed)[:, known]
    total = drawn.sum(1)
    means = (drawn @ values[known])[total > 0] / total[total > 0]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@functools.lru_cache(maxsize=8)
def _resamples(n: int, seed: int) -> np.ndarray:
    """How often each of n values is drawn into each sample, (RESAMPLES, n); cached, do not write to it."""
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return counts.astype(float)
