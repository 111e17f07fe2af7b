"""The theory's own world, trained and judged once per setting, and shared by the recipes about the theory.

World, network, training and predictions are those of `analyses.purification`; the settings are those of its scales, at
smoke with three seeds. Thresholds are ours throughout; what a claim says is the paper's only where its tag is [S].
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from analyses.core.claims import ClaimResult
from analyses.core.measurement import Measurement
from analyses.core.runner import StudyRunner
from analyses.purification.experiment import run_setting
from analyses.purification.predictions import judge
from analyses.purification.setting import Setting, settings
from analyses.purification.tables import Tables
from cotoolkit.plotting.style import BLUE, VERMILION
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

SEEDS = 3
"""Of every setting at scale smoke."""

STUDIES: dict[Scale, tuple[Study, ...]] = {"smoke": (), "laptop": ()}
"""The theory's networks are not trained by the engine; their weights are never stored."""

STAGES = {"clean": ("after clean training", VERMILION, "--"), "fgm": ("then FGM training", BLUE, "-")}
"""Label, colour and line of the two stages that are compared."""


@dataclass(frozen=True)
class Trained(Measurement):
    """All stages of a setting.

    Attributes:
        setting: sizes and seeds.
    """

    setting: Setting

    @property
    @override
    def title(self) -> str:
        return f"theory {self.setting.name}"

    @property
    @override
    def protocol(self) -> list[Any]:
        return ["figures.theory", 1, self.setting.identity]

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return ()

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        return stacked(run_setting(self.setting))


def plan(scale: Scale) -> list[Setting]:
    """The settings of a scale, small first."""
    if scale == "smoke":
        return [dataclasses.replace(setting, seeds=SEEDS) for setting in settings("smoke")]
    return settings("laptop")


def stacked(tables: Tables) -> pd.DataFrame:
    """Tables one below the other, told apart by the column `table`; truth values as 0 and 1."""
    named: list[pd.DataFrame] = []
    for name in Tables.names():
        frame: pd.DataFrame = getattr(tables, name)
        named.append(frame.astype(dict.fromkeys(frame.select_dtypes("bool"), int)).assign(table=name))
    return pd.concat(named, ignore_index=True)


def tables_of(data: pd.DataFrame) -> Tables:
    """The tables of `stacked`, also of a part of its rows, and back from CSV."""
    parts = {}
    for name in Tables.names():
        rows = data[data["table"] == name].drop(columns="table").dropna(axis="columns", how="all")
        parts[name] = rows.astype(dict.fromkeys({"seed", "unit", "atom"} & set(rows), int)).reset_index(drop=True)
    return Tables(**parts)


def collect_theory(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """All tables of all settings of a scale."""
    return runner.measure([Trained(setting) for setting in plan(scale)]).assign(scale=scale)


def collect_largest(scale: Scale, runner: StudyRunner, *names: str) -> pd.DataFrame:
    """Scalars, time course and some further tables of the largest setting with all stages."""
    data = collect_theory(scale, runner)
    largest = [setting for setting in plan(scale) if setting.full][-1].name
    rows: pd.DataFrame = data[(data["setting"] == largest) & data["table"].isin(["scalars", "course", *names])]
    return rows.dropna(axis="columns", how="all").reset_index(drop=True)


def judged(data: pd.DataFrame, keys: Iterable[str] = ()) -> list[ClaimResult]:
    """The theory's predictions on a table of `collect_theory` or `collect_largest`; all, or those named."""
    wanted = set(keys)
    results = judge(tables_of(data))
    chosen = [result for result in results if not wanted or result.claim.key in wanted]
    return [
        dataclasses.replace(result, claim=dataclasses.replace(result.claim, source=source_of(result.claim.source)))
        for result in chosen
    ]


def source_of(source: str) -> str:
    """Whose a prediction is, from the tags in the source that `analyses.purification` gives it.

    >>> source_of("Allen-Zhu & Li, arXiv 2005.10190 [S]; threshold ours: most units")
    'paper [S]: abstract or talk, direction only; threshold ours: most units'
    >>> source_of("Allen-Zhu & Li, arXiv 2005.10190 [D, R-med]; threshold ours: most")
    'ours: derived or recollected [D, R-med]; threshold ours: most'
    """
    match = re.search(r"\[(.*?)\]; (.*)", source)
    if match is None:
        raise ValueError(f"{source!r} has no tags")
    tags, threshold = match.groups()
    if tags == "S":
        return f"paper [S]: abstract or talk, direction only; {threshold}"
    kinds = [word for letter, word in (("D", "derived"), ("R-", "recollected")) if letter in tags]
    return f"ours: {' or '.join(kinds)} [{tags}]; {threshold}"
