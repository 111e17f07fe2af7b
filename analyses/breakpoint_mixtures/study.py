"""The study from beginning to end: two rounds of training, and the measures of the seeds that can be used."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analyses.breakpoint_mixtures.claims import judge_breakpoint_mixtures
from analyses.breakpoint_mixtures.measures import SeedMeasurement
from analyses.breakpoint_mixtures.plan import AFTER, BEFORE, PLANS, BreakpointPlan, BrokenSeed
from analyses.breakpoint_mixtures.results import by_group, statistic_changes
from analyses.core.runner import StudyRunner
from analyses.core.study import PlannedStudy, Tables
from cotoolkit.core.errors import ConfigError
from cotoolkit.runs.tables.run_table import CATASTROPHIC_OVERFITTING

ROBUST = frozenset({"robust", "robust overfitting", "recovered"})
NOT_DIVERGED = ROBUST | {"not robust", CATASTROPHIC_OVERFITTING}
NOT_OVERFITTED = ROBUST | {"not robust"}

NEEDED = {"standard": NOT_DIVERGED, "fgsm": NOT_DIVERGED, "n_fgsm": NOT_OVERFITTED, "pgd": ROBUST}
"""Verdicts with which the runs that the measures refer to may end: the standard one trained to the end, the PGD one
robust, and the N-FGSM one, the control, without catastrophic overfitting."""


def _collect(plan: BreakpointPlan, runner: StudyRunner) -> Tables:
    """Train, find the breakpoints, train again with kept iterations, measure.

    Tables: "breakpoints" of the first round, one row per group and seed, with why a seed is left out, if it is;
    "measures" (`analyses.breakpoint_mixtures.measures`) of the others; their "changes" by statistic.
    """
    breakpoints = plan.breakpoints(runner.train(plan.first_round()))
    if breakpoints["breakpoint"].isna().all():
        raise ConfigError("no FGSM run has a breakpoint to look across")
    runner.train(plan.second_round(breakpoints))
    used: list[BrokenSeed] = []
    reasons = []
    for row in breakpoints.to_dict("records"):
        if pd.isna(row["breakpoint"]):
            reasons.append(f"FGSM did not break ({row['verdict']})")
            continue
        one = BrokenSeed(row["group"], int(row["seed"]), int(row["breakpoint"]), int(row["iterations"]))
        reasons.append(why_left_out(plan, runner.root, one))
        used += [one] if not reasons[-1] else []
    if not used:
        raise ConfigError(f"no seed can be used: {'; '.join(dict.fromkeys(reasons))}")
    measures = runner.measure([SeedMeasurement(plan, one) for one in used])
    changes = [statistic_changes(results).assign(group=group) for group, results in by_group(measures).items()]
    return {
        "breakpoints": breakpoints.assign(left_out=reasons),
        "measures": measures,
        "changes": pd.concat(changes, ignore_index=True),
    }


def why_left_out(plan: BreakpointPlan, root: Path, broken: BrokenSeed) -> str:
    """Why a seed cannot be used: an offset that is compared, or a network that the measures refer to, is missing.

    Args:
        plan: the study.
        root: folder of runs.
        broken: the seed.

    Returns:
        The reason in words, nothing if it can be used.

    Raises:
        RunError: a run of the second round is missing.
    """
    if not broken.has(BEFORE, AFTER):
        return f"iterations {BEFORE:+d} to {AFTER:+d} around the breakpoint are not all within training"
    runs = plan.folders(root, broken)
    for arm, verdicts in NEEDED.items():
        verdict = runs[arm].result()["verdict"]
        if verdict not in verdicts:
            return f"{arm} ended as {verdict}"
    again = runs["fgsm"].result()["breakpoint"]
    if again is None or again["iteration"] != broken.breakpoint:
        return "FGSM did not break at the same iteration again: training is not deterministic here"
    return ""


STUDY = PlannedStudy(
    title="Weight mixtures across the breakpoint",
    plans=PLANS,
    collect=_collect,
    judge=judge_breakpoint_mixtures,
    headlines=(
        "falls_dense_lineage",
        "returns_dense_lineage",
        "more_than_chance_dense_lineage",
        "low_rank",
        "signature",
        "high_frequencies",
        "carrier_in_gradients",
    ),
    caveat=f"Compared are iterations {BEFORE:+d} and {AFTER:+d} around the breakpoint. All networks of a seed start "
    "from the same weights and see the same batches in the same order. Dense share and atoms are counted against the "
    "finished PGD network of the same start; clean u₁ is the common direction of the finished standard one. Thresholds "
    "are ours. In the natural group no feature was injected: what is said of carriers there is a placebo.",
)
