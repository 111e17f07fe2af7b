"""The grid of runs behind a figure of accuracies, each point under the names that it has in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analyses.core.runner import StudyRunner
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.setup import SETUPS, Settings, Setup


class GridPoint(NamedTuple):
    """One point of a grid.

    Attributes:
        label: columns that name it in the table.
        settings: of its runs, but for the seed. Points with equal settings share their runs.
    """

    label: Mapping[str, str | float]
    settings: Settings


class GridRuns(NamedTuple):
    """The runs behind a figure.

    Attributes:
        name: of the study.
        points: those of a setup.
        scales: of the figure.
        many_seeds: train each point with the setup's `more_seeds`.
    """

    name: str
    points: Callable[[Setup], list[GridPoint]]
    scales: tuple[Scale, ...] = tuple(SETUPS)
    many_seeds: bool = False

    @property
    def studies(self) -> dict[Scale, tuple[Study, ...]]:
        """What is trained, by scale."""
        return {scale: (self._study(SETUPS[scale]),) for scale in self.scales}

    def collect(self, scale: Scale, runner: StudyRunner) -> pd.DataFrame:
        """Train the runs of a scale; the table of `grid_table`, a row per point and seed.

        Args:
            scale: one of `scales`.
            runner: where to train.

        Returns:
            The table.

        Raises:
            RunError: a run failed.
        """
        setup = SETUPS[scale]
        return grid_table(runner, setup, self._study(setup), self.points(setup), self._seeds(setup))

    def _study(self, setup: Setup) -> Study:
        return setup.study(self.name, [point.settings for point in self.points(setup)], self._seeds(setup))

    def _seeds(self, setup: Setup) -> tuple[int, ...]:
        return setup.more_seeds if self.many_seeds else setup.seeds


def grid_table(
    runner: StudyRunner, setup: Setup, study: Study, points: Iterable[GridPoint], seeds: Iterable[int]
) -> pd.DataFrame:
    """Train a study of points: one row per point and seed, with its label, accuracies in [0, 1], breakpoint and scale.

    Columns beside the label: seed, clean, fgsm, robust (the setup's protocol), breakpoint (missing if none), scale.

    Args:
        runner: where to train.
        setup: that they are points of.
        study: with the runs of the points.
        points: rows of the table.
        seeds: of each point.

    Returns:
        The table.

    Raises:
        RunError: a run failed.
    """
    runs = runner.train(study).set_index("run")
    rows = []
    for point in points:
        for seed in seeds:
            run = runs.loc[RunFolder.of(runner.root, setup.config(point.settings, seed)).path.name]
            accuracies = {"clean": run["clean"], "fgsm": run["fgsm"], "robust": run[setup.accuracy]}
            rows.append({**point.label, "seed": seed, **accuracies, "breakpoint": run["breakpoint"]})
    return pd.DataFrame(rows).assign(scale=setup.scale)


def lines(data: pd.DataFrame, column: str, measure: str = "robust") -> dict[str, pd.DataFrame]:
    """A measure of a table of points by the value of a column: rows are seeds, columns strengths.

    Args:
        data: as `grid_table` gives it.
        column: of the label.
        measure: column of the accuracy.

    Returns:
        By value of the column: rows are seeds, columns strengths.
    """
    return {
        str(name): rows.pivot_table(index="seed", columns="beta", values=measure) for name, rows in data.groupby(column)
    }


def few_betas(setup: Setup, *shares: float) -> tuple[float, ...]:
    """Strengths of Figure 1 that lie next to some shares of the setup's beta; so their runs are shared with it.

    Args:
        setup: with the strengths of Figure 1.
        shares: of its beta.

    Returns:
        Strengths, ascending.
    """
    return tuple(sorted({min(setup.betas, key=lambda beta: abs(beta - share * setup.beta)) for share in shares}))


def boxed(setup: Setup, box: str) -> Settings:
    """The setting of a box, where it is not the setup's own.

    Args:
        setup: with a box of its own.
        box: the wanted one.

    Returns:
        Nothing, or the field.
    """
    return {} if setup.base["box"] == box else {"box": box}


def window(found: pd.DataFrame) -> pd.DataFrame:
    """Edges of the window by seed: columns start and end, the least and the greatest broken strength; nan if none.

    Args:
        found: which runs are broken; rows are seeds, columns strengths.
    """
    strengths = np.array(found.columns, dtype=float)
    inside = [strengths[row] if row.any() else np.array([np.nan]) for row in found.to_numpy()]
    edges = {"start": [row.min() for row in inside], "end": [row.max() for row in inside]}
    return pd.DataFrame(edges, index=found.index)
