"""Making figures: train what is missing, measure, and write the pictures with their record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from analyses.core.runner import StudyRunner
from cotoolkit.core.errors import CotoolkitError, RunError
from cotoolkit.core.user_code import FAILURES, located
from cotoolkit.runs.environment import environment
from cotoolkit.studies.scale import Scale
from figures.plan import shared_study
from figures.recipe import Recipe
from figures.records.files import write_figure
from figures.records.provenance import Provenance
from figures.records.record import FigureRecord


def make(recipe: Recipe, scale: Scale, runner: StudyRunner, gallery: Path, *, command: str = "") -> FigureRecord:
    """Make one figure; what is trained and measured already is not done again.

    Args:
        recipe: the figure.
        scale: its size.
        runner: where to train and measure.
        gallery: folder of all figures.
        command: that makes it again; by default that of the command line.

    Returns:
        The record of what was made.

    Raises:
        ConfigError: the recipe has no such scale.
        RunError: a run failed, a measuring process died, or the recipe itself fails or returns no table with rows.
    """
    recipe.at(scale)
    watched, tables = runner.recording()
    command = command or f"cotoolkit figures make {recipe.name} --scale {scale}"
    try:
        data = recipe.collect(scale, watched)
        if not isinstance(data, pd.DataFrame) or data.empty:
            kind = "a table without rows" if isinstance(data, pd.DataFrame) else type(data).__name__
            raise RunError(f"{recipe.name}: collect returned {kind}; it has to return a table")
        making = recipe.recorded(scale) or provenance_of(command, tables, runner)
        return write_figure(recipe, scale, data, making, gallery)
    except CotoolkitError:
        raise
    except FAILURES as failure:
        raise RunError(f"{recipe.name}: {located(failure)}") from failure


def train_first(recipes: Sequence[Recipe], scale: Scale, runner: StudyRunner) -> None:
    """Train what the recipes share and what they do not, in one go.

    Runs that fail are left to the recipes that need them.

    Args:
        recipes: whose runs are trained.
        scale: their size.
        runner: where to train.
    """
    study = shared_study(recipes, scale)
    if not study.grids:
        return
    try:
        runner.train(study)
    except RunError:
        return


class Clock:
    """Time left, from how long the figures so far took."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._start = total, 0, time.monotonic()

    def tick(self) -> str:
        """One more figure is made; how many of how many, and about how long the others take."""
        self._done += 1
        left = (time.monotonic() - self._start) / self._done * (self._total - self._done)
        return f"{self._done} of {self._total}" + (f", about {left / 60:.0f} min left" if left > 60 else "")


def provenance_of(command: str, tables: Sequence[pd.DataFrame], runner: StudyRunner) -> Provenance:
    """What figures rest on.

    Args:
        command: that makes them again.
        tables: of the studies that were trained for them (`StudyRunner.recording`).
        runner: that trained them.

    Returns:
        Runs, seeds, protocols and versions.
    """
    rows = [row for table in tables for row in table.to_dict("records")]
    runs = {str(row["run"]): row for row in rows}
    facts = runner.facts(tables[0]) if tables else {k: str(v) for k, v in environment(_device(runner)).items()}
    protocols: dict[str, set[str]] = {}
    for row in runs.values():
        for key, value in row.items():
            if str(key).endswith("_hash") and isinstance(value, str):
                protocols.setdefault(str(key).removesuffix("_hash"), set()).add(value)
    return Provenance(
        command=command,
        runs=tuple(runs),
        seeds=tuple(sorted({int(row["seed"]) for row in runs.values()})),
        protocols={name: tuple(sorted(hashes)) for name, hashes in protocols.items()},
        environment=facts,
        training_seconds=round(sum(float(row["seconds"]) for row in runs.values()), 1),
    )


def _device(runner: StudyRunner) -> str:
    return "cuda" if runner.device != "cpu" and torch.cuda.is_available() else "cpu"
