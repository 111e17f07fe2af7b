"""The study from beginning to end: training, the losses of the networks, the claims."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analyses.core.claims import ClaimResult
from analyses.core.plan import at_scale
from analyses.core.runner import StudyRunner
from analyses.holistic_robust.answers import onset_claims, overfitting_claims, poison_claims
from analyses.holistic_robust.certificate import coverage
from analyses.holistic_robust.measure import Losses
from analyses.holistic_robust.settings import PLANS, Onset, Plan, hr_name
from analyses.holistic_robust.tables import end_table, gap_table, onset_table, poison_table, weight_courses


class Findings(NamedTuple):
    """What the study found; the tables are explained in `analyses.holistic_robust.tables`.

    Attributes:
        plan: what was asked.
        gaps: robust overfitting over training.
        ends: the finished networks of that part.
        poison: the networks trained on wrong labels; empty if the plan has no such part.
        onsets: when single-step training broke.
        weights: weights around the break.
        coverage: of the certificate, simulated.
        facts: versions and device of the runs.
    """

    plan: Plan
    gaps: pd.DataFrame
    ends: pd.DataFrame
    poison: pd.DataFrame
    onsets: pd.DataFrame
    weights: pd.DataFrame
    coverage: pd.DataFrame
    facts: dict[str, str]

    def claims(self) -> dict[str, list[ClaimResult]]:
        """The claims of every part."""
        found = {"robust overfitting": overfitting_claims(self.ends, self.plan.overfitting)}
        if self.plan.poisoned is not None:
            found["poison"] = poison_claims(self.poison, self.plan.poisoned)
        found["catastrophic overfitting"] = onset_claims(self.onsets, self.weights, self.plan.onset)
        return found


def run_study(scale: str, runner: StudyRunner) -> Findings:
    """Train, measure, and judge. What is done already is not done again.

    Args:
        scale: smoke or laptop.
        runner: where to do it.

    Raises:
        ConfigError: there is no such scale.
        RunError: a run failed.
    """
    return run_plan(at_scale(PLANS, scale), runner)


def run_plan(plan: Plan, runner: StudyRunner) -> Findings:
    """As `run_study`, for any plan."""
    runs = runner.train(plan.study())
    own = {name: losses_of(plan, name, runs, runner) for name in plan.parts()}
    gaps = gap_table(own["overfitting"], plan.overfitting)
    onsets = onset_table(runs, own["onset"], plan.onset)
    poison = pd.DataFrame()
    if plan.poisoned is not None:
        poison = poison_table(own["poison"], plan.poisoned, int(plan.poisoned.settings["batch_size"]))
    return Findings(
        plan,
        gaps,
        end_table(own["overfitting"], gaps),
        poison,
        onsets,
        weight_courses(onsets, runner.root, recorded(plan.onset)),
        coverage(plan.repetitions),
        runner.facts(runs),
    )


def losses_of(plan: Plan, name: str, runs: pd.DataFrame, runner: StudyRunner) -> pd.DataFrame:
    """Measure a part's finished runs (`Losses`).

    Args:
        plan: the study.
        name: of the part.
        runs: table of runs, those of the part among them; diverged ones are left out.
        runner: where to measure.
    """
    part = plan.parts()[name]
    finished = set(runs.loc[runs["state"] == "done", "run"])
    configs = [(arm, part.config(arm, seed)) for arm in part.arms() for seed in part.seeds]
    return runner.measure(
        [
            Losses(name, arm, config, plan.points)
            for arm, config in configs
            if f"{config.title}-{config.identity}" in finished
        ]
    )


def recorded(plan: Onset) -> list[str]:
    """The arms with HR weights, plain FGSM among them."""
    return [hr_name(*law) for law in plan.laws]
