"""The study's tables, read by arm and seed: the numbers that its claims and pictures are made of."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from analyses.core.judging.seed_measures import OnsetDifference
from analyses.local_ball.outcomes import area_between, escape_radius, height_above, predicted_right
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
        self.seeds = sorted(outcomes["seed"].unique())

    def of(self, arm: str, column: str = ROBUST) -> pd.Series[float]:
        """A column of the outcomes."""
        rows = self.outcomes[self.outcomes["arm"] == arm].set_index("seed")
        return rows[column].astype(float).reindex(self.seeds)

    def minus(self, arm: str, other: str, column: str = ROBUST) -> pd.Series[float]:
        """One arm minus another, seed by seed."""
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
        """Mean height of LBT-M's curve of robust accuracy against cost above a baseline's, where both are curves."""
        return pd.Series({seed: self._area(seed, family) for seed in self.seeds})

    def _area(self, seed: int, family: str) -> float:
        ours, baseline = (self._points(seed, arms) for arms in (LBT_ARMS["LBT-M"], BASELINE_ARMS[family]))
        if ours.empty or baseline.empty:
            return float("nan")
        return area_between(ours["cost"], ours[ROBUST], baseline["cost"], baseline[ROBUST])

    def height(self, arm: str) -> pd.Series[float]:
        """Height of LBT-M's curve of robust accuracy against cost above a single arm, at that arm's cost."""
        return pd.Series({seed: self._height(seed, arm) for seed in self.seeds})

    def _height(self, seed: int, arm: str) -> float:
        ours, single = self._points(seed, LBT_ARMS["LBT-M"]), self._points(seed, [arm])
        if ours.empty or single.empty:
            return float("nan")
        return height_above(ours["cost"], ours[ROBUST], single["cost"].item(), single[ROBUST].item())

    def _points(self, seed: int, arms: Collection[str]) -> pd.DataFrame:
        """The points of a curve: runs of a seed and some arms that were attacked."""
        own = self.outcomes[(self.outcomes["seed"] == seed) & self.outcomes["arm"].isin(arms)]
        return own.dropna(subset=ROBUST)

    def sweep(self, seed: int) -> tuple[list[float], list[bool]]:
        """Radii of the sweep, and whether the runs of a seed escaped CO."""
        arms = self.plan.sweep()
        rows = self.outcomes[(self.outcomes["seed"] == seed)].set_index("arm")
        return list(arms.values()), [bool(rows.loc[arm, "escaped"]) for arm in arms]

    def broke(self, arm: str) -> pd.Series[bool]:
        """Which seeds of an arm have a breakpoint."""
        return self.of(arm, "breakpoint").notna()

    def later(self, arm: str, other: str) -> OnsetDifference:
        """By what share of training one arm has its breakpoint later than another."""
        groups = [(times, self.broke(name)[times.index]) for name in (arm, other) for times in [self._onsets(name)]]
        return OnsetDifference(*groups[0], *groups[1])

    def _onsets(self, arm: str) -> pd.Series[float]:
        return self.of(arm, "onset").dropna()

    def real(self) -> pd.Series[bool]:
        """Whether all of the sweep's escaped runs are robust under all attacks, of seeds where some escaped."""
        sweep = self.outcomes[self.outcomes["arm"].isin(self.plan.sweep()) & self.outcomes["escaped"]]
        needed = MIN_ROBUST_SHARE * self.of("pgd-3").reindex(sweep["seed"]).to_numpy()
        return (sweep[ROBUST] > needed).groupby(sweep["seed"]).all()

    def radius(self) -> pd.Series[float]:
        """The radius from which on LBT escapes CO (`escape_radius`); nan where FGSM does not break."""
        broke = self.of("fgsm", "breakpoint").notna()
        return pd.Series({seed: escape_radius(*self.sweep(seed)) for seed in self.seeds}).where(broke)

    def near(self, offset: int, distance: float) -> pd.Series[bool]:
        """Whether that radius is nearer to the median of 1 - t* of plain FGSM training at an offset than a distance.

        Of seeds in which FGSM breaks; false where no radius of the sweep does better than none.
        """
        apart = (self.radius() - self.measured("fgsm", "needed_median", offset=offset)).abs()
        return apart.dropna() < distance

    def right(self, offset: int) -> pd.Series[bool]:
        """Whether the rule predicts every run of the sweep right, of seeds in which FGSM breaks."""
        known = self.measured("fgsm", "needed_median", offset=offset).dropna()
        found = {seed: predicted_right(*self.sweep(seed), known[seed]) == 1 for seed in known.index}
        return pd.Series(found, dtype=bool)
