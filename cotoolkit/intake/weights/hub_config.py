"""The normalisation that a hub's files tell beside the weights: timm's config.json, or a preprocessor's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.models.normalise import Statistics

FILES = {"config.json": ("mean", "std"), "preprocessor_config.json": ("image_mean", "image_std")}
"""Files beside the weights, and what they call mean and std: timm's, and that of the Hugging Face preprocessors."""


class ToldStatistics(NamedTuple):
    """What a file beside the weights tells.

    Attributes:
        path: of the file.
        statistics: mean and std per channel, in [0, 1] pixel units.
    """

    path: Path
    statistics: Statistics

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in self.statistics)
        return f"{self.path} tells that images are normalised (mean {mean}; std {std})"


def statistics_beside(weights: Path) -> ToldStatistics | None:
    """Mean and std that a model hub's file beside the weights tells; None where there is none.

    Args:
        weights: a file, as a hub's local folder has it beside its config.json.

    Returns:
        The file, and what it tells.
    """
    for name, keys in FILES.items():
        path = weights.with_name(name)
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there, or no JSON: then it is not a hub's
            continue
        if not isinstance(told, Mapping):
            continue
        inner = told.get("pretrained_cfg")
        values = inner if isinstance(inner, Mapping) else told
        mean, std = (_numbers(values.get(key)) for key in keys)
        if mean is not None and std is not None and len(mean) == len(std) and min(std) > 0:
            return ToldStatistics(path, Statistics(mean, std))
    return None


def _numbers(value: Any) -> tuple[float, ...] | None:
    """Some numbers, or nothing."""
    plain = isinstance(value, list) and value and all(isinstance(one, int | float) for one in value)
    return tuple(float(one) for one in value) if plain else None
