"""The last attacks: on the points that all others left right, so that they may be dear."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.square import square_attack
from cotoolkit.attacks.stand_ins import StraightThrough
from cotoolkit.attacks.targeted import targeted_attack, targeted_card
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.measuring.attack_runs import AttackRun, Session

POSITIONS = {"targeted": 34, "square": 35}
"""Of the random starts, among those of the label `diagnosis`."""


class LastAttacks(NamedTuple):
    """What they found.

    Attributes:
        runs: one per attack; `held` is of all few points, after this attack and all before it.
        late: (N,) bool, points that fell in the later half of the targeted attack.
        held: (N,) bool, points that nothing fooled.
    """

    runs: list[AttackRun]
    late: Tensor
    held: Tensor


def last_attacks(
    session: Session, few: Points, held: Tensor, budget: Budget, *, cut: bool, doubtful: bool
) -> LastAttacks:
    """The targeted attack, and where gradients are in doubt the Square attack with many more queries.

    Args:
        session: of the network.
        few: all few points.
        held: (N,) bool, those that all other attacks left right.
        budget: how much to spend.
        cut: whether some gradients are zero, so that the targeted attack leads them through what cuts them.
        doubtful: whether there is a reason to doubt that gradients lead anywhere.

    Returns:
        The records, and which points are left.
    """
    session.begin("PGD on one target after the other")
    model: nn.Module = StraightThrough(session.strong_model) if cut else session.strong_model
    left = held.nonzero().flatten()
    late, held = torch.zeros_like(held), held.clone()
    if len(left):
        found = targeted_attack(
            model, few.images[left], few.labels[left], session.threat,
            steps=budget.target_steps, targets=budget.targets,
            generator=generator(session.seed, "diagnosis", POSITIONS["targeted"]), batch_size=session.batch_size,
        )  # fmt: skip
        held[left], late[left] = found.held, found.late
    card = targeted_card(budget.target_steps, budget.targets)
    name = f"targeted-{budget.target_steps}-{budget.targets}"
    card = {**card, "gradients": "straight through" if cut else "exact", "points": "left by all before"}
    runs = [session.by_card(name, "targeted", budget.target_steps, card, held.clone(), restarts=budget.targets)]

    session.begin("the Square attack on what is left")
    if doubtful and held.any():
        left = held.nonzero().flatten()
        source = generator(session.seed, "diagnosis", POSITIONS["square"])
        images, labels = few.images[left], few.labels[left]
        held[left] = square_attack(
            session.strong_model, images, labels, session.threat, queries=budget.most_queries, generator=source
        )
        card = {"attack": "square", "queries": budget.most_queries, "restarts": 1, "points": "left by all before"}
        runs.append(session.by_card(f"square-{budget.most_queries}", "black-box", budget.most_queries, card, held))
    return LastAttacks(runs, late, held)
