"""What the theory's claims read from the tables of an experiment: numbers by size, and across settings and moments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.statistics import slope
from analyses.purification.tables import TheoryTables
from cotoolkit.core.errors import ConfigError

Values = NDArray[np.float64]

Lookup = Callable[[str, str], Values]
"""Stage and statistic -> one number per seed of a setting; KeyError where the setting has none."""

WINDOW_CELLS = 4
"""Different k at one d, below which the window for k is not judged."""

CELLS = ["setting", "role", "d", "k", "seed"]


class TheoryResults:
    """An experiment as its claims read it.

    Args:
        tables: of the experiment.
    """

    def __init__(self, tables: TheoryTables) -> None:
        self._tables = tables
        sizes = tables.scalars[tables.scalars["role"] == "size"]
        self._lookups = {d: _lookup(sizes[sizes["d"] == d]) for d in sorted(set(sizes["d"].tolist()))}

    def by_size(self, measure: Callable[[Lookup], Values]) -> dict[int, list[float]]:
        """A measure of single settings.

        Args:
            measure: from the scalars of a setting to one number per seed.

        Returns:
            Per seed, by the d of the settings that have all the numbers it takes.

        Raises:
            ConfigError: no setting has.
        """
        found = {}
        for d, lookup in self._lookups.items():
            try:
                found[d] = measure(lookup).tolist()
            except KeyError:
                continue  # a setting without controls
        if not found:
            raise ConfigError("no setting has all stages; run a whole scale")
        return found

    def comparisons(self) -> set[str]:
        """Which comparisons across settings the experiment allows: "grid", "window", both or none."""
        allowed = {"grid"} if len(self._clean.groupby(["d", "k"])) > 2 else set()
        return allowed | ({"window"} if self._window_sizes else set())

    def slope_errors(self) -> list[float]:
        """|slope - 1| of log eps on log(k / d), one per seed that all settings have."""
        settings = self._clean["setting"].nunique()
        rows = [seed for _, seed in self._clean.groupby("seed") if len(seed) == settings]
        slopes = [slope(np.log(seed["k"] / seed["d"]), np.log(seed["epsilon"].clip(lower=1e-6))).mean for seed in rows]
        return [abs(value - 1) for value in slopes]

    def radius_errors(self) -> dict[int, list[float]]:
        """|measured / predicted - 1| of the ratio of 50 % radii before and after, per seed by d.

        A mixture eps shifts the output eps sqrt(k d) times as much as the features do, so radii go as 1 / (1 + that).
        """
        both = self._before_and_after[self._before_and_after["role"] == "size"]
        amplifier = np.sqrt(both["k"] * both["d"])
        predicted = (1 + amplifier * both["epsilon_all_after"]) / (1 + amplifier * both["epsilon_all"])
        errors = (both["half_radius"] / both["half_radius_after"] / predicted - 1).abs()
        return {d: errors[both["d"] == d].tolist() for d in sorted(set(both["d"]))}

    def lags(self) -> dict[int, list[float]]:
        """Half-time of the mixture's fall minus that of the rise of PGD accuracy, in units of the phase; per seed by d.

        A half-time is the first step at which a series is halfway from its first to its last value.
        """
        course = self._tables.course
        fgm = course[(course["role"] == "size") & (course["phase"] == "fgm")]
        return {d: [_lag(rows) for _, rows in fgm[fgm["d"] == d].groupby("seed")] for d in sorted(set(fgm["d"]))}

    def smallest_k_gains(self) -> list[float]:
        """PGD accuracy gained at the smallest k over the largest gain, per seed; at the largest d of a window."""
        gains = self._gains[self._gains["d"] == max(self._window_sizes)]
        table = gains.pivot_table(index="k", columns="seed", values="gain").dropna(axis="columns")
        return [float(gain.loc[table.index.min()] / gain.max()) for _, gain in table.items()]

    @property
    def _window_sizes(self) -> list[int]:
        counts = self._gains.groupby("d")["k"].nunique()
        return counts.index[counts >= WINDOW_CELLS].tolist()

    @property
    def _gains(self) -> pd.DataFrame:
        both = self._before_and_after
        return both.assign(gain=both["accuracy_pgd_after"] - both["accuracy_pgd"])

    @cached_property
    def _clean(self) -> pd.DataFrame:
        return self._wide("clean")

    @cached_property
    def _before_and_after(self) -> pd.DataFrame:
        return self._clean.merge(self._wide("fgm"), on=CELLS, suffixes=("", "_after"))

    def _wide(self, stage: str) -> pd.DataFrame:
        rows = self._tables.scalars[self._tables.scalars["stage"] == stage]
        return rows.pivot_table(index=CELLS, columns="statistic", values="value").reset_index()


def _lookup(rows: pd.DataFrame) -> Lookup:
    by_statistic = rows.sort_values("seed", kind="stable").groupby(["stage", "statistic"])["value"]
    values = {asked: found.to_numpy(dtype=float) for asked, found in by_statistic}

    def look(stage: str, statistic: str) -> Values:
        return values[stage, statistic]

    return look


def _lag(course: pd.DataFrame) -> float:
    table = course.pivot_table(index="step", columns="statistic", values="value")
    return float((_half_time(table["mixture"]) - _half_time(table["pgd"])) / table.index.max())


def _half_time(series: pd.Series) -> float:
    way = (series - series.iloc[0]) / (series.iloc[-1] - series.iloc[0])
    return float((way >= 0.5).idxmax())
