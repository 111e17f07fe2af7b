"""The loss along an attack: from the images through their adversarial examples and beyond, and on the plane around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import fgsm, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import Device
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import whole_number
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.measuring.brought import BATCH, brought
from cotoolkit.diagnosis.measuring.fgsm_segment import along
from cotoolkit.diagnosis.measuring.statistics import quartiles, rate_of
from cotoolkit.diagnosis.shares import Rate, SchemaPart
from cotoolkit.evaluation.protocol import Protocol, named_protocol
from cotoolkit.intake.door import ModelOptions

REACH = 1.5
"""How far the way goes, in units of the attack's perturbation."""

WAYS = ("fgsm", "pgd-10")
"""Attacks whose ways a diagnosis writes down."""

STARTS, SIGNS = 40, 41
"""Positions of this file's random numbers under the label `diagnosis`."""


class LossLandscape(NamedTuple):
    """Cross-entropy and correctness around N points.

    Attributes:
        attack: whose perturbation is the direction.
        along: (K,) fractions of the perturbation, from 0 to 1.5.
        across: (A,) fractions of random signs of size epsilon, from -1 to 1; 0 is among them.
        loss: (N, A, K).
        correct: (N, A, K) bool.
        places: (N,) of the points in the data as they were given.
    """

    attack: str
    along: np.ndarray
    across: np.ndarray
    loss: np.ndarray
    correct: np.ndarray
    places: np.ndarray

    @property
    def path(self) -> np.ndarray:
        """The loss on the way of the attack itself, (N, K)."""
        return self.loss[:, len(self.across) // 2]

    @property
    def stepped_over(self) -> float:
        """Share of points that are right at both ends of the attack and wrong on the way: the attack steps over them.

        The boundary distortion of Kim et al. (AAAI 2021), as a share of all points.
        """
        way = torch.from_numpy(self.correct[:, len(self.across) // 2].T)
        return float(_stepped_over(way, self.along.tolist()).float().mean())


class AttackWay(SchemaPart):
    """What lies on the way of an attack, from the images through their adversarial examples and beyond.

    Attributes:
        attack: fgsm, or pgd-STEPS.
        fractions: of the perturbation, from 0 to 1.5.
        accuracy: share of points classified correctly there.
        median_loss: cross-entropy there, median over points.
        stepped_over: share of points right at 0 and at 1 and wrong between.
    """

    attack: str
    fractions: tuple[float, ...]
    accuracy: tuple[float, ...]
    median_loss: tuple[float | None, ...]
    stepped_over: Rate


def attack_ways(
    model: nn.Module, points: Points, threat: ThreatModel, samples: int, seed: int, batch_size: int = BATCH
) -> tuple[AttackWay, ...]:
    """The ways of FGSM and of PGD-10, as a diagnosis writes them down.

    Args:
        model: logits out, in evaluation mode.
        points: on the model's device.
        threat: ball and box.
        samples: of the fractions; 1 more than a multiple of 3 has the adversarial example among them.
        seed: of PGD's starts.
        batch_size: points that go through the network together.

    Returns:
        One per attack.
    """
    ahead = _grid(samples, 0.0, REACH)
    found = []
    for attack in WAYS:
        deltas = _perturbations(model, points, threat, named_protocol(attack), seed, batch_size).split(batch_size)
        parts = zip(points.images.split(batch_size), points.labels.split(batch_size), deltas, strict=True)
        ways = [along(model, here, true, threat, [share * delta for share in ahead]) for here, true, delta in parts]
        correct, losses = (torch.cat(part, 1) for part in zip(*ways, strict=True))
        found.append(
            AttackWay(
                attack=attack,
                fractions=tuple(ahead),
                accuracy=tuple(correct.float().mean(1).tolist()),
                median_loss=tuple(quartiles(row)[1] for row in losses),
                stepped_over=rate_of(_stepped_over(correct, ahead)),
            )
        )
    return tuple(found)


def loss_landscape(
    model: nn.Module,
    data: Any,
    *,
    epsilon: float | str,
    attack: str = "fgsm",
    samples: int = 31,
    across: int = 1,
    points: int = 64,
    seed: int = 0,
    device: Device = "auto",
    **takes: Unpack[ModelOptions],
) -> LossLandscape:
    """The loss of a network along an attack (Kim et al., 2021, draw it for single images).

        loss_landscape(model, (images, labels), epsilon="8/255", across=31).loss

    Args:
        model: from images to logits or probabilities; see `diagnose`.
        data: see `diagnose`.
        epsilon: radius in [0, 1] units; "8/255" is accepted.
        attack: fgsm, or pgd-STEPS, whose last iterate is taken.
        samples: K of the fractions along, at least 4; a multiple of 3 and 1 has the adversarial example among them.
        across: A, odd, of the fractions across; 1 is the way of the attack alone.
        points: images, at most.
        seed: of their choice, of random starts and random signs.
        device: "auto" takes a GPU if there is one.
        takes: mean, std, bounds, forward, binary; see `diagnose`.

    Returns:
        Loss and correctness of every point.

    Raises:
        ConfigError: another attack, or numbers that make no sense.
        DataError: data that cannot be measured on.
        ModelError: a network that cannot be measured.
    """
    threat, protocol = ThreatModel.from_user(epsilon), named_protocol(attack)
    if protocol.steps == 0 or protocol.restarts > 1:
        raise ConfigError(f"attack is {attack!r}; give fgsm or pgd-STEPS")
    ahead = _grid(whole_number(samples, "samples", 4), 0.0, REACH)
    width = whole_number(across, "across", 1)
    if width % 2 == 0:
        raise ConfigError(f"across is {width}; give an odd number, so that the way of the attack is among the rows")
    aside = _grid(width, -1.0, 1.0)
    with brought(model, data, points=whole_number(points, "points", 1), seed=seed, device=device, **takes) as ready:
        images, labels, _ = ready.points
        delta = _perturbations(ready.model, ready.points, threat, protocol, seed)
        draws = generator(seed, "diagnosis", SIGNS)
        signs = torch.randint(2, images.shape, generator=draws, device=draws.device).to(images) * 2 - 1
        rows = [
            along(ready.model, images, labels, threat, [a * delta + b * threat.epsilon * signs for a in ahead])
            for b in aside
        ]
    correct, loss = (torch.stack(part).permute(2, 0, 1).cpu().numpy() for part in zip(*rows, strict=True))
    return LossLandscape(attack, np.array(ahead), np.array(aside), loss, correct, ready.places.numpy())


def _perturbations(
    model: nn.Module, points: Points, threat: ThreatModel, protocol: Protocol, seed: int, batch_size: int = BATCH
) -> Tensor:
    parts = zip(points.images.split(batch_size), points.labels.split(batch_size), strict=True)
    draws = generator(seed, "diagnosis", STARTS)
    return torch.cat([_perturbation(model, here, true, threat, protocol, draws) for here, true in parts])


def _stepped_over(correct: Tensor, fractions: Sequence[float]) -> Tensor:
    """Which points are right at 0 and at 1 and wrong between; from (K, N) bool to (N,)."""
    way = correct[[fraction <= 1 + 1e-6 for fraction in fractions]]
    return way[0] & way[-1] & ~way.all(0)


def _perturbation(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, protocol: Protocol, draws: torch.Generator
) -> Tensor:
    if protocol.steps == 1 and not protocol.random_start:
        return fgsm(model, images, labels, threat, bn_mode="eval").delta
    return pgd(
        model, images, labels, threat,
        generator=draws, steps=protocol.steps, alpha=protocol.step_size * threat.epsilon, bn_mode="eval",
    ).delta  # fmt: skip


def _grid(count: int, low: float, high: float) -> list[float]:
    return [(low + high) / 2] if count == 1 else [low + (high - low) * step / (count - 1) for step in range(count)]
