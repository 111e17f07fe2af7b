"""The study's tables, read by arm and seed: the numbers that its claims and pictures are made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from typing_extensions import override

from analyses.core.judging.seed_measures import OnsetDifference
from analyses.holistic_robust.plan import PLAIN, hr_name, name_on_share

WINDOW = (-60, -1)
"""Iterations, counted from the breakpoint, over which weights on abnormal samples are averaged."""


class HolisticResults:
    """Reads a table of one row per arm and seed.

    Args:
        table: what one of the functions of `analyses.holistic_robust.tables` returns.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @property
    def arms(self) -> set[str]:
        """Those that are there."""
        return set(self.table["arm"])

    @property
    def words(self) -> Mapping[str, object]:
        """What stands for `{names}` in claims."""
        return {}

    def of(self, arm: str, column: str) -> pd.Series[float]:
        """A column by seed; empty for an arm that is not there."""
        return self.table[self.table["arm"] == arm].set_index("seed")[column].astype(float)

    def minus(self, arm: str, other: str, column: str) -> pd.Series[float]:
        """One arm minus another, seed by seed."""
        return self.of(arm, column) - self.of(other, column)

    def mean_by_seed(self, column: str, minus: str) -> pd.Series[float]:
        """A column minus another, mean over arms."""
        return (self.table[column] - self.table[minus]).groupby(self.table["seed"]).mean()


class OverfittingResults(HolisticResults):
    """Reads the table of ends: at the smallest share of the data, and at the largest radius of HR."""

    @property
    def few(self) -> float:
        """The smallest share of the training data."""
        return float(self.table["share"].min())

    @property
    def strong(self) -> float:
        """The largest radius of HR."""
        return float(self.table["r"].max())

    @property
    def standard(self) -> str:
        """Name of the arm of standard training."""
        return name_on_share(self.few, None)

    @property
    def plain(self) -> str:
        """Of plain adversarial training."""
        return name_on_share(self.few, 0.0)

    @property
    def hr(self) -> str:
        """Of HR."""
        return name_on_share(self.few, self.strong)

    @property
    @override
    def words(self) -> Mapping[str, object]:
        return {"few": self.few, "strong": self.strong, "points": int(self.of(self.hr, "train_points").max())}

    def trained(self, arm: str, robust: float) -> pd.Series[bool]:
        """Which seeds of an arm end above a robust accuracy."""
        return self.of(arm, "test_accuracy") > robust

    def power(self) -> pd.Series[float]:
        """Of 1/n, with which the implied radius of plain adversarial training falls from the smallest share to all."""
        few, everything = (self.of(arm, "G5").clip(lower=1e-9) for arm in (self.plain, name_on_share(1.0, 0.0)))
        power: pd.Series[float] = np.log(few / everything) / np.log(1 / self.few)
        return power


class OnsetResults(HolisticResults):
    """Reads the table of onsets and the weights around breakpoints.

    Args:
        onsets: one row per arm and seed (`single_step_onsets`).
        weights: around the breakpoints (`weight_courses`).
        matched: (r, alpha) of the HR arm that the controls match.
    """

    def __init__(self, onsets: pd.DataFrame, weights: pd.DataFrame, matched: tuple[float, float]) -> None:
        super().__init__(onsets)
        self.weights, self.hr = weights, hr_name(*matched)

    @property
    @override
    def words(self) -> Mapping[str, object]:
        return {"hr": self.hr}

    def _weighed(self) -> set[str]:
        return {arm for arm in self.arms if arm.startswith("HR ")}

    def trained(self, arm: str, robust: float) -> pd.Series[bool]:
        """Which seeds of an arm have a breakpoint, or end above a robust accuracy."""
        return self.of(arm, "broke").astype(bool) | (self.of(arm, "pgd-50") > robust)

    def hr_broke(self) -> pd.Series[bool]:
        """Which seeds have an HR arm with a breakpoint."""
        weighed = self.table[self.table["arm"].isin(self._weighed())]
        broke: pd.Series[bool] = weighed.groupby("seed")["broke"].any()
        return broke

    def later(self, arm: str = PLAIN) -> OnsetDifference:
        """By how many iterations the matched HR arm has its breakpoint later than another."""
        hr, other = ((self.of(name, "time"), self.of(name, "broke")) for name in (self.hr, arm))
        return OnsetDifference(*hr, *other)

    def abnormal_excess(self) -> pd.Series[float]:
        """Weight of abnormal samples minus their share, before the breakpoint; mean over the HR arms that broke."""
        rows = self.weights[self.weights["arm"].isin(self._weighed()) & self.weights["offset"].between(*WINDOW)]
        means = rows.groupby(["signal", "arm", "seed"])["value"].mean()
        if not {"abnormal_weight", "abnormal_share"} <= set(rows["signal"]):
            return pd.Series(dtype=float)
        excess: pd.Series[float] = (means["abnormal_weight"] - means["abnormal_share"]).groupby("seed").mean()
        return excess

    def value_excess(self) -> pd.Series[float]:
        """Worst case over FGSM losses minus the mean robust loss; mean over the HR runs that broke."""
        broken = self.table["broke"] & self.table["arm"].isin(self._weighed())
        return HolisticResults(self.table[broken]).mean_by_seed("value_fgsm", "mean_robust")
