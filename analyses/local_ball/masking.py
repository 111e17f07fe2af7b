"""D8: is the robustness real? Attacks that need no good gradient, radii that must win, and how flat the outputs are.

A local regulariser may hide a gradient as well as it smooths a loss, so the study's robust accuracy is under the
worst of three attacks, point by point.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.evaluation.worst_of_three import worst_of_three
from cotoolkit.models.modes import attack_mode


class Masked(NamedTuple):
    """What the checks found; accuracies in [0, 1], all on the same points.

    Attributes:
        robust: share of points that none of the next three fools.
        pgd: under PGD-50.
        margin: under PGD on the logit margin, 50 steps.
        square: under the Square attack, which sees no gradient, 300 queries.
        wide: under PGD-10 at four times the radius; it should be 0.
        confidence: mean maximal probability at the images.
        logit_norm: mean l2 length of the logits there.
    """

    robust: float
    pgd: float
    margin: float
    square: float
    wide: float
    confidence: float
    logit_norm: float


def masking_checks(model: nn.Module, points: Points, threat: ThreatModel, seed: int) -> Masked:
    """Run all checks. The Square attack is written for linf threats.

    AutoAttack is left to `cotoolkit diagnose --autoattack`; its two parts that see through masking are here.
    """
    images, labels, _ = points
    with attack_mode(model, "eval"), torch.no_grad():
        logits = model(images).float()
    found = worst_of_three(model, points, threat, seed)
    return Masked(
        robust=found.robust.float().mean().item(),
        pgd=found.pgd.float().mean().item(),
        margin=found.margin.float().mean().item(),
        square=found.square.float().mean().item(),
        wide=run_protocol(model, images, labels, threat.scaled(4), "pgd-10", seed=seed).accuracy.value,
        confidence=logits.softmax(1).amax(1).mean().item(),
        logit_norm=logits.norm(dim=1).mean().item(),
    )
