"""The radius at which the verdict changes: the same network judged at other radii, with fewer points."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.numbers import format_number
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.budget import BUDGETS, Budget
from cotoolkit.diagnosis.judging.verdict import reach_verdict
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.measuring.run_measurements import run_measurements
from cotoolkit.diagnosis.schema import INCONCLUSIVE, ROBUST, VerdictAt, VerdictChange

FARTHEST = 8.0
"""How far from epsilon, as a factor, a change is looked for."""

LOOK = BUDGETS["quick"].model_copy(
    update={
        "name": "look", "points": 128, "evidence_points": 2, "label_classes": 1, "hessian_points": 1,
        "surface_points": 1, "surface": 2,
    }
)  # fmt: skip
"""What is spent at each radius."""


def change_of_verdict(
    model: nn.Module, points: Points, found: Measurements, threat: ThreatModel, budget: Budget, seed: int
) -> VerdictChange | None:
    """Between which radii the verdict changes, each judged on the first points with the budget `LOOK`.

    Args:
        model: logits out, in evaluation mode.
        points: of the diagnosis.
        found: at the radius of the threat.
        threat: of the diagnosis.
        budget: says how many radii may be looked at.
        seed: of all random starts.

    Returns:
        The change; None if the budget has no looks.
    """
    if not budget.looks:
        return None
    few = points.first(LOOK.points)

    def judge(radius: float) -> VerdictAt:
        return _at(run_measurements(model, few, threat.resized(radius), LOOK, seed=seed).measurements, radius)

    return find_change(_at(found, threat.epsilon), judge, budget.looks)


def change_in_words(change: VerdictChange) -> str:
    """The answer as a sentence."""
    if change.low is None or change.high is None:
        radii = [one.epsilon for one in change.looked]
        known = f"from {format_number(min(radii))} to {format_number(max(radii))}"
        return f"At every radius looked at, {known}, the verdict is the same, or inconclusive."
    return (
        f"The verdict changes from {change.below} to {change.above} between the radii {format_number(change.low)} and "
        f"{format_number(change.high)}."
    )


def find_change(here: VerdictAt, judge: Callable[[float], VerdictAt], looks: int) -> VerdictChange:
    """Look for the radius next to epsilon at which the verdict is another.

    Away from epsilon by factors of 2, to larger radii for a robust network and to smaller ones for any other; once the
    verdict is another, halfway between (of the logarithms). Where a radius is inconclusive, nothing has changed yet;
    the ends of the change are never inconclusive, unless epsilon is.

    Args:
        here: the verdict at epsilon.
        judge: gives the verdict at a radius.
        looks: radii to judge at most.

    Returns:
        The change, and all that was looked at.
    """
    looked = [here]
    up = here.label == ROBUST
    near, other = here, None
    for _ in range(looks):
        radius = math.sqrt(near.epsilon * other.epsilon) if other else near.epsilon * (2.0 if up else 0.5)
        if radius > 1 or not 1 / FARTHEST <= radius / here.epsilon <= FARTHEST:
            break
        found = judge(radius)
        looked.append(found)
        if found.label in (here.label, INCONCLUSIVE):
            near = found
        else:
            other = found
    looked.sort(key=lambda one: one.epsilon)
    if other is None:
        return VerdictChange(looked=tuple(looked), low=None, high=None, below=None, above=None)
    # Radii between the two ends that are inconclusive belong to neither.
    same = (one for one in looked if one.label == here.label and (one.epsilon < other.epsilon) == up)
    low, high = sorted(
        [min(same, key=lambda one: abs(one.epsilon - other.epsilon)), other], key=lambda one: one.epsilon
    )
    return VerdictChange(looked=tuple(looked), low=low.epsilon, high=high.epsilon, below=low.label, above=high.label)


def _at(found: Measurements, epsilon: float) -> VerdictAt:
    verdict = reach_verdict(found, epsilon)
    return VerdictAt(epsilon=epsilon, label=verdict.label, confidence=verdict.confidence, worst=found.hardest)
