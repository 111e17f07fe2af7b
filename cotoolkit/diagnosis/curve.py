"""The security curve: accuracy against the radius of an attack, as a function and as numbers.

A ball holds every smaller one, so the accuracy that is left at a radius is that of points which nothing fooled up to
there. The accuracy of one attack alone may rise with the radius, which no sound attack's does: FGSM's rises after
catastrophic overfitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import Device
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import whole_number
from cotoolkit.diagnosis.measuring.brought import BATCH, brought
from cotoolkit.diagnosis.measuring.statistics import rate_of
from cotoolkit.diagnosis.shares import Rate, SchemaPart
from cotoolkit.evaluation.protocol import named_protocol, run_protocol
from cotoolkit.intake.door import ModelOptions

if TYPE_CHECKING:
    import pandas as pd

CURVE_RADII = (2 / 255, 4 / 255, 6 / 255, 8 / 255, 12 / 255, 16 / 255)
"""By default."""


class SecurityCurve(SchemaPart):
    """Accuracies of the same points at growing radii.

    Attributes:
        radii: in [0, 1] pixel units, from 0, no attack, on.
        accuracy: by attack, at each radius, that attack alone.
        left: at each radius, share of points that no attack fooled at it or at a smaller one; it never rises.
    """

    radii: tuple[float, ...]
    accuracy: dict[str, tuple[Rate, ...]]
    left: tuple[Rate, ...]

    def area(self, attack: str | None = None) -> float:
        """Mean accuracy over the radii, from 0 to the largest (trapezoids).

        Args:
            attack: alone; None is what is left.

        Returns:
            In [0, 1].
        """
        rates = self.left if attack is None else self.accuracy[attack]
        parts = (
            (after - before) * (first.value + second.value) / 2
            for (before, after), (first, second) in zip(pairwise(self.radii), pairwise(rates), strict=True)
        )
        return sum(parts) / self.radii[-1]

    def radius_of(self, accuracy: float) -> float | None:
        """The radius at which what is left falls to an accuracy, on the line between its neighbours.

        Args:
            accuracy: in [0, 1].

        Returns:
            In pixel units; 0 where the network never had so much, None where the largest radius leaves more.
        """
        if self.left[0].value <= accuracy:
            return 0.0
        for (before, after), (high, low) in zip(pairwise(self.radii), pairwise(self.left), strict=True):
            if low.value <= accuracy:
                return before + (after - before) * (high.value - accuracy) / (high.value - low.value)
        return None

    def table(self) -> pd.DataFrame:
        """A row per radius and attack, and one for what is left: `radius`, `attack`, `accuracy`, `low`, `high`."""
        import pandas as pd

        return pd.DataFrame([
            {"radius": radius, "attack": attack, "accuracy": rate.value, "low": rate.low, "high": rate.high}
            for attack, rates in {**self.accuracy, "all, up to here": self.left}.items()
            for radius, rate in zip(self.radii, rates, strict=True)
        ])  # fmt: skip


def security_curve(
    model: nn.Module,
    data: Any,
    *,
    radii: Sequence[float | str] = CURVE_RADII,
    attacks: Sequence[str] = ("fgsm", "pgd-20"),
    points: int = 256,
    seed: int = 0,
    device: Device = "auto",
    **takes: Unpack[ModelOptions],
) -> SecurityCurve:
    """Accuracy of a network against the radius of its attacks.

        security_curve(model, (images, labels), radii=["2/255", "4/255", "8/255"]).area()

    Args:
        model: from images to logits or probabilities; see `diagnose`.
        data: see `diagnose`.
        radii: of the linf ball, growing, above 0; "8/255" is accepted.
        attacks: protocols by name: fgsm, pgd-STEPS, pgd-STEPS-RESTARTS.
        points: images to attack, at most.
        seed: of their choice and of random starts.
        device: "auto" takes a GPU if there is one.
        takes: mean, std, bounds, forward, binary; see `diagnose`.

    Returns:
        The curve, from radius 0 on.

    Raises:
        ConfigError: radii that do not grow, or an unknown protocol.
        DataError: data that cannot be measured on.
        ModelError: a network that cannot be measured.
    """
    threats = [ThreatModel.from_user(radius) for radius in radii]
    grid = (0.0, *(threat.epsilon for threat in threats))
    if len(grid) < 2 or any(after <= before for before, after in pairwise(grid)):
        raise ConfigError(f"radii is {list(radii)!r}; give growing numbers above 0, such as 2/255 and 4/255")
    protocols = {name: named_protocol(name) for name in attacks}
    if not protocols or any(protocol.steps == 0 for protocol in protocols.values()):
        raise ConfigError(f"attacks is {list(attacks)!r}; give at least one, such as fgsm and pgd-20")
    with brought(model, data, points=whole_number(points, "points", 1), seed=seed, device=device, **takes) as ready:
        images, labels, _ = ready.points

        def right(threat: ThreatModel, protocol: str) -> torch.Tensor:
            return run_protocol(ready.model, images, labels, threat, protocol, seed=seed, batch_size=BATCH).correct

        clean = right(threats[0], "clean")
        held = {name: torch.stack([clean, *(right(threat, name) for threat in threats)]) for name in protocols}
    left = torch.stack(list(held.values())).all(0).to(torch.int64).cummin(0).values
    return SecurityCurve(
        radii=grid,
        accuracy={name: tuple(map(rate_of, rows)) for name, rows in held.items()},
        left=tuple(rate_of(row == 1) for row in left),
    )
