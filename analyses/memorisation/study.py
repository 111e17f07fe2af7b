"""The study of memorisation and BAT-style training from beginning to end."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analyses.core.claims import ClaimResult
from analyses.core.plan import at_scale
from analyses.core.runner import StudyRunner
from analyses.memorisation.answers import world_answers
from analyses.memorisation.arms import halves
from analyses.memorisation.break_answers import dynamics_answers
from analyses.memorisation.dynamics import run_dynamics
from analyses.memorisation.settings import PLANS, Plan
from analyses.memorisation.world import WorldTables, run_world
from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, load
from cotoolkit.runs.folder import RunFolder


class Findings(NamedTuple):
    """What the study found.

    Attributes:
        plan: what was asked.
        worlds: tables by world, in the plan's order; the first is the main one.
        skipped: worlds whose data are not there, and why.
        course: flags over training of the runs that break.
        onsets: one row per such run.
        facts: versions and device of the runs.
    """

    plan: Plan
    worlds: dict[str, WorldTables]
    skipped: dict[str, str]
    course: pd.DataFrame
    onsets: pd.DataFrame
    facts: dict[str, str]

    def claims(self) -> dict[str, list[ClaimResult]]:
        """The claims about each world and about the break; keys of those not of the main world carry its name."""
        results = {}
        for place, (name, tables) in enumerate(self.worlds.items()):
            results[name] = world_answers(self.plan.world(name), tables, suffix="" if place == 0 else f" ({name})")
        return {**results, "catastrophic overfitting": dynamics_answers(self.course, self.onsets)}


def run_study(scale: str, runner: StudyRunner) -> Findings:
    """Train and measure everything of a scale; what is done already is not done again.

    Args:
        scale: smoke or laptop.
        runner: where to train and measure.

    Raises:
        ConfigError: no such scale.
        DataError: the data of the main world are missing.
        RunError: a run failed.
    """
    return run_plan(at_scale(PLANS, scale), runner)


def run_plan(plan: Plan, runner: StudyRunner) -> Findings:
    """As `run_study`, for a plan of one's own."""
    worlds: dict[str, WorldTables] = {}
    skipped: dict[str, str] = {}
    for place, world in enumerate(plan.worlds):
        try:
            load(DataConfig.model_validate(world.data), 0, runner.download)
        except DataError as error:
            if place == 0:
                raise
            skipped[world.name] = str(error)
            continue
        worlds[world.name] = run_world(plan, world, runner)
    removed_from = plan.dynamics.world
    course, onsets = run_dynamics(plan, runner, worlds[removed_from].images if removed_from in worlds else None)
    environment = RunFolder.of(runner.root, halves(plan.worlds[0], "standard")[0].config).environment()
    return Findings(plan, worlds, skipped, course, onsets, {name: str(value) for name, value in environment.items()})
