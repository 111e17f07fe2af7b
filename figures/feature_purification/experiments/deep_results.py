"""What the recipes about deep networks read from their measures, and what must hold before they claim anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analyses.core.claims import ClaimRow, claim
from figures.feature_purification.experiments.deep_measures import POINTS


@dataclass(frozen=True)
class DeepResults:
    """Measures of the networks of all seeds.

    Attributes:
        data: as `measured_parts` gives it.
    """

    data: pd.DataFrame

    def of(self, part: str, statistic: str, **where: Any) -> pd.Series:
        """A statistic by seed.

        Args:
            part: of the measures.
            statistic: of the part.
            **where: columns and what they should be, to choose among the rows.

        Returns:
            Its values, with seeds as index; empty for a part that is not there.
        """
        rows = self.data[(self.data["part"] == part) & (self.data["statistic"] == statistic)]
        for column, value in where.items():
            rows = rows[rows[column] == value] if len(rows) else rows
        return rows.set_index("seed")["value"]

    def minus(self, network: str, other: str, part: str, statistic: str) -> pd.Series:
        """A statistic of one network minus that of another.

        Args:
            network: the one.
            other: the other.
            part: of the measures.
            statistic: of the part.

        Returns:
            The difference, with seeds as index.
        """
        return self.of(part, statistic, network=network) - self.of(part, statistic, network=other)

    def robust_minus(self, other: str, part: str, statistic: str) -> pd.Series:
        """A statistic of the robust network minus that of another, see `minus`."""
        return self.minus("robust", other, part, statistic)

    def angle(self, pair: str) -> pd.Series:
        """Median angle between units of a pair of networks, in degrees: a mean over layers, by seed."""
        return self.angles_by_layer(pair).mean(axis=1)

    def angles_by_layer(self, pair: str, statistic: str = "median") -> pd.DataFrame:
        """A statistic of the angles between two networks' units.

        Args:
            pair: of networks.
            statistic: of the angles.

        Returns:
            Degrees or shares: rows are seeds, columns layers in their order.
        """
        rows = self.data[(self.data["pair"] == pair) & (self.data["statistic"] == statistic)]
        table = rows.pivot_table(index="seed", columns="layer", values="value")
        return table[list(rows["layer"].unique())]


PGD_ACCURACY = f"PGD-10 accuracy on {POINTS} test images"

LEARNED: ClaimRow[DeepResults] = claim(
    "learned", "Clean training learned the labels", f"clean accuracy of w on {POINTS} test images",
    value=lambda deep: deep.of("accuracies", "clean", network="clean"), above=0.5, source="ours: premise",
)  # fmt: skip
"""Premise of what is claimed of clean networks; five times chance."""

ROBUST: ClaimRow[DeepResults] = claim(
    "robust", "Adversarial training from clean weights makes the network robust", f"{PGD_ACCURACY}, w′ minus w",
    value=lambda deep: deep.robust_minus("clean", "accuracies", "pgd-10"), above=0.1, source="ours: premise",
)  # fmt: skip
"""Premise of what is claimed of robust networks."""

ROBUST_BY_FGSM: ClaimRow[DeepResults] = claim(
    "robust_by_fgsm", "FGSM training from clean weights makes the network robust", f"{PGD_ACCURACY}, w″ minus w",
    value=lambda deep: deep.minus("fgsm", "clean", "accuracies", "pgd-10"), above=0.1, source="ours: premise",
)  # fmt: skip
"""Premise of what is claimed of networks after FGSM training."""
