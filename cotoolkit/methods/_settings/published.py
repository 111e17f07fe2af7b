"""Constants that were published for a few radii, at any radius."""

from __future__ import annotations

import bisect
from collections.abc import Mapping

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods.base import Method


def check_published(threat: ThreatModel, method: Method, *fields: str) -> None:
    """Refuse a norm for which nothing was published, where a field is to be taken from what was.

    Args:
        threat: of training.
        method: whose fields.
        *fields: their names; those that were set are not looked at.

    Raises:
        ConfigError: the threat is not of the max norm, and a field is None.
    """
    lacking = [field for field in fields if getattr(method, field) is None]
    if threat.norm != "linf" and lacking:
        wanted = " and ".join(f"method.{field}" for field in lacking)
        raise ConfigError(f"{method.name}: its published constants are of linf radii; for {threat.norm} set {wanted}")


def published_value(table: Mapping[float, float], epsilon: float) -> float:
    """A constant at a radius: straight lines between the published ones, constant beyond the first and the last.

    >>> published_value({8: 1.5, 12: 5.0, 16: 8.5}, 10 / 255), published_value({8: 1.5, 12: 5.0, 16: 8.5}, 1 / 255)
    (3.25, 1.5)

    Args:
        table: the published values, by radius in steps of 1/255; the radii rise.
        epsilon: radius in [0, 1] pixel units.

    Returns:
        The value; at a published radius the published one, however the radius was rounded.
    """
    radii, level = list(table), round(255 * epsilon, 4)
    after = bisect.bisect(radii, level)
    if after in (0, len(radii)):
        return float(table[radii[min(after, len(radii) - 1)]])
    low, high = radii[after - 1], radii[after]
    return table[low] + (table[high] - table[low]) * (level - low) / (high - low)
