"""The study from beginning to end: training, the losses of the networks, the tables."""

from __future__ import annotations

import pandas as pd

from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from analyses.core.study import PlannedStudy, Tables
from analyses.holistic_robust.certificate import CAVEAT
from analyses.holistic_robust.claims import judge_holistic
from analyses.holistic_robust.losses import PROTOCOL
from analyses.holistic_robust.measures import losses_over_training
from analyses.holistic_robust.plan import PLANS, HolisticPlan, hr_name
from analyses.holistic_robust.tables import (
    arm_table,
    end_table,
    gap_table,
    poison_table,
    single_step_onsets,
    weight_courses,
)


def collect_holistic(plan: HolisticPlan, runner: StudyRunner) -> Tables:
    """Train the plan's groups and measure the runs that did not diverge.

    Args:
        plan: the study, or a part of it.
        runner: where to train and measure.

    Returns:
        "gaps" and "ends" of the group "overfitting", "wrong_labels" of the group "poison", and "onsets", "arms" and
        "weights" of the group "onset"; `analyses.holistic_robust.tables` explains them.

    Raises:
        RunError: a run failed, or a measuring process died.
    """
    runs = plan.labelled(runner.train(plan.study()))
    finished = set(runs.loc[runs["state"] == "done", "run"])
    wanted = [
        RunMeasurement(
            run.config,
            losses_over_training,
            {"group": run.group, "arm": run.arm, "seed": run.seed},
            {"points": plan.points},
        )
        for run in plan.runs()
        if run.name in finished
    ]
    measured = runner.measure(wanted)
    losses = {name: measured[measured["group"] == name] for name in plan.groups}
    tables: dict[str, pd.DataFrame] = {}
    if "overfitting" in plan.groups:
        tables["gaps"] = gap_table(losses["overfitting"], plan.groups["overfitting"])
        tables["ends"] = end_table(losses["overfitting"], tables["gaps"])
    if "poison" in plan.groups:
        tables["wrong_labels"] = poison_table(losses["poison"], plan.groups["poison"])
    if "onset" in plan.groups:
        own = runs[runs["group"] == "onset"]
        tables["onsets"] = single_step_onsets(own, losses["onset"], plan.matched)
        tables["arms"] = arm_table(tables["onsets"], hr_name(*plan.matched))
        tables["weights"] = weight_courses(tables["onsets"], runner.root)
    return tables


STUDY = PlannedStudy(
    title="Holistic Robust training",
    plans=PLANS,
    collect=collect_holistic,
    judge=judge_holistic,
    headlines=(
        "at_overfits_more",
        "at_overfits_more_in_radius",
        "hr_smaller_gap",
        "hr_smaller_radius",
        "hr_more_robust",
        "nominal_bound",
        "seen_bound_fails",
        "alpha_resists_poison",
        "alpha_weighs_poison_up",
        "trimming_resists_better",
        "delays_plain",
        "delays_permuted",
        "delays_norm_matched",
    ),
    caveat="Every setting is ours: of the paper's experiments no number could be read. HR is said to delay the break "
    "only if it breaks later than FGSM, than the same weights permuted, and than a step as long; a control that is "
    "undecided is not beaten. AutoAttack was not run on the runs that did not break. Of bounds: "
    f"{CAVEAT.format(attack=PROTOCOL)}.",
)
