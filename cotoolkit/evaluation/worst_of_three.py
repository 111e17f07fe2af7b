"""Robust accuracy under the worst of three attacks, point by point: PGD alone takes masked gradients for robustness.

PGD-50 on the cross-entropy, PGD-50 on the logit margin, whose gradient does not underflow, and the Square attack, which
sees none: AutoAttack's idea at a price that each run of a study can pay.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any, NamedTuple

from torch import Tensor, nn

from cotoolkit.attacks.margin import margin_attack, margin_card
from cotoolkit.attacks.square import square_attack
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.identity import rounded
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import named_protocol, run_protocol

QUERIES, MARGIN_STEPS = 300, 50
"""Of the Square attack, and of PGD on the margin."""

PROTOCOL = "pgd-50"
"""Of PGD on the cross-entropy."""


class WorstOfThree(NamedTuple):
    """Which points stay correct; (N,) bool each.

    Attributes:
        pgd: under PGD-50.
        margin: under PGD on the logit margin, 50 steps.
        square: under the Square attack, 300 queries.
    """

    pgd: Tensor
    margin: Tensor
    square: Tensor

    @property
    def robust(self) -> Tensor:
        """Points that none of the three fools."""
        return self.pgd & self.margin & self.square


def worst_of_three(model: nn.Module, points: Points, threat: ThreatModel, seed: int) -> WorstOfThree:
    """Attack all points with each of the three.

    Args:
        model: logits out, on the points' device.
        points: as the model sees them.
        threat: linf, for which the Square attack is written.
        seed: of all starts; the same for any device.

    Returns:
        Which points each attack leaves correct.
    """
    images, labels, _ = points
    draws = [generator(seed, "diagnosis", 20 + position) for position in range(2)]
    return WorstOfThree(
        run_protocol(model, images, labels, threat, PROTOCOL, seed=seed).correct,
        margin_attack(model, images, labels, threat, steps=MARGIN_STEPS, generator=draws[0]),
        square_attack(model, images, labels, threat, queries=QUERIES, generator=draws[1]),
    )


def worst_of_three_card(threat: ThreatModel, points: int) -> dict[str, Any]:
    """Everything that defines the number, as JSON data, with `hash`, the first 12 hex digits of its sha256.

    Args:
        threat: of the attacks.
        points: how many of the test set's first are attacked.

    Returns:
        The card.
    """
    card: dict[str, Any] = {
        "pgd": asdict(rounded(named_protocol(PROTOCOL))),
        "margin": margin_card(MARGIN_STEPS, 0),
        "square": {"queries": QUERIES},
        "threat": rounded(asdict(threat)),
        "mode": "eval",
        "points": points,
        "robust_if": "no attack fooled it",
    }
    return {**card, "hash": hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:12]}
