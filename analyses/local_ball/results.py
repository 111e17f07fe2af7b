"""The study's tables, read by arm and seed: the numbers that its claims and pictures are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.local_ball.outcomes import area_between, escape_radius, predicted_right
from analyses.local_ball.plan import BASELINE_ARMS, LBT_ARMS, LocalBallPlan

ROBUST = "robust"
"""Accuracy under the worst of PGD-50, PGD on the margin and the Square attack, point by point."""

MIN_ROBUST_SHARE = 0.5
"""A run that escaped is robust in earnest if it has this share of PGD-3's robust accuracy (ours)."""


class LocalBallResults:
    """Reads the study's tables: numbers by seed, nan where there are none.

    Args:
        plan: the study.
        outcomes: one row per arm and seed (`analyses.local_ball.outcomes`).
        measures: what `analyses.local_ball.measures` return, together.
    """

    def __init__(self, plan: LocalBallPlan, outcomes: pd.DataFrame, measures: pd.DataFrame) -> None:
        self.plan, self.outcomes, self.measures = plan, outcomes, measures
        self.seeds = list(plan.group.seeds)

    def of(self, arm: str, column: str = ROBUST) -> pd.Series[float]:
        """A column of the outcomes."""
        rows = self.outcomes[self.outcomes["arm"] == arm].set_index("seed")
        return rows[column].astype(float).reindex(self.seeds)

    def less(self, arm: str, other: str, column: str = ROBUST) -> pd.Series[float]:
        """One arm less another, seed by seed."""
        return self.of(arm, column) - self.of(other, column)

    def measured(
        self, arm: str, statistic: str, *, offset: int | None = None, place: float | None = None
    ) -> pd.Series[float]:
        """A measure; of the finished network, or at an offset from the breakpoint."""
        rows = self.measures[(self.measures["arm"] == arm) & (self.measures["statistic"] == statistic)]
        rows = rows[rows["offset"].isna() if offset is None else rows["offset"] == offset]
        rows = rows[rows["place"].isna() if place is None else np.isclose(rows["place"].astype(float), place)]
        return rows.set_index("seed")["value"].astype(float).reindex(self.seeds)

    def area(self, family: str) -> pd.Series[float]:
        """Mean height of LBT-M's curve of robust accuracy against cost above a baseline's."""
        return pd.Series({seed: self._area(seed, family) for seed in self.seeds})

    def _area(self, seed: int, family: str) -> float:
        own = self.outcomes[self.outcomes["seed"] == seed]
        ours, baseline = (
            own[own["arm"].isin(arms)].dropna(subset=ROBUST) for arms in (LBT_ARMS["LBT-M"], BASELINE_ARMS[family])
        )
        if ours.empty or baseline.empty:
            return float("nan")
        return area_between(ours["cost"], ours[ROBUST], baseline["cost"], baseline[ROBUST])

    def sweep(self, seed: int) -> tuple[list[float], list[bool]]:
        """Radii of the sweep, and whether the runs of a seed escaped CO."""
        arms = self.plan.sweep()
        rows = self.outcomes[(self.outcomes["seed"] == seed)].set_index("arm")
        return list(arms.values()), [bool(rows.loc[arm, "escaped"]) for arm in arms]

    def real(self) -> pd.Series[float]:
        """Share of the sweep's escaped runs that are robust under all attacks; nan where none escaped."""
        sweep = self.outcomes[self.outcomes["arm"].isin(self.plan.sweep()) & self.outcomes["escaped"]]
        needed = MIN_ROBUST_SHARE * self.of("pgd-3").reindex(sweep["seed"]).to_numpy()
        return (sweep[ROBUST] > needed).astype(float).groupby(sweep["seed"]).mean().reindex(self.seeds)

    def radius(self) -> pd.Series[float]:
        """The radius from which on LBT escapes CO; nan where FGSM does not break, infinite where LBT never escapes."""
        broke = self.of("fgsm", "breakpoint").notna()
        return pd.Series({seed: escape_radius(*self.sweep(seed)) for seed in self.seeds}).where(broke)

    def miss(self, offset: int) -> pd.Series[float]:
        """How far that radius is from the median of 1 - t* of plain FGSM training at an offset.

        Where no radius of the sweep escapes, at least as far as its largest.
        """
        radius = self.radius().clip(upper=max(self.plan.sweep().values()))
        return (radius - self.measured("fgsm", "needed_median", offset=offset)).abs()

    def right(self, offset: int) -> pd.Series[float]:
        """Share of the sweep's runs that the rule predicts right."""
        needed = self.measured("fgsm", "needed_median", offset=offset)
        known = needed.dropna()
        found = {seed: predicted_right(*self.sweep(seed), known[seed]) for seed in known.index}
        return pd.Series(found, dtype=float).reindex(self.seeds)
