"""Flags across the breakpoint of single-step training: does BAT-style training delay it, or switch itself off?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.runner import StudyRunner
from analyses.core.survival import log_rank
from analyses.memorisation.arms import Arm, breaking, study_of
from analyses.memorisation.measure import Course
from analyses.memorisation.sets import freeze, pick
from analyses.memorisation.settings import Plan
from cotoolkit.methods import BenignStyle
from cotoolkit.runs.folder import RunFolder


def run_dynamics(plan: Plan, runner: StudyRunner, images: pd.DataFrame | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train the world that breaks and follow its flags.

    Args:
        plan: the study.
        runner: where to train.
        images: what `image_table` gives for the world whose atypical images one arm does without; None for no such arm.

    Returns:
        The courses (`Course`), and one row per run: arm, seed, onset (iteration; nan if it did not break), last
        (iterations), verdict, flagged_at_start (share of the batches flagged in the first epoch with weights; nan
        without any), clean and pgd-10 (accuracies at the end).
    """
    dynamics = plan.dynamics
    masks = {}
    if images is not None:
        atypical = images["atypical"].to_numpy(dtype=bool)
        half = pick(atypical, int(atypical.sum()) // 2, 0)
        for arm, marks in (("without atypical", half), ("without typical", pick(~atypical, int(half.sum()), 0))):
            path = runner.folder / "sets" / f"dynamics-{arm.replace(' ', '-')}.npy"
            masks[arm] = freeze(~marks, path)
    arms = breaking(dynamics, masks)
    question = "does BAT-style training delay the break, or switch itself off when it comes?"
    runner.train(study_of(plan, "memorisation-dynamics", question, dynamics.settings, arms))
    course = runner.measure([Course(arm.config, arm.tags, dynamics.points) for arm in arms])
    return course, onsets(arms, runner)


def onsets(arms: Sequence[Arm], runner: StudyRunner) -> pd.DataFrame:
    """One row per run; see `run_dynamics`."""
    rows = []
    for arm in arms:
        folder = RunFolder.of(runner.root, arm.config)
        result, metrics = folder.result(), folder.metrics()
        rows.append(
            {
                "arm": arm.arm,
                "seed": arm.seed,
                "onset": result["breakpoint"]["iteration"] if result["breakpoint"] else np.nan,
                "last": result["iterations"],
                "verdict": result["verdict"],
                "flagged_at_start": _flagged_at_start(arm, metrics, result["iterations"]),
                **{name: result["evaluation"][name]["value"] for name in ("clean", "pgd-10")},
            }
        )
    return pd.DataFrame(rows)


def _flagged_at_start(arm: Arm, metrics: pd.DataFrame, last: int) -> float:
    if not isinstance(arm.config.method, BenignStyle):
        return float("nan")
    first = arm.config.method.start * last
    flagged = metrics[(metrics["signal"] == "flagged") & (metrics["iteration"] > first)]
    return float(flagged[flagged["iteration"] <= first + last / arm.config.epochs]["value"].mean())


def onset_table(table: pd.DataFrame) -> pd.DataFrame:
    """By arm: runs, how many broke, median onset counting runs that did not break as later than all, accuracies.

    `log_rank_p` compares the shares of training until the break with those of the plain method.
    """
    rows = []
    plain = table[table["arm"] == "plain"]
    for arm, runs in table.groupby("arm", sort=False):
        onset = runs["onset"].fillna(np.inf).median()
        rows.append(
            {
                "arm": arm,
                "runs": len(runs),
                "broke": int(runs["onset"].notna().sum()),
                "median_onset": onset if np.isfinite(onset) else np.nan,
                "log_rank_p": np.nan if arm == "plain" else log_rank(*until_break(runs), *until_break(plain)),
                "flagged_at_start": runs["flagged_at_start"].mean(),
                "clean": runs["clean"].mean(),
                "pgd-10": runs["pgd-10"].mean(),
            }
        )
    return pd.DataFrame(rows)


def until_break(runs: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Share of training until the break, or 1, and whether it came."""
    share = (runs["onset"] / runs["last"]).fillna(1.0)
    return share.to_numpy(dtype=float), runs["onset"].notna().to_numpy(dtype=bool)


def across(course: pd.DataFrame, table: pd.DataFrame, arm: str, reach: int) -> pd.DataFrame:
    """Flags before and after each break of an arm: the looks nearest to `reach` iterations on either side of it.

    Columns: seed, before, after (flagged under the training attack), before_pgd, after_pgd, clean_error (after); a row
    per run that broke at least `reach` after its first and before its last look.
    """
    rows = []
    for run in table[(table["arm"] == arm) & table["onset"].notna()].to_dict("records"):
        looks = course[(course["arm"] == arm) & (course["seed"] == run["seed"])].sort_values("iteration")
        places, onset = looks["iteration"].to_numpy(), run["onset"]
        if onset - reach < places[0] or onset + reach > places[-1]:
            continue
        before, after = (looks.iloc[int(abs(places - place).argmin())] for place in (onset - reach, onset + reach))
        rows.append(
            {
                "seed": run["seed"],
                "before": before["flagged"],
                "after": after["flagged"],
                "before_pgd": before["flagged_pgd"],
                "after_pgd": after["flagged_pgd"],
                "clean_error": after["clean_error"],
            }
        )
    return pd.DataFrame(rows, columns=["seed", "before", "after", "before_pgd", "after_pgd", "clean_error"])


def alignment_gain(course: pd.DataFrame, table: pd.DataFrame, arm: str) -> NDArray[np.float64]:
    """Gradient alignment of an arm less that of the plain one, at the last look before the plain one breaks; by seed.

    Args:
        course: of `run_dynamics`.
        table: of `run_dynamics`.
        arm: to compare.
    """
    found = []
    plain = table[(table["arm"] == "plain") & table["onset"].notna()]
    for run in plain.to_dict("records"):
        looks = course[(course["seed"] == run["seed"]) & (course["iteration"] < run["onset"])]
        by_arm = looks.pivot_table(index="iteration", columns="arm", values="alignment")
        if arm in by_arm and len(by_arm.dropna(subset=[arm, "plain"])):
            last = by_arm.dropna(subset=[arm, "plain"]).iloc[-1]
            found.append(float(last[arm] - last["plain"]))
    return np.array(found)
