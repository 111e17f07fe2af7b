"""The study from beginning to end: all arms, FGSM again with kept weights, the measures."""

from __future__ import annotations

from typing import Any

from analyses.core.measurement import RunMeasurement
from analyses.core.plan import PlannedRun
from analyses.core.runner import StudyRunner
from analyses.core.study import PlannedStudy, Tables
from analyses.local_ball.claims import judge_local_ball
from analyses.local_ball.measures import around_onset, attacked, diagnosed
from analyses.local_ball.outcomes import outcomes, with_attacks
from analyses.local_ball.plan import DIAGNOSED_ARMS, PLANS, RHO, LocalBallPlan

MEASURE = ("arm", "seed", "offset", "statistic", "place", "value")
"""Columns of the measures (`analyses.local_ball.measures`)."""


def _collect(plan: LocalBallPlan, runner: StudyRunner) -> Tables:
    """Train both rounds and measure the runs.

    Tables: "outcomes", one row per arm and seed (`outcomes.outcomes`, `with_attacks`), and "measures" (`MEASURE`).
    """
    table = runner.train(plan.study())
    found = outcomes(plan, table)
    broken = plan.breakpoints(table).dropna(subset="breakpoint")
    wanted = []
    if len(broken):
        runner.train(plan.around_breakpoints(broken, ["fgsm"]))
        for row in broken.to_dict("records"):
            kept = plan.kept(int(row["breakpoint"]), int(row["iterations"]))
            config = plan.group.config("fgsm", int(row["seed"]), kept)
            given = {"breakpoint_iteration": int(row["breakpoint"]), "points": plan.points}
            wanted.append(RunMeasurement(config, around_onset, {"arm": "fgsm", "seed": int(row["seed"])}, given))
    ended = set(found.loc[found["verdict"] != "diverged", "run"])
    for run in plan.runs():
        if run.name in ended:
            wanted += _of_network(plan, run)
    measures = runner.measure(wanted).reindex(columns=list(MEASURE))
    return {"outcomes": with_attacks(found, measures), "measures": measures}


def _of_network(plan: LocalBallPlan, run: PlannedRun) -> list[RunMeasurement]:
    """What is measured of the network that a run ended with."""
    label = {"arm": run.arm, "seed": run.seed}
    given: dict[str, Any] = {"epsilon": plan.epsilon, "points": plan.points}
    found = [RunMeasurement(run.config, attacked, label, given)]
    if run.arm in DIAGNOSED_ARMS:
        found.append(RunMeasurement(run.config, diagnosed, label, {**given, "rho": RHO}))
    return found


STUDY = PlannedStudy(
    title="Local-ball training (reconstructed)",
    plans=PLANS,
    collect=_collect,
    judge=judge_local_ball,
    headlines=(
        "above_pgd",
        "adversary_beats_clean",
        "delays_break",
        "if_and_only_if",
        "clipping_helps",
        "escape_is_real",
        "moves_outside",
    ),
    caveat="The paper's formulas were not found: this is local-ball training as reconstructed from its abstract. The "
    "results can support or weaken its idea; they cannot reproduce or refute its numbers.",
)
