"""From tables of runs to the numbers that the claims are about: cost, escape from CO, areas between curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analyses.local_ball.plan import LocalBallPlan
from cotoolkit.core.errors import ConfigError

OUTCOME = (
    *("arm", "seed", "run", "units", "cost", "verdict", "breakpoint", "iterations", "onset", "escaped"),
    *("clean", "fgsm"),
)
"""Columns of the outcomes, before accuracies under stronger attacks."""


def outcomes(plan: LocalBallPlan, table: pd.DataFrame) -> pd.DataFrame:
    """What came out of every run.

    Args:
        plan: the study.
        table: of its first round.

    Returns:
        One row per arm and seed: arm, seed, run, units (forward-backward passes of a step; a lone forward is one half),
        cost (units times epochs), verdict, breakpoint (missing where there was none: censored), iterations, onset (the
        breakpoint as a share of training; 1 where censored), escaped (no breakpoint, and the training did not diverge),
        clean, fgsm, pgd-50 (accuracies in [0, 1]), seconds (of the whole run, with its probes and evaluation, on
        whatever else the machine did).
    """
    found = plan.labelled(table)
    costs = [run.config.method.cost_per_step() for run in plan.runs()]
    units = pd.Series([(cost.forward + cost.backward) / 2 for cost in costs])
    broke = found["breakpoint"].notna()
    onset = (found["breakpoint"] / found["iterations"]).astype(float).where(broke, 1.0)
    return found.assign(
        units=units,
        cost=units * [run.config.epochs for run in plan.runs()],
        onset=onset,
        escaped=~broke & (found["verdict"] != "diverged"),
    ).reindex(columns=[*OUTCOME, "pgd-50", "seconds"])


def with_attacks(found: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """The outcomes with `robust`, `pgd-50` and `hidden`, the difference, at the study's radius on the plan's points.

    They replace the run's own PGD-50 accuracy. Diverged runs have none.

    Args:
        found: what `outcomes` returns.
        measures: of the runs, those of `attacked` among them.

    Returns:
        The same rows; accuracies in [0, 1].
    """
    attacked = measures[measures["statistic"].isin(["attacked_robust", "attacked_pgd"])]
    wide = attacked.pivot_table(index=["arm", "seed"], columns="statistic", values="value")
    wide = wide.reindex(pd.MultiIndex.from_frame(found[["arm", "seed"]])).set_axis(found.index)
    robust, pgd = wide["attacked_robust"], wide["attacked_pgd"]
    return found.drop(columns="pgd-50").assign(robust=robust, hidden=pgd - robust, **{"pgd-50": pgd})


def escape_radius(rhos: Sequence[float], escaped: Sequence[bool]) -> float:
    """The radius from which on runs escape CO: the threshold with the fewest runs on its wrong side.

    Thresholds lie halfway between neighbouring radii, and halfway from 0 to the smallest; of equally good ones the mean
    counts. Infinite where no radius of the sweep does better than none: where the rule that no run escapes has as few
    on its wrong side.

    >>> escape_radius([0.1, 0.5, 1.0], [False, True, True])
    0.3
    >>> escape_radius([0.1, 0.5, 1.0], [False, True, False])
    inf
    """
    order = np.argsort(rhos)
    radii, escapes = np.asarray(rhos, dtype=float)[order], np.asarray(escaped)[order]
    places = np.append((np.append(0, radii[:-1]) + radii) / 2, np.inf)
    wrong = np.array([np.sum((radii > place) != escapes) for place in places])
    return float(places[wrong == wrong.min()].mean())  # infinite if the rule without a radius is among the best


def predicted_right(rhos: Sequence[float], escaped: Sequence[bool], needed: float) -> float:
    """Share of runs for which "it escapes if and only if rho exceeds 1 - t*" is right.

    Args:
        rhos: of the runs.
        escaped: whether they did.
        needed: median of 1 - t*.
    """
    return float(np.mean((np.asarray(rhos) > needed) == np.asarray(escaped)))


def area_between(cost: ArrayLike, value: ArrayLike, other_cost: ArrayLike, other_value: ArrayLike) -> float:
    """Mean height of one curve above another over the costs that both span; linear between the points.

    Of several points of one cost the best counts.

    Args:
        cost: (points,), of the first curve, in any order.
        value: (points,), of the first curve.
        other_cost: (points of the other curve,).
        other_value: (points of the other curve,).

    Returns:
        The height; nan where the spans share no more than a single cost, which is no stretch of two curves.

    Raises:
        ConfigError: a curve has no point.

    >>> area_between([1, 3], [0, 2], [2, 3], [0, 0])
    1.5
    """
    first, second = _curve(cost, value), _curve(other_cost, other_value)
    low, high = max(first[0][0], second[0][0]), min(first[0][-1], second[0][-1])
    if low >= high:
        return float("nan")
    inside = [place for place in (*first[0], *second[0]) if low <= place <= high]
    places = np.unique([low, high, *inside])
    heights = np.interp(places, *first) - np.interp(places, *second)
    return float(np.trapezoid(heights, places) / (high - low))


def height_above(cost: ArrayLike, value: ArrayLike, other_cost: float, other_value: float) -> float:
    """Height of a curve above a single point, at the point's cost; linear between the points.

    Args:
        cost: (points,), of the curve, in any order; of several points of one cost the best counts.
        value: (points,), of the curve.
        other_cost: of the single point.
        other_value: of the single point.

    Returns:
        The height; nan where the curve does not span that cost.

    Raises:
        ConfigError: the curve has no point.

    >>> height_above([1, 3], [0, 2], 2, 0.25)
    0.75
    """
    costs, values = _curve(cost, value)
    return float(np.interp(other_cost, costs, values, left=np.nan, right=np.nan) - other_value)


def _curve(cost: ArrayLike, value: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    if not np.size(cost):
        raise ConfigError("a curve without points has no height; give at least one cost and value")
    points = pd.Series(np.asarray(value, dtype=float), index=np.asarray(cost, dtype=float))
    best = points.groupby(level=0).max()
    return best.index.to_numpy(), best.to_numpy()
