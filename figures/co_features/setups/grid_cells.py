"""What came of the runs of a grid, cell by cell: accuracies, and the seeds with catastrophic overfitting.

Below are the premises that claims about breaks share. A run that never was robust cannot break, and a setting in which
FGSM training does not break cannot show what prevents it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.seed_measures import SeedShare, ShareDifference
from figures.co_features.setups.setup import Setup, setup_of

CHANCE = 0.1
"""Accuracy of guessing: all data sets have ten classes."""

ROBUST = 1.5 * CHANCE
"""PGD accuracy above which a network counts as robust."""

MOST = 0.5
"""Share of seeds above which most of them broke."""

SHARE = "share of seeds with catastrophic overfitting"

Cell = tuple[str | float, ...]
"""Where a run stands in a grid: its values in the columns that name the cells, in their order."""

CellOf = Callable[["GridCells"], Cell]


@dataclass(frozen=True, eq=False)
class GridCells:
    """The runs of a grid by cell and seed; runs that diverged are left out.

    Attributes:
        setup: that they are runs of.
        runs: as `grid_table` gives them, indexed by the columns that name the cells, and the seed.
    """

    setup: Setup
    runs: pd.DataFrame

    def of(self, cell: Cell, measure: str = "robust") -> pd.Series[float]:
        """What came of a cell, by seed.

        Args:
            cell: of the grid.
            measure: column; "robust" is PGD accuracy.

        Returns:
            Accuracies in [0, 1], or what the column holds; the index is the seed.
        """
        found: pd.Series[float] = self.runs[measure].loc[cell]
        return found

    def gain(self, cell: Cell, other: Cell, measure: str = "robust") -> pd.Series[float]:
        """An accuracy of a cell minus that of another, by seed."""
        return self.of(cell, measure) - self.of(other, measure)

    def broke(self, *cells: Cell) -> pd.Series[bool]:
        """Whether the monitor saw a break in any of some cells, by seed."""
        dated = pd.concat([self.of(cell, "breakpoint") for cell in cells], axis=1, join="inner")
        found: pd.Series[bool] = dated.notna().any(axis=1)
        return found

    def share(self, *cells: Cell) -> SeedShare:
        """The share of seeds that broke in any of some cells."""
        return SeedShare(self.broke(*cells))

    def difference(self, cells: Sequence[Cell], others: Sequence[Cell]) -> ShareDifference:
        """The share of seeds that broke in any of some cells minus that in others, paired by seed."""
        pairs = pd.concat([self.broke(*cells), self.broke(*others)], axis=1, join="inner")
        return ShareDifference(pairs[0], pairs[1])

    def once_robust(self, cell: Cell) -> SeedShare:
        """The share of seeds that had robustness to lose: they lost it in a break, or still have it at the end."""
        return SeedShare(self.broke(cell) | (self.of(cell) > ROBUST))

    @property
    def words(self) -> Mapping[str, object]:
        """What stands for names in claims: the setup, and its robust accuracy in words."""
        return {"setup": self.setup, "pgd": self.setup.robust_accuracy}


def grid_claims(
    rows: Sequence[ClaimRow[GridCells]],
    by: Sequence[str],
    words: Callable[[GridCells], Mapping[str, object]] = lambda _: {},
) -> ClaimTable[GridCells]:
    """Claims about the cells of a grid.

    Args:
        rows: the claims.
        by: columns that name the cells.
        words: further ones than `GridCells.words`.

    Returns:
        The table.
    """
    return ClaimTable(rows, read=lambda data: grid_cells(data, by), words=lambda n: {**n.words, **words(n)})


def grid_cells(data: pd.DataFrame, by: Sequence[str]) -> GridCells:
    """The runs of a recipe's table by cell.

    Args:
        data: as `grid_table` gives it.
        by: columns that name the cells.

    Returns:
        The cells.
    """
    return GridCells(setup_of(data), data.dropna(subset=["robust"]).set_index([*by, "seed"]).sort_index())


def is_robust(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that a cell is robust at the end."""
    return claim(
        "is_robust", f"{who} is robust", "{pgd}", above=ROBUST, null=CHANCE, value=lambda n: n.of(cell(n))
    )  # fmt: skip


def is_safe(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that fewer than half of the seeds of a cell break."""
    return claim(
        "is_safe", f"{who} breaks in fewer than half of the seeds", SHARE, below=MOST, value=lambda n: n.share(cell(n))
    )


def breaks(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that most seeds of a cell break."""
    return claim("breaks", f"{who} breaks in most seeds", SHARE, above=MOST, value=lambda n: n.share(cell(n)))


def once_robust(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that most seeds of a cell have robustness to lose."""
    return claim(
        "once_robust", f"{who} becomes robust in most seeds",
        f"share of seeds that break or end with a {{pgd}} above {ROBUST:g}", above=MOST,
        value=lambda n: n.once_robust(cell(n)),
    )  # fmt: skip


def learns(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that a cell's networks learned the classes."""
    return claim(
        "learned", f"{who} learns the classes", "clean accuracy on {setup.test_images} test images", above=0.5,
        null=CHANCE, value=lambda n: n.of(cell(n), "clean"),
    )  # fmt: skip
