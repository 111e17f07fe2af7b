"""What several models look for in the same images: one tidy table of all feature statistics."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from analyses.core.statistics import CONFIDENCE
from analyses.features.maximisation import default_radius
from analyses.features.measure import (
    Effort,
    Values,
    attribution_values,
    chosen_units,
    filter_values,
    gradient_values,
    make_maps,
    maximisation_values,
)
from cotoolkit.attacks.gradient import attack_mode
from cotoolkit.attacks.threat_model import Box, ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError

RESAMPLES = 2000
"""Bootstrap samples behind every interval."""

NULLS = ("direction_share_null",)
"""Statistics that are computed, not measured: no interval, n = 0."""


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
    path_steps: int = 50,
    shap_samples: int = 10,
    units: int = 8,
    starts: int = 4,
    ascent_steps: int = 30,
) -> pd.DataFrame:
    """All feature statistics of all models, on the same images, from the same starts and random numbers.

    Attributions explain the logit of the true class; for a comparison of what models rest right decisions on, give
    images that all of them classify correctly (`classified_correctly`). Units for activation maximisation are chosen
    in the clean model and taken at the same index in all others, which makes them kin only where all models started
    from the same initial weights. Models are not changed.

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
        path_steps: points on each path of integrated gradients, at first; more where completeness asks for them.
        shap_samples: random points per image of gradient SHAP.
        units: per layer, for maximisation in the first, middle and last hidden layer.
        starts: the first so many images are where maximisation starts.
        ascent_steps: of maximisation.

    Returns:
        Columns model, layer ("" for the whole network), statistic (a key of `STATISTICS`), value, low, high, n. The
        value is the mean over the n images or units for which the statistic exists, low and high its 95 % percentile
        bootstrap interval over them, drawn alike for all models: nan for n below 2, which stands for no spread of
        training seeds.

    Raises:
        ConfigError: names, images, labels or directions that do not fit.
        ModelError: models of different architectures, or without a hidden layer.
    """
    _check(models, images, labels, clean, robust)
    effort = Effort(path_steps, shap_samples, units, starts, ascent_steps)
    threat = ThreatModel(epsilon, "linf", box)
    radius = default_radius(images[0]) if radius is None else radius
    references = {
        role: make_maps(models[name], images, labels, effort, seed)
        for role, name in (("clean", clean), ("robust", robust))
    }
    chosen = chosen_units(models[clean], images, effort)
    tables = []
    for name, model in models.items():
        known = {clean: references["clean"], robust: references["robust"]}
        maps = known[name] if name in known else make_maps(model, images, labels, effort, seed)
        values = {
            **gradient_values(model, images, labels, threat, maps, references, directions),
            **attribution_values(model, images, labels, maps, references, seed),
            **filter_values(model, images[0], maps, references),
            **maximisation_values(model, images, chosen, radius, effort, box=box != "none"),
        }
        tables.append(_summary(name, values, seed))
    return pd.concat(tables, ignore_index=True)


def classified_correctly(models: Mapping[str, nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """Which images every one of the models classifies correctly. (N, C, H, W), (N,) -> bool (N,), on the CPU."""
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


def _summary(model: str, values: Values, seed: int) -> pd.DataFrame:
    """One row per statistic; resamples are shared by all statistics of as many values."""
    rows = []
    for (layer, statistic), one in values.items():
        known = one.double().cpu().numpy()
        known = np.where(np.isfinite(known), known, np.nan)
        n = 0 if statistic in NULLS else int(np.isfinite(known).sum())
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
