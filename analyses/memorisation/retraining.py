"""Training without groups of images, and with given flags: runs that are known when the halves have been looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analyses.core.plan import ArmGroup, every
from analyses.core.runner import StudyRunner
from analyses.memorisation.flags import flag_table, noise_table
from analyses.memorisation.image_groups import (
    OTHER_T_MEM,
    T_MEM,
    Marks,
    freeze_marks,
    left_out_groups,
    next_seed,
    pick_random,
)
from analyses.memorisation.images import measurement
from analyses.memorisation.measures import correct_images, image_looks
from analyses.memorisation.plan import BREAKING, MemorisationPlan, weighted

STANDARD_TOO = ("without flagged", "without atypical")
"""What standard training does without as well."""


class Retraining(NamedTuple):
    """The second round of a setting.

    Attributes:
        groups: who trains, by name: one group per kind of training and seed, since every seed leaves out others.
        partners: by seed, the planted sub-clusters that "without atypical" leaves out; None on other data.
        tables: "removed" (how many training images each arm does without; own_flags, whether the run of the same seed
            flagged them, which is circular, but all that a lone seed has), "flags" (`flag_table`), "noise"
            (`noise_table`), "suspects" (looks at the training images at the end of adversarial training, first seed).
    """

    groups: dict[str, ArmGroup]
    partners: dict[int, set[int] | None]
    tables: dict[str, pd.DataFrame]


def plan_retraining(plan: MemorisationPlan, setting: str, images: pd.DataFrame, runner: StudyRunner) -> Retraining:
    """Choose and freeze what is left out, and whose flags are taken.

    Args:
        plan: the study.
        setting: of its settings, with adversarial training.
        images: one row per training image (`analyses.memorisation.images`).
        runner: that trained the first round; the frozen sets go to its folder.

    Returns:
        Who trains, and what the first round says of flags.
    """
    robust, seeds, planted = f"{setting} adversarial", plan.seeds(setting), plan.planted(setting)
    looks = runner.measure([measurement(r, "adversarial", image_looks) for r in plan.runs([robust], ["all"])])
    noisy = runner.measure([measurement(r, "adversarial", image_looks) for r in plan.runs([robust], ["noise"])])
    suspects = looks[looks["iteration"] == looks["iteration"].max()]
    folder = runner.folder / "sets"
    left_out = left_out_groups(images, suspects, seeds, planted=planted)
    masks = {
        key: freeze_marks(~marks, folder / f"{setting}-{key[0].replace(' ', '-')}-{key[1]}.npy")
        for key, marks in left_out.items()
    }
    flags: dict[tuple[str, int], str] = {}
    for seed in seeds:
        marks = next_seed(suspects, seed, seeds)["flagged"].to_numpy(dtype=bool)
        flags["static", seed] = freeze_marks(marks, folder / f"{setting}-flagged-for-{seed}.npy")
        if planted:
            harmful = (images["truth"] == "harmful").to_numpy()
            flags["oracle", seed] = freeze_marks(harmful, folder / f"{setting}-harmful.npy")
    lone = len(seeds) == 1
    removed = [
        {"arm": arm, "seed": seed, "images": int(marks.sum()), "own_flags": lone and arm == "without flagged"}
        for (arm, seed), marks in left_out.items()
    ]
    halves = {seed: left_out["without atypical", seed] for seed in seeds}
    partners = {seed: set(images.loc[half, "cluster"]) if planted else None for seed, half in halves.items()}
    tables = {
        "removed": pd.DataFrame(removed),
        "flags": flag_table(looks, images, (T_MEM, *OTHER_T_MEM)),
        "noise": noise_table(noisy),
        "suspects": suspects[suspects["seed"] == seeds[0]],
    }
    return Retraining(retrained_groups(plan, setting, masks, flags), partners, tables)


def retrained_groups(
    plan: MemorisationPlan,
    setting: str,
    masks: Mapping[tuple[str, int], str],
    flags: Mapping[tuple[str, int], str],
) -> dict[str, ArmGroup]:
    """The groups of the second round.

    Args:
        plan: the study.
        setting: of its settings.
        masks: frozen files that mark what to train on, by arm and seed.
        flags: the same of given flags.

    Returns:
        A group per kind of training and seed.
    """
    groups = {}
    for seed in plan.seeds(setting):
        only = {arm: {"data.only": mask} for (arm, of_seed), mask in masks.items() if of_seed == seed}
        robust = plan.groups[f"{setting} adversarial"]
        given = {
            arm: {"method": weighted(inner=robust.settings["method"], weights="given", flags=file)}
            for (arm, of_seed), file in flags.items()
            if of_seed == seed
        }
        few = {arm: only[arm] for arm in STANDARD_TOO if arm in only}
        for kind, arms in (("adversarial", {**only, **given}), ("standard", few)):
            group = plan.groups[f"{setting} {kind}"]
            groups[f"{setting} {kind} {seed}"] = group.model_copy(update={"seeds": (seed,), "arms": arms})
    return groups


def accuracies_of(
    plan: MemorisationPlan,
    setting: str,
    again: MemorisationPlan,
    groups: Mapping[tuple[str, int | None], Marks],
    runner: StudyRunner,
) -> pd.DataFrame:
    """Accuracies of all runs of a setting on the whole set and on parts of it; see `accuracy_table`.

    Args:
        plan: the study.
        setting: of its settings.
        again: the second round.
        groups: of test images (`groups_of_tests`).
        runner: that trained both.

    Returns:
        One row per run, group of test images and event.
    """
    radii = plan.radii[setting]
    robust, standard = ([f"{setting} {kind}"] for kind in ("adversarial", "standard"))
    seeds = plan.seeds(setting)
    adversarial = [run for run in plan.runs(robust) if run.arm != "noise"]
    adversarial += again.runs([f"{setting} adversarial {seed}" for seed in seeds])
    plain = [*plan.runs(standard), *again.runs([f"{setting} standard {seed}" for seed in seeds])]
    wanted = [measurement(run, "adversarial", correct_images, radii=radii) for run in adversarial]
    wanted += [measurement(run, "standard", correct_images, radii={}) for run in plain]
    return accuracy_table(runner.measure(wanted), groups)


def accuracy_table(correct: pd.DataFrame, groups: Mapping[tuple[str, int | None], Marks]) -> pd.DataFrame:
    """Accuracy by run, group of test images and event.

    Args:
        correct: `correct_images` on the test set, with the columns kind, arm and seed.
        groups: test images, (M,) bool, by name and seed; None means for every seed.

    Returns:
        Columns kind, arm, seed, group, event, accuracy (a share), images.
    """
    events = [str(name) for name in correct.columns if name == "clean" or str(name).startswith("robust")]
    rows = []
    for (kind, arm, seed), run in correct[correct["part"] == "test"].groupby(["kind", "arm", "seed"]):
        ordered = run.sort_values("index")
        for (group, of_seed), members in groups.items():
            if of_seed not in (None, seed) or not members.any():
                continue
            for event in events:
                if ordered[event].isna().any():  # not measured of these runs
                    continue
                values = ordered[event].to_numpy(dtype=bool)[members]
                row = {"kind": kind, "arm": arm, "seed": seed, "group": group, "event": event}
                rows.append({**row, "accuracy": values.mean(), "images": int(members.sum())})
    return pd.DataFrame(rows)


def breaking_without(plan: MemorisationPlan, images: pd.DataFrame, folder: Path) -> dict[str, ArmGroup]:
    """Single-step training that breaks, without half of the atypical images and without as many typical ones.

    Args:
        plan: the study.
        images: one row per training image of the setting whose images are left out.
        folder: where the frozen sets go.

    Returns:
        The group, by name.
    """
    atypical = images["atypical"].to_numpy(dtype=bool)
    half = pick_random(atypical, min(int(atypical.sum()) // 2, int((~atypical).sum())), 0)
    group = plan.groups[BREAKING]
    plain = group.arms["plain"]
    arms = {}
    for arm, marks in (
        ("without atypical", half),
        ("without typical", pick_random(~atypical, int(half.sum()), 0)),
    ):
        mask = freeze_marks(~marks, folder / f"dynamics-{arm.replace(' ', '-')}.npy")
        keep = every(group.settings, int(np.sum(~marks)), plain["keep"][0])
        arms[arm] = {**plain, "data.only": mask, "keep": keep}
    return {BREAKING: group.model_copy(update={"arms": arms})}
