"""The theory's own world, trained and judged once per setting, and shared by the recipes about the theory.

World, network, training and claims are those of `analyses.purification`; the settings are those of its scales, at
smoke with three seeds. Thresholds are ours throughout; what a claim says is the paper's only where its tag is [S].
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from analyses.core.claims import ClaimTable
from analyses.core.measurement import Measurement
from analyses.core.runner import StudyRunner
from analyses.purification.claims import CLAIMS
from analyses.purification.experiment import run_setting
from analyses.purification.plan import SyntheticSetting, settings
from analyses.purification.results import TheoryResults
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.style import BLUE, VERMILION

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

    setting: SyntheticSetting

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
        return run_setting(self.setting).stacked()


def plan(scale: Scale) -> list[SyntheticSetting]:
    """The settings of a scale, small first."""
    if scale == "smoke":
        return [dataclasses.replace(setting, seeds=SEEDS) for setting in settings("smoke")]
    return settings("laptop")


def collect_theory(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """All tables of all settings of a scale."""
    return runner.measure([Trained(setting) for setting in plan(scale)]).assign(scale=scale)


def collect_largest(scale: Scale, runner: StudyRunner, *names: str) -> pd.DataFrame:
    """Scalars, time course and some further tables of the largest setting with all stages."""
    data = collect_theory(scale, runner)
    largest = [setting for setting in plan(scale) if setting.full][-1].name
    rows: pd.DataFrame = data[(data["setting"] == largest) & data["table"].isin(["scalars", "course", *names])]
    return rows.dropna(axis="columns", how="all").reset_index(drop=True)


def theory_claims(*keys: str) -> ClaimTable[TheoryResults]:
    """The theory's predictions, on a table of `collect_theory` or `collect_largest`.

    Args:
        *keys: of those wanted; none are all.

    Returns:
        The table of claims, with sources that say whose each is.
    """
    rows = [
        dataclasses.replace(row, claim=dataclasses.replace(row.claim, source=source_of(row.claim.source)))
        for row in CLAIMS.rows
        if not keys or row.claim.key in keys
    ]
    return dataclasses.replace(CLAIMS, rows=rows)


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
