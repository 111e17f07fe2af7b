"""Constants that were published for a few radii, at any radius."""

from __future__ import annotations

import bisect
from collections.abc import Mapping

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import format_number
from cotoolkit.methods.base import Method


def check_published(threat: ThreatModel, method: Method, **tables: Mapping[float, float]) -> None:
    """Refuse a norm or a radius for which nothing was published, where a field is to be taken from what was.

    Args:
        threat: of training.
        method: whose fields.
        **tables: the published values by field, as in `published_value`; fields that were set are not looked at.

    Raises:
        ConfigError: a field is None, and the threat is not of the max norm or its radius is beyond the last published.
    """
    lacking = [field for field in tables if getattr(method, field) is None]
    if not lacking:
        return
    wanted = " and ".join(f"method.{field}" for field in lacking)
    if threat.norm != "linf":
        raise ConfigError(f"{method.name}: its published constants are of linf radii; for {threat.norm} set {wanted}")
    last = min(max(tables[field]) for field in lacking)
    if round(255 * threat.epsilon, 4) > last:
        radius = f"{format_number(threat.epsilon)} ({255 * threat.epsilon:.3g}/255)"
        raise ConfigError(f"{method.name}: its published constants end at {last:g}/255; for {radius} set {wanted}")


def published_value(table: Mapping[float, float], epsilon: float) -> float:
    """A constant at a radius: straight lines between the published ones, the first and the last beyond them (ours).

    A radius that warms up passes those below the first; `check_published` refuses a run's beyond the last.

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
