"""What the theory predicts across settings and over time: the slope of P4, the window for k, radii, the course."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.core.claims import ClaimResult, check
from analyses.core.statistics import slope
from analyses.purification.predictions import make_claim
from analyses.purification.tables import Tables

SLOPE = make_claim(
    "P4-slope", "the mixture grows in proportion to k/d", "|slope - 1| of log eps on log(k/d) over all settings",
    "below", 0.5, 1, "D, R-med", "nearer to 1 than to the next powers, 1/2 and 3/2",
)  # fmt: skip

RADII = make_claim(
    "Q-radius", "the mixture explains the radius that breaks a net", "|measured/predicted - 1|, ratio of 50 % radii",
    "below", 0.25, 1, "D", "a heuristic of orders of magnitude, right within a quarter",
)  # fmt: skip

WINDOW = make_claim(
    "Q-window", "purification gains little where k is too small",
    "PGD accuracy gained at the smallest k, in units of the largest gain", "below", 0.5, 1, "D", "less than half",
)  # fmt: skip

COURSE = make_claim(
    "Q-course", "the mixture falls before robustness rises, or with it",
    "half-time of the fall less that of the rise of PGD accuracy, in units of the phase", "below", 0.1, 0, "D",
    "later by less than a tenth of the phase",
)  # fmt: skip

WINDOW_CELLS = 4
"""Different k at one d, below which the window is not judged."""


def judge_scaling(tables: Tables) -> list[ClaimResult]:
    """Check the claims that need several settings or moments; those that the scale has no settings for are left out."""
    clean, fgm = _wide(tables.scalars, "clean"), _wide(tables.scalars, "fgm")
    results = []
    if len(clean.groupby(["d", "k"])) > 2:
        results.append(check(SLOPE, [abs(value - 1) for value in _slopes(clean)]))
    errors = _radius_errors(clean, fgm)
    course = tables.course
    trend = sorted(set(errors.loc[errors["role"] == "size", "d"].tolist()))
    sizes = {d: errors.loc[(errors["role"] == "size") & (errors["d"] == d), "error"].tolist() for d in trend}
    results.append(check(RADII, sizes[max(sizes)], sizes))
    lags = {d: _lags(course[(course["role"] == "size") & (course["d"] == d)]) for d in trend}
    results.append(check(COURSE, lags[max(lags)], lags))
    gains = _gains(clean, fgm)
    counts = gains.groupby("d")["k"].nunique()
    if (counts >= WINDOW_CELLS).any():
        results.append(check(WINDOW, _window(gains[gains["d"] == counts[counts >= WINDOW_CELLS].index.max()])))
    return results


def _wide(scalars: pd.DataFrame, stage: str) -> pd.DataFrame:
    rows = scalars[scalars["stage"] == stage]
    return rows.pivot_table(
        index=["setting", "role", "d", "k", "seed"], columns="statistic", values="value"
    ).reset_index()


def _slopes(clean: pd.DataFrame) -> list[float]:
    """One slope per seed that all settings have."""
    settings = clean["setting"].nunique()
    rows = [seed for _, seed in clean.groupby("seed") if len(seed) == settings]
    return [slope(np.log(seed["k"] / seed["d"]), np.log(seed["epsilon"].clip(lower=1e-6))).mean for seed in rows]


def _radius_errors(clean: pd.DataFrame, fgm: pd.DataFrame) -> pd.DataFrame:
    """A mixture eps shifts the output eps sqrt(k d) times as much as the features do, so radii go as 1 / (1 + that)."""
    both = clean.merge(fgm, on=["setting", "role", "d", "k", "seed"], suffixes=("", "_after"))
    amplifier = np.sqrt(both["k"] * both["d"])
    predicted = (1 + amplifier * both["epsilon_all_after"]) / (1 + amplifier * both["epsilon_all"])
    return both.assign(error=(both["half_radius"] / both["half_radius_after"] / predicted - 1).abs())


def _lags(course: pd.DataFrame) -> list[float]:
    lags = []
    for _, rows in course[course["phase"] == "fgm"].groupby("seed"):
        table = rows.pivot_table(index="step", columns="statistic", values="value")
        lags.append((_half_time(table["mixture"]) - _half_time(table["pgd"])) / table.index.max())
    return lags


def _half_time(series: pd.Series) -> float:
    """The first step at which a series is halfway from its first to its last value."""
    way = (series - series.iloc[0]) / (series.iloc[-1] - series.iloc[0])
    return float((way >= 0.5).idxmax())


def _gains(clean: pd.DataFrame, fgm: pd.DataFrame) -> pd.DataFrame:
    both = clean.merge(fgm, on=["setting", "role", "d", "k", "seed"], suffixes=("", "_after"))
    return both.assign(gain=both["accuracy_pgd_after"] - both["accuracy_pgd"])


def _window(gains: pd.DataFrame) -> list[float]:
    table = gains.pivot_table(index="k", columns="seed", values="gain").dropna(axis="columns")
    return [float(gain.loc[table.index.min()] / gain.max()) for _, gain in table.items()]
