"""Accuracy of each run on each group of test images, and what leaving images out does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.statistics import estimate
from analyses.memorisation.sets import Marks


def accuracy_table(correct: pd.DataFrame, groups: Mapping[tuple[str, int | None], Marks]) -> pd.DataFrame:
    """Accuracy by run, group of test images and event: columns kind, arm, seed, group, event, accuracy, images.

    Args:
        correct: measures of `Correct` on the test set.
        groups: test images, (M,) bool, by name and seed; None means for every seed.
    """
    events = [str(name) for name in correct.columns if name == "clean" or str(name).startswith("robust")]
    rows = []
    for (kind, arm, seed), run in correct[correct["part"] == "test"].groupby(["kind", "arm", "seed"]):
        ordered = run.sort_values("index")
        for (group, of_seed), members in groups.items():
            if of_seed not in (None, seed) or not members.any():
                continue
            for event in events:
                if ordered[event].isna().any():  # not measured of these runs
                    continue
                values = ordered[event].to_numpy(dtype=bool)[members]
                row = {"kind": kind, "arm": arm, "seed": seed, "group": group, "event": event}
                rows.append({**row, "accuracy": values.mean(), "images": int(members.sum())})
    return pd.DataFrame(rows)


class Accuracies:
    """Reads accuracies off a table, one value per seed."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table.set_index(["kind", "arm", "group", "event", "seed"])["accuracy"].sort_index()

    def of(self, kind: str, arm: str, group: str, event: str) -> pd.Series[float]:
        """By seed; empty if there is none."""
        try:
            found: pd.Series[float] = self._table.loc[(kind, arm, group, event)]
        except KeyError:
            return pd.Series(dtype=float)
        return found

    def less(self, kind: str, arm: str, other: str, group: str, event: str) -> NDArray[np.floating]:
        """Accuracy with `arm` less that with `other`, by seeds that have both."""
        difference = self.of(kind, arm, group, event) - self.of(kind, other, group, event)
        return difference.dropna().to_numpy(dtype=float)


def summary(table: pd.DataFrame, groups: Sequence[str], against: str) -> pd.DataFrame:
    """Mean accuracies by arm, and the difference from one of the arms with its 95 % interval over seeds.

    Args:
        table: of `accuracy_table`.
        groups: to show, in order.
        against: the arm that differences are from.
    """
    read = Accuracies(table)
    rows = []
    for kind, arm in table[["kind", "arm"]].drop_duplicates().itertuples(index=False):
        for group in groups:
            for event in table["event"].unique():
                values = read.of(kind, arm, group, event)
                if values.empty:
                    continue
                change = estimate(read.less(kind, arm, against, group, event))
                rows.append(
                    {
                        "training": kind,
                        "arm": arm,
                        "group": group,
                        "event": event,
                        "accuracy": values.mean(),
                        "change": change.mean,
                        "low": change.low,
                        "high": change.high,
                        "seeds": len(values),
                    }
                )
    return pd.DataFrame(rows)
