"""Cells: the points of a figure whose numbers are accuracies of runs, under the names they have in its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from analyses.core.runner import StudyRunner
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.study import Study
from figures.co_features.world import Settings, World

BROKEN = 0.5
"""Share of the robust accuracy without the feature below which a run counts as broken (ours: the paper's rule is
unknown; the spec proposes one half for the drop within a run)."""


class Cell(NamedTuple):
    """One point.

    Attributes:
        label: columns that name it in the table.
        settings: of its runs, but for the seed. Cells with equal settings share their runs.
    """

    label: Mapping[str, str | float]
    settings: Settings


def study_of(world: World, name: str, cells: Iterable[Cell], seeds: Sequence[int] | None = None) -> Study:
    """The runs of some cells with each seed (by default the world's `seeds`)."""
    return world.study(name, [cell.settings for cell in cells], seeds)


def cell_table(
    runner: StudyRunner, world: World, study: Study, cells: Iterable[Cell], seeds: Sequence[int] | None = None
) -> pd.DataFrame:
    """Train a study of cells: one row per cell and seed, with its label, accuracies in [0, 1], breakpoint and scale.

    Columns beside the label: seed, clean, fgsm, robust (the world's protocol), breakpoint (missing if none), scale.

    Raises:
        RunError: a run failed.
    """
    runs = runner.train(study).set_index("run")
    rows = []
    for cell in cells:
        for seed in world.seeds if seeds is None else seeds:
            run = runs.loc[RunFolder.of(runner.root, world.config(cell.settings, seed)).path.name]
            accuracies = {"clean": run["clean"], "fgsm": run["fgsm"], "robust": run[world.accuracy]}
            rows.append({**cell.label, "seed": seed, **accuracies, "breakpoint": run["breakpoint"]})
    return pd.DataFrame(rows).assign(scale=world.scale)


def lines(data: pd.DataFrame, column: str, measure: str = "robust") -> dict[str, pd.DataFrame]:
    """A measure of a table of cells by the value of a column: rows are seeds, columns strengths."""
    return {
        str(name): rows.pivot_table(index="seed", columns="beta", values=measure) for name, rows in data.groupby(column)
    }


def few_betas(world: World, *shares: float) -> tuple[float, ...]:
    """Strengths of Figure 1 that lie next to some shares of the world's beta; so their runs are shared with it."""
    return tuple(sorted({min(world.betas, key=lambda beta: abs(beta - share * world.beta)) for share in shares}))


def boxed(world: World, box: str) -> Settings:
    """The setting of a box, where it is not the world's own."""
    return {} if world.base["box"] == box else {"box": box}


def broken(robust: pd.DataFrame, without: pd.Series) -> pd.DataFrame:
    """Which runs are broken: robust accuracy below half of what the same seed reaches without the feature.

    Args:
        robust: robust accuracy, rows are seeds.
        without: the same at beta 0, by seed.
    """
    return robust.lt(BROKEN * without, axis=0)
