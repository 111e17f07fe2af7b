"""The study's tables, read by arm and seed: the numbers that its claims and pictures are made of."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.judging.premises import ROBUST
from analyses.core.judging.seed_measures import OnsetDifference
from analyses.core.study import Tables
from analyses.memorisation.image_groups import T_MEM

MARGIN = 0.01
"""Equivalence margin of finding (a): one point of accuracy [R]."""

Floats = NDArray[np.floating]


class Accuracies:
    """Reads accuracies off a table (`accuracy_table`), one value per seed."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table.set_index(["kind", "arm", "group", "event", "seed"])["accuracy"].sort_index()

    def of(self, kind: str, arm: str, group: str, event: str) -> pd.Series[float]:
        """By seed; empty if there is none."""
        try:
            found: pd.Series[float] = self._table.loc[(kind, arm, group, event)]
        except KeyError:
            return pd.Series(dtype=float)
        return found

    def minus(self, kind: str, arm: str, other: str, group: str, event: str) -> pd.Series[float]:
        """Accuracy with `arm` minus that with `other`, by seed; seeds without one of them are left out."""
        difference: pd.Series[float] = self.of(kind, arm, group, event) - self.of(kind, other, group, event)
        return difference.dropna().astype(float)


class MemorisationResults:
    """Reads the tables of one setting, of which some may be missing; what they do not hold is empty."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @cached_property
    def accuracies(self) -> Accuracies:
        """By kind of training, arm, group of test images and event."""
        return Accuracies(self._tables["accuracies"])

    def lost(self, event: str, arm: str = "without atypical") -> pd.Series[float]:
        """Accuracy lost on linked test images by adversarial training without some images, by seed."""
        return self.accuracies.minus("adversarial", "all", arm, "linked", event)

    def gained(self, arm: str, other: str, group: str = "typical", event: str = "robust") -> pd.Series[float]:
        """Accuracy of adversarial training on a group of test images: one arm minus another, by seed."""
        return self.accuracies.minus("adversarial", arm, other, group, event)

    def trained(self, arm: str, least: float) -> pd.Series[bool]:
        """Which seeds of an arm of adversarial training end robust, and above a clean accuracy.

        Args:
            arm: whose runs.
            least: clean accuracy on all test images.

        Returns:
            Truth values by seed.
        """
        clean, robust = (self.accuracies.of("adversarial", arm, "all", event) for event in ("clean", "robust"))
        return (clean > least) & (robust > ROBUST)

    def specific(self) -> pd.Series[float]:
        """Robust accuracy gained on typical images, minus the clean accuracy that standard training gains, by seed.

        nan for a seed that has one of the two alone.
        """
        arms = "without flagged", "without atypical"
        return self.gained(*arms) - self.accuracies.minus("standard", *arms, "typical", "clean")

    def influence(self, event: str) -> Floats:
        """Of an atypical image on the number of right test images, by pair of halves."""
        table = self._tables["influence"]
        return np.asarray(table.loc[table["event"] == event, "value"], dtype=float)

    def rare_area(self) -> Floats:
        """Area under the curve of memorisation for finding planted rare images, by disjoint group of models."""
        return np.asarray(self._tables["rare_area"]["area"], dtype=float)

    def flags(self, column: str) -> Floats:
        """Of the table of flags, by seed, for memorisation above `T_MEM`."""
        flags = self._tables["flags"]
        if column not in flags:
            return np.array([])
        return np.asarray(flags.loc[np.isclose(flags["threshold"].astype(float), T_MEM), column], dtype=float)

    def noise(self, column: str) -> Floats:
        """Of the table of label noise, by seed, at the end of training."""
        noise = self._tables["noise"]
        return np.asarray(noise.loc[noise["iteration"] == noise["iteration"].max(), column], dtype=float)


class BreakingResults:
    """Reads the tables of single-step training that breaks.

    Args:
        course: `flag_course` of the runs, with the columns arm and seed.
        onsets: one row per run (`analyses.memorisation.study`).
    """

    def __init__(self, course: pd.DataFrame, onsets: pd.DataFrame) -> None:
        self._course, self._onsets = course, onsets

    def across(self, arm: str, reach: int) -> pd.DataFrame:
        """Flags before and after each break of an arm: the looks nearest to `reach` iterations on either side of it.

        Args:
            arm: whose runs.
            reach: iterations.

        Returns:
            Columns seed, before, after (shares flagged under the training attack), before_pgd, after_pgd, clean_error
            (after); a row per run that broke at least `reach` after its first and before its last look.
        """
        rows = []
        onsets = self._onsets
        for run in onsets[(onsets["arm"] == arm) & onsets["onset"].notna()].to_dict("records"):
            looks = self._course[(self._course["arm"] == arm) & (self._course["seed"] == run["seed"])]
            looks = looks.sort_values("iteration")
            places, onset = looks["iteration"].to_numpy(), run["onset"]
            if onset - reach < places[0] or onset + reach > places[-1]:
                continue
            before, after = (looks.iloc[int(abs(places - place).argmin())] for place in (onset - reach, onset + reach))
            rows.append(
                {
                    "seed": run["seed"],
                    "before": before["flagged"],
                    "after": after["flagged"],
                    "before_pgd": before["flagged_pgd"],
                    "after_pgd": after["flagged_pgd"],
                    "clean_error": after["clean_error"],
                }
            )
        return pd.DataFrame(rows, columns=["seed", "before", "after", "before_pgd", "after_pgd", "clean_error"])

    @property
    def arms(self) -> set[str]:
        """Those that were trained."""
        return set(self._onsets["arm"])

    def broke(self, arm: str) -> pd.Series[bool]:
        """Which runs of an arm have a breakpoint."""
        return self._of(arm)["onset"].notna()

    def trained(self, arm: str) -> pd.Series[bool]:
        """Which runs of an arm have a breakpoint, or end robust."""
        return self.broke(arm) | (self._of(arm)["pgd-10"] > ROBUST)

    def later(self, arm: str, other: str) -> OnsetDifference:
        """By what share of training one arm has its breakpoint later than another."""
        first, second = ((self._share(name), self.broke(name)) for name in (arm, other))
        return OnsetDifference(*first, *second)

    def _of(self, arm: str) -> pd.DataFrame:
        return self._onsets[self._onsets["arm"] == arm]

    def _share(self, arm: str) -> pd.Series[float]:
        """Of training until the breakpoint, or to its end."""
        runs = self._of(arm)
        return (runs["onset"] / runs["last"]).fillna(1.0).astype(float)

    def alignment_gain(self, arm: str) -> Floats:
        """Gradient alignment of an arm minus that of the plain one, at the last look before the plain one breaks."""
        found = []
        plain = self._onsets[(self._onsets["arm"] == "plain") & self._onsets["onset"].notna()]
        for run in plain.to_dict("records"):
            looks = self._course[(self._course["seed"] == run["seed"]) & (self._course["iteration"] < run["onset"])]
            by_arm = looks.pivot_table(index="iteration", columns="arm", values="alignment")
            if arm in by_arm and len(by_arm.dropna(subset=[arm, "plain"])):
                last = by_arm.dropna(subset=[arm, "plain"]).iloc[-1]
                found.append(float(last[arm] - last["plain"]))
        return np.array(found)
