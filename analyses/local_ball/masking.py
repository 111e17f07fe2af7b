"""D8: is the robustness real? Attacks that need no good gradient, radii that must win, and how flat the outputs are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from cotoolkit.attacks import attack_mode
from cotoolkit.diagnosis.margin_attacks import margin_attack
from cotoolkit.diagnosis.square import square_attack
from cotoolkit.evaluate import evaluate
from cotoolkit.seeding import generator
from cotoolkit.threat import ThreatModel
from cotoolkit.trained import Points

FLAG = 0.03
"""A check that fools this many more points than PGD raises a flag (spec: 3 points, for AutoAttack)."""

QUERIES, MARGIN_STEPS = 300, 50


class Masked(NamedTuple):
    """What the checks found; accuracies in [0, 1].

    Attributes:
        pgd: under PGD-50.
        margin: under PGD on the logit margin, 50 steps.
        square: under the Square attack, which sees no gradient.
        wide: under PGD-50 at four times the radius.
        confidence: mean maximal probability at the images.
        logit_norm: mean l2 length of the logits there.
    """

    pgd: float
    margin: float
    square: float
    wide: float
    confidence: float
    logit_norm: float

    @property
    def flagged(self) -> bool:
        """Whether an attack that masking does not stop is clearly stronger than PGD."""
        return self.pgd - min(self.margin, self.square) > FLAG


def masking_checks(model: nn.Module, points: Points, threat: ThreatModel, seed: int) -> Masked:
    """Run all checks. The Square attack is written for linf threats.

    AutoAttack is left to `cotoolkit diagnose --autoattack`; its two parts that see through masking are here.
    """
    images, labels, _ = points
    with attack_mode(model, "eval"), torch.no_grad():
        logits = model(images).float()
    draws = [generator(seed, "diagnosis", 20 + position) for position in range(2)]
    margin = margin_attack(model, images, labels, threat, steps=MARGIN_STEPS, generator=draws[0])
    square = square_attack(model, images, labels, threat, queries=QUERIES, generator=draws[1])
    return Masked(
        pgd=evaluate(model, images, labels, threat, "pgd-50", seed=seed).accuracy.value,
        margin=margin.float().mean().item(),
        square=square.float().mean().item(),
        wide=evaluate(model, images, labels, threat.scaled(4), "pgd-50", seed=seed).accuracy.value,
        confidence=logits.softmax(1).amax(1).mean().item(),
        logit_norm=logits.norm(dim=1).mean().item(),
    )
