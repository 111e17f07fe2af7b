"""The comparison from beginning to end: training, attacks on the last and the best networks, costs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analyses.core.runner import StudyRunner
from analyses.core.study import PlannedStudy, Tables
from analyses.method_comparison.claims import judge_comparison
from analyses.method_comparison.cost import costs_of
from analyses.method_comparison.outcomes import ENDED, comparison_outcomes
from analyses.method_comparison.plan import ComparisonPlan, LeftOut, comparison_plan, trainable
from analyses.method_comparison.robustness import CHECKPOINT, RobustnessMeasurement
from analyses.method_comparison.settings import SCALES
from cotoolkit.studies.launchers.local import default_jobs

LEFT_OUT = ("group", "method", "seed", "reason")
"""Columns of what is missing: methods that refuse the settings, which have no seed, and runs that failed."""


def collect_comparison(plan: ComparisonPlan, runner: StudyRunner) -> Tables:
    """Train, attack, and measure the costs; a run that fails is told of, and the others go on.

    Args:
        plan: the comparison.
        runner: where to train and measure.

    Returns:
        Tables "outcomes" (`outcomes.OUTCOME`), "checkpoints" (`robustness.CHECKPOINT`), "costs" (`cost.COST`) and
        "left_out" (`LEFT_OUT`).
    """
    plan = trainable(plan, download=runner.download)
    table, failures = runner.train_what_can_be(plan.study())
    runs = plan.labelled(table)
    done = set(runs.loc[runs["state"] == "done", "run"])
    wanted = [
        RobustnessMeasurement(
            run.config,
            {"group": run.group, "method": run.arm, "seed": run.seed},
            plan.points,
            plan.autoattack,
            runner.device,
        )
        for run in plan.runs()
        if run.name in done
    ]
    measuring = replace(runner, jobs=runner.jobs or default_jobs(runner.device))
    checkpoints = measuring.measure(wanted) if wanted else pd.DataFrame(columns=list(CHECKPOINT))
    ended = set(runs.loc[runs["state"].isin(ENDED), ["group", "arm"]].itertuples(index=False, name=None))
    timed = plan.without([LeftOut(*one[:2], "no run ended") for one in plan.firsts() if one[:2] not in ended])
    costs = costs_of(timed, runner.folder, runner.device, runner.callbacks.on_measured, fresh=runner.fresh)
    reasons = {outcome.folder.path.name: outcome.reason.strip().splitlines()[-1] for outcome in failures}
    missing: list[tuple[str, str, int | None, str]] = []
    missing += [(one.group, one.method, None, one.reason) for one in plan.left_out]
    missing += [(run.group, run.arm, run.seed, reasons[run.name]) for run in plan.runs() if run.name in reasons]
    return {
        "outcomes": comparison_outcomes(plan, table, checkpoints, costs),
        "checkpoints": checkpoints,
        "costs": costs,
        "left_out": pd.DataFrame(missing, columns=list(LEFT_OUT)).astype({"seed": "Int64"}),
    }


STUDY = PlannedStudy(
    title="Methods against catastrophic overfitting",
    plans={scale: comparison_plan(scale) for scale in SCALES},
    collect=collect_comparison,
    judge=judge_comparison,
)
