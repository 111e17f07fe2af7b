"""The study from beginning to end: halves and whole sets, then training without groups of images, and the break."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.core.plan import PlannedRun
from analyses.core.runner import StudyRunner
from analyses.core.study import PlannedStudy, Tables
from analyses.memorisation.claims import judge_memorisation
from analyses.memorisation.image_groups import groups_of_tests
from analyses.memorisation.images import estimate_tables, measurement
from analyses.memorisation.measures import flag_course
from analyses.memorisation.plan import BREAKING, PLANS, MemorisationPlan
from analyses.memorisation.retraining import accuracies_of, breaking_without, plan_retraining
from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, load
from cotoolkit.methods import BenignStyle
from cotoolkit.runs.folder import RunFolder


def collect_memorisation(plan: MemorisationPlan, runner: StudyRunner) -> Tables:
    """Train both rounds and measure the runs.

    Args:
        plan: the study. Settings whose data are not there are left out, but for the first.
        runner: where to train and measure.

    Returns:
        With a column setting: "images", "estimates", "tests", "rank_correlations", "influence" and "rare_area"
        (`estimate_tables`), "removed", "flags", "noise" and "suspects" (`plan_retraining`), "accuracies"
        (`accuracy_table`). Without: "left_out" (settings that are, and why), "course" (`flag_course`) and "onsets" (one
        row per run that may break).

    Raises:
        DataError: the data of the first setting are missing.
        RunError: a run failed, or a measuring process died.
    """
    plan, left_out = _with_data(plan, download=runner.download)
    runner.train(plan.study())
    found = {setting: estimate_tables(plan, setting, runner) for setting in plan.radii}
    groups = {}
    partners: dict[str, dict[int, set[int] | None]] = {}
    for setting in plan.radii:
        if plan.seeds(setting):
            second = plan_retraining(plan, setting, found[setting]["images"], runner)
            groups.update(second.groups)
            partners[setting] = second.partners
            found[setting] |= second.tables
    if plan.breaks_without is not None:
        groups |= breaking_without(plan, found[plan.breaks_without]["images"], runner.folder / "sets")
    again = plan.model_copy(update={"name": f"{plan.name}-without", "groups": groups})
    if groups:
        runner.train(again.study())
    for setting, by_seed in partners.items():
        tests = groups_of_tests(found[setting]["tests"], by_seed)
        found[setting]["accuracies"] = accuracies_of(plan, setting, again, tests, runner)
    joined = {"left_out": left_out, **_joined(found)}
    return joined | (_breaking_tables(plan, again, runner) if BREAKING in plan.groups else {})


def _with_data(plan: MemorisationPlan, *, download: bool) -> tuple[MemorisationPlan, pd.DataFrame]:
    """The part of a plan whose data are there, and the settings left out: columns setting, why."""
    missing: dict[str, str] = {}
    for place, setting in enumerate(plan.radii):
        try:
            load(DataConfig.model_validate(plan.groups[f"{setting} standard"].settings["data"]), 0, download)
        except DataError as error:
            if place == 0:
                raise
            missing[setting] = str(error)
    kept = {
        name: len(group.seeds)
        for name, group in plan.groups.items()
        if not any(name.startswith(f"{setting} ") for setting in missing)
    }
    return plan.part(kept), pd.DataFrame(missing.items(), columns=["setting", "why"])


def _joined(found: dict[str, dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Tables of all settings, the setting their first column."""
    names = dict.fromkeys(name for tables in found.values() for name in tables)
    joined = {}
    for name in names:
        parts = {setting: tables[name] for setting, tables in found.items() if name in tables}
        known = [table.assign(setting=setting) for setting, table in parts.items() if len(table)]
        table = pd.concat(known or [next(iter(parts.values())).assign(setting="")], ignore_index=True)
        joined[name] = table[["setting", *(column for column in table if column != "setting")]]
    return joined


def _breaking_tables(plan: MemorisationPlan, again: MemorisationPlan, runner: StudyRunner) -> dict[str, pd.DataFrame]:
    runs = [*plan.runs([BREAKING]), *again.runs([BREAKING])]
    wanted = [measurement(run, "adversarial", flag_course, points=plan.points) for run in runs]
    onsets = pd.DataFrame([_onset_row(run, RunFolder.of(runner.root, run.config)) for run in runs])
    return {"course": runner.measure(wanted), "onsets": onsets}


def _onset_row(run: PlannedRun, folder: RunFolder) -> dict[str, object]:
    """When a run broke.

    Columns arm, seed, onset (iteration, nan if none), last (iterations), verdict, flagged_at_start (share of
    the batches flagged in the first epoch with weights; nan without any), clean and pgd-10 (accuracies at the end).
    """
    result = folder.result()
    return {
        "arm": run.arm,
        "seed": run.seed,
        "onset": result["breakpoint"]["iteration"] if result["breakpoint"] else np.nan,
        "last": result["iterations"],
        "verdict": result["verdict"],
        "flagged_at_start": _flagged_at_start(run, folder, result["iterations"]),
        **{name: result["evaluation"][name]["value"] for name in ("clean", "pgd-10")},
    }


def _flagged_at_start(run: PlannedRun, folder: RunFolder, last: int) -> float:
    if not isinstance(run.config.method, BenignStyle):
        return float("nan")
    metrics, first = folder.metrics(), run.config.method.start * last
    flagged = metrics[(metrics["signal"] == "flagged") & (metrics["iteration"] > first)]
    return float(flagged[flagged["iteration"] <= first + last / run.config.epochs]["value"].mean())


STUDY = PlannedStudy(
    title="Memorisation and BAT-style adversarial training",
    plans=PLANS,
    collect=collect_memorisation,
    judge=judge_memorisation,
    headlines=(
        "a_clean",
        "a_robust_not_lost",
        "b_robust",
        "c_robust",
        "c_permuted",
        "h_minus_switch_off",
        "h_plus_delay",
    ),
    caveat="BAT-style is a reconstruction from the paper's abstract: weights and loss have the believed shape, their "
    "constants are ours (docs/benign_at.md).",
)
