"""What several models look for in the same images: one tidy table of all feature statistics."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from analyses.core.statistics import CONFIDENCE
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
from cotoolkit.attacks.threat_model import Box, ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models.modes import attack_mode

Values = dict[tuple[str, str], Tensor]
"""(layer, statistic) -> one value per image or unit. The layer of a statistic of the whole network is ""."""

RESAMPLES = 2000
"""Bootstrap samples behind every interval."""


def feature_table(
    models: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    *,
    clean: str,
    robust: str,
    epsilon: float,
    directions: Tensor | None = None,
    seed: int = 0,
    box: Box = "box_then_eps",
    radius: float | None = None,
    effort: Effort = DEFAULT_EFFORT,
) -> pd.DataFrame:
    """All feature statistics of all models, on the same images, from the same starts and random numbers.

    Attributions explain the logit of the true class: give images that all models classify correctly
    (`classified_correctly`). Units for maximisation are chosen in the clean model and taken at the same index in all
    others, which are their kin only if all models started from the same weights. Models are not changed.

    Args:
        models: by name, of one architecture; each from images to logits, on any device.
        images: (N, C, H, W), pixels in [0, 1] (outside it with `box="none"`); about a hundred.
        labels: (N,), the true classes.
        clean: name of the model that every other is compared with as the clean one.
        robust: the same for the robust one.
        epsilon: L-inf radius of the FGSM perturbation, in [0, 1] pixel units.
        directions: (n, C, H, W), such as a carrier's vectors; adds the shares of energy in their span.
        seed: of gradient SHAP, of the randomised layer, and of the bootstrap.
        box: how FGSM is clipped to [0, 1] (see `threat_model.Box`); maximisation keeps to [0, 1] unless "none".
        radius: l2 radius of maximisation; None means `default_radius`.
        effort: how much is computed.

    Returns:
        Columns model, layer ("" for the whole network), statistic (a key of `STATISTICS`), value, low, high, n. The
        value is the mean over the n images or units for which it exists, low and high its 95 % percentile bootstrap
        interval over them, drawn alike for all models: nan for n below 2. It says nothing of the spread over seeds.

    Raises:
        ConfigError: names, images, labels or directions that do not fit.
        ModelError: models of different architectures, or without a hidden layer.
    """
    _check(models, images, labels, clean, robust)
    setting = ImageSetting(images, labels, ThreatModel(epsilon, "linf", box), directions, effort, seed)
    references = {role: ObservedNetwork(models[name], setting) for role, name in (("clean", clean), ("robust", robust))}
    known = {clean: references["clean"], robust: references["robust"]}
    chosen = _chosen_units(models[clean], images, effort)
    radius = default_radius(images[0]) if radius is None else radius
    tables = []
    for name, model in models.items():
        own = known.get(name) or ObservedNetwork(model, setting)
        values = _values(ComparedNetwork(own, references), chosen, radius)
        tables.append(_summary(name, values, seed))
    return pd.concat(tables, ignore_index=True)


def classified_correctly(models: Mapping[str, nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """Which images every one of the models classifies correctly.

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
            right &= model(images.to(device_of(model))).argmax(1).cpu() == labels.cpu()
    return right


def _check(models: Mapping[str, nn.Module], images: Tensor, labels: Tensor, clean: str, robust: str) -> None:
    for role, name in (("clean", clean), ("robust", robust)):
        if name not in models:
            raise ConfigError(f"{role}={name!r} is none of the models: {', '.join(models) or 'there are none'}")
    if clean == robust:
        raise ConfigError(f"{clean!r} cannot be both the clean and the robust model")
    if images.dim() != 4 or not images.is_floating_point() or len(images) == 0:
        raise ConfigError(f"images must be floats of shape (N, C, H, W), not {images.dtype} {tuple(images.shape)}")
    if labels.shape != images.shape[:1]:
        raise ConfigError(f"labels of shape {tuple(labels.shape)} do not fit {len(images)} images")
    shapes = {name: [(key, tuple(p.shape)) for key, p in model.named_parameters()] for name, model in models.items()}
    for name, shape in shapes.items():
        if shape != shapes[clean]:
            raise ModelError(f"model {name!r} is not of the architecture of {clean!r}: their parameters differ")


def _chosen_units(model: nn.Module, images: Tensor, effort: Effort) -> dict[str, list[int]]:
    """Units of the first, middle and last hidden layer, by the fixed rule of `choose_units`."""
    return {layer: choose_units(model, layer, images, effort.units) for layer in hidden_layers(model, images[0])}


def _values(network: ComparedNetwork, units: Mapping[str, list[int]], radius: float) -> Values:
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
