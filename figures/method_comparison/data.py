"""What the recipes show of the comparison of methods: one table, a row per run.

At scale laptop, where all methods take days of a core, it is made of the leaderboard's records: each is the work of one
`cotoolkit compare`, and the figures show as many as there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.core.study import Findings
from analyses.method_comparison.leaderboard import LeaderboardRecord, read_leaderboard, recorded_outcomes
from analyses.method_comparison.leaderboard.table import RECORDED
from analyses.method_comparison.outcomes import OUTCOME, method_summary
from analyses.method_comparison.plan import ComparisonPlan
from analyses.method_comparison.study import STUDY
from cotoolkit.core.errors import RunError
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.recipe import Recipe
from figures.records.provenance import Provenance
from figures.records.setting import setting_sentence
from figures.study_recipes import StudyRecipes

LEADERBOARD = Path(__file__).parents[1] / "gallery" / "leaderboard"
"""Records of scale laptop, a file per method and radius."""

KEPT: dict[Scale, ComparisonPlan] = {"smoke": STUDY.plans["smoke"], "digits": STUDY.plans["digits"]}
"""What the figures train, by scale; that of a paper is trained in slices of a GPU, by `cotoolkit compare`."""


def comparison_recipe(
    name: str,
    *,
    shows: str,
    draw: Callable[[pd.DataFrame], Figure],
    claims: Callable[[pd.DataFrame], list[ClaimResult]],
) -> Recipe:
    """A recipe of the comparison; `Recipe` explains its fields.

    Args:
        name: PAPER/FIGURE.
        shows: one line.
        draw: the picture.
        claims: of the picture.

    Returns:
        The recipe.
    """
    trained = StudyRecipes(STUDY, KEPT).recipe(
        name,
        shows=shows,
        item="Not of a paper: all methods under one loop",
        table=comparison_table,
        draw=draw,
        claims=claims,
    )

    def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
        return recorded_table(_kept_records()) if scale == "laptop" else trained.collect(scale, runner)

    def recorded(scale: Scale) -> Provenance | None:
        command = f"cotoolkit figures make {name} --scale {scale}"
        return provenance_of_records(_kept_records(), command) if scale == "laptop" else None

    def setting(scale: Scale) -> str:
        if scale == "laptop":
            return setting_sentence([record.config(seed) for record in _kept_records() for seed in record.seeds])
        return setting_sentence([run.config for run in KEPT[scale].runs()])

    studies: dict[Scale, Sequence[Study]] = {**trained.studies, "laptop": ()}
    return replace(trained, studies=studies, collect=collect, recorded=recorded, setting=setting)


def _kept_records() -> list[LeaderboardRecord]:
    if not LEADERBOARD.is_dir():
        raise RunError(
            f"{LEADERBOARD}: the comparison at scale laptop is drawn from records that only the repository holds; "
            "`cotoolkit compare --scale laptop` trains methods and draws its own page"
        )
    return read_leaderboard(LEADERBOARD)


def comparison_table(findings: Findings[ComparisonPlan]) -> pd.DataFrame:
    """One row per run (`analyses.method_comparison.outcomes.OUTCOME`), and the scale.

    Raises:
        RunError: a run failed; a figure shows all of them.
    """
    failed = findings.tables["left_out"].dropna(subset="seed")
    if len(failed):
        first = failed.iloc[0]
        raise RunError(f"{len(failed)} runs failed; {first['method']}, {first['group']}: {first['reason']}")
    return findings.tables["outcomes"][list(OUTCOME)].assign(scale=findings.plan.scale)


def recorded_table(records: Sequence[LeaderboardRecord]) -> pd.DataFrame:
    """The same of the leaderboard's records, in columns `RECORDED`."""
    return recorded_outcomes(records)[list(RECORDED)].assign(scale="laptop")


def provenance_of_records(records: Sequence[LeaderboardRecord], command: str) -> Provenance:
    """What figures of records rest on.

    Args:
        records: of the leaderboard.
        command: that makes the figure again.

    Returns:
        Runs, seeds, protocols, and all versions that trained, by name.
    """
    trained = [environment for record in records for environment in record.environments]
    names = dict.fromkeys(name for environment in trained for name in environment)
    seen = {name: dict.fromkeys(str(one[name]) for one in trained if name in one) for name in names}
    return Provenance(
        command=command,
        runs=tuple(recorded_outcomes(records)["run"]),
        seeds=tuple(sorted({seed for record in records for seed in record.seeds})),
        protocols={"robust": tuple(sorted({record.protocol["hash"] for record in records}))},
        environment={name: ", ".join(values) for name, values in seen.items()},
        training_seconds=None,
    )


def summarised(data: pd.DataFrame) -> pd.DataFrame:
    """The table over seeds, a row per group and method (`method_summary`)."""
    return method_summary(data)
