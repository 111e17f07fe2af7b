"""What the recipes about deep networks read from their measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


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
            Its values, with seeds as index.
        """
        rows = self.data[(self.data["part"] == part) & (self.data["statistic"] == statistic)]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return rows.set_index("seed")["value"]

    def robust_less(self, other: str, part: str, statistic: str) -> pd.Series:
        """A statistic of the robust network less that of another.

        Args:
            other: the other network.
            part: of the measures.
            statistic: of the part.

        Returns:
            The difference, with seeds as index.
        """
        return self.of(part, statistic, network="robust") - self.of(part, statistic, network=other)

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
