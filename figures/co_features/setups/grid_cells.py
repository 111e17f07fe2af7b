"""What came of the runs of a grid, cell by cell: accuracies, and the seeds with catastrophic overfitting.

Below are the premises that claims about breaks share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, MOST, PREMISE, ROBUST, breakable, breaking
from analyses.core.judging.seed_measures import SeedShare, ShareDifference
from figures.co_features.setups.setup import Setup, setup_of

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

    def trained(self, cell: Cell) -> pd.Series[bool]:
        """Whether a seed had robustness to lose: it lost it in a break, or still has it at the end."""
        return self.broke(cell) | (self.of(cell) > ROBUST)

    @property
    def words(self) -> Mapping[str, object]:
        """What stands for names in claims: the setup, and its robust accuracy in words."""
        return {"setup": self.setup, "pgd": self.setup.robust_accuracy}


def grid_claims(
    rows: Sequence[ClaimRow[GridCells]],
    by: Sequence[str],
    words: Callable[[GridCells], Mapping[str, object]] = lambda _: {},
    arms: Callable[[GridCells], Collection[str]] | None = None,
) -> ClaimTable[GridCells]:
    """Claims about the cells of a grid.

    Args:
        rows: the claims.
        by: columns that name the cells.
        words: further ones than `GridCells.words`.
        arms: as in `ClaimTable`.

    Returns:
        The table.
    """
    return ClaimTable(rows, lambda data: grid_cells(data, by), lambda n: {**n.words, **words(n)}, arms)


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
        "is_robust", f"{who} is robust", "{pgd}", above=ROBUST, null=CHANCE, source=PREMISE,
        value=lambda n: n.of(cell(n)),
    )  # fmt: skip


def is_safe(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that fewer than half of the seeds of a cell break."""
    return claim(
        "is_safe", f"{who} breaks in fewer than half of the seeds", SHARE, below=MOST, source=PREMISE,
        value=lambda n: n.share(cell(n)),
    )  # fmt: skip


def breaks(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that a cell breaks."""
    return breaking(who, SHARE, lambda n: n.broke(cell(n)))


def once_robust(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that most seeds of a cell have robustness to lose."""
    measure = f"share of seeds that break or end with a {{pgd}} above {ROBUST:g}"
    return breakable(who, measure, lambda n: n.trained(cell(n)))


def learns(who: str, cell: CellOf) -> ClaimRow[GridCells]:
    """The premise that a cell's networks learned the classes."""
    return claim(
        "learned", f"{who} learns the classes", "clean accuracy on {setup.test_images} test images", above=0.5,
        null=CHANCE, source=PREMISE, value=lambda n: n.of(cell(n), "clean"),
    )  # fmt: skip
