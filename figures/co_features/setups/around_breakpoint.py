"""Networks along their training and on both sides of the break: what several figures measure of a run.

A run is looked at at the iterations whose weights it kept (`Setup.keep`), and right before and after its break.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.data import apply_intervention, load
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.plotting.style import BLUE, GREEN, VERMILION
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import Checkpoint, RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.perturbation_measures import curvature, perturbation_share, perturbations
from figures.co_features.setups.setup import SETUPS, Settings, Setup
from figures.recipe import table_of
from interventions.injection import Injection
from interventions.projection import span_basis

IMAGES, POINTS = 100, 200
"""Training images of the curvature ([M] in the spec: 100), and test images of everything else (ours)."""

STATES = {
    "before": ("FGSM, before the break", GREEN, "-"),
    "after": ("FGSM, after it", VERMILION, "-."),
    "trained": ("PGD", BLUE, "--"),
}
"""What `states` gives for the two trainings: how it is written, its colour, its line."""


class BreakpointSides(NamedTuple):
    """Kept iterations on both sides of a break: the last before it can have begun, and one after it is done."""

    before: int
    after: int


def breakpoint_sides(folder: RunFolder) -> BreakpointSides:
    """The two kept iterations that stand for before and after the break of a run.

    Before is the last kept one up to which the break had not begun, after is the first kept one at least as far behind
    its end as kept iterations are apart; the last one, if there is none so late.

    Raises:
        RunError: the run has no break, or kept nothing before it.
    """
    found, kept = folder.result()["breakpoint"], folder.kept()
    if found is None:
        raise RunError(f"{folder.path}: has no break")
    earliest, latest = found["detail"]["earliest"], found["detail"]["latest"]
    before = [one for one in kept if one < earliest]
    if not before:
        raise RunError(f"{folder.path}: kept no weights before its break; set keep")
    gap = kept[1] - kept[0]
    return BreakpointSides(before[-1], next((one for one in kept if one >= latest + gap), kept[-1]))


def states(folder: RunFolder) -> dict[str, int]:
    """Kept iterations that stand for a run: "before" and "after" its break, or "trained", its last, without one."""
    if folder.result()["breakpoint"] is None:
        return {"trained": folder.kept()[-1]}
    return dict(breakpoint_sides(folder)._asdict())


def injection_of(config: RunConfig) -> Injection:
    """What a run injects, be its strength 0.

    Raises:
        RunError: it injects nothing.
    """
    if not isinstance(config.intervention, Injection):
        raise RunError(f"{config.title}-{config.identity}: injects no feature")
    return config.intervention


def run_course(folder: RunFolder) -> pd.DataFrame:
    """One row per kept iteration: accuracies, curvature, and the feature's share of perturbations.

    Columns: iteration, kept (false right before and after the break), clean, fgsm, pgd (PGD-10), curvature;
    fgsm_inside, fgsm_cancelled, pgd_inside, pgd_cancelled (means over images of `PerturbationShare`); random, the share
    of the energy of random signs in the span; breakpoint, before and after (see `breakpoint_sides`; nan without one).
    """
    config = folder.config()
    wanted: list[Checkpoint] = [*folder.kept()]
    at: dict[Checkpoint, int] = {one: one for one in folder.kept()}
    sides: tuple[Checkpoint, ...] = ("before_break", "after_break")
    for side in sides:
        if folder.checkpoint_path(side).exists() and (iteration := folder.checkpoint_iteration(side)) not in at:
            wanted.append(side)
            at[side] = iteration
    points = evaluation_points(config).first(POINTS)
    train = load(config.data, config.seed).train
    few = train.pick(torch.arange(min(IMAGES, len(train))))
    fixed = apply_intervention(few, config.intervention, config.seed, "cpu", train=True)
    vectors = injection_of(config).carrier.vectors(train.classes, train.shape)
    rows = []
    for checkpoint, model in zip(wanted, trained_series(folder, wanted), strict=True):
        row: dict[str, float] = {"iteration": at[checkpoint], "kept": isinstance(checkpoint, int)}
        for name, protocol in (("clean", "clean"), ("fgsm", "fgsm"), ("pgd", "pgd-10")):
            row[name] = run_protocol(model, points.images, points.labels, config.threat, protocol).accuracy.value
        row["curvature"] = curvature(model, *fixed, config.seed)
        for name, delta in perturbations(model, points, config).items():
            parts = perturbation_share(delta, points.labels, vectors, config.epsilon)._asdict()
            row |= {f"{name}_{part}": float(value.nanmean()) for part, value in parts.items()}
        rows.append(row)
    broke = folder.result()["breakpoint"]
    before, after = breakpoint_sides(folder) if broke else (float("nan"), float("nan"))
    found = pd.DataFrame(rows).sort_values("iteration", ignore_index=True)
    return found.assign(
        random=len(span_basis(vectors)) / vectors[0].numel(),
        breakpoint=float(broke["iteration"]) if broke else float("nan"),
        before=float(before),
        after=float(after),
    )


def kept_arms(setup: Setup) -> dict[str, Settings]:
    """The arms whose weights are kept: FGSM and PGD, with the feature and without."""
    return {
        "fgsm_with": setup.arm(),
        "fgsm_without": setup.arm(0.0),
        "pgd_with": setup.arm(method=setup.pgd),
        "pgd_without": setup.arm(0.0, method=setup.pgd),
    }


def kept_study(setup: Setup) -> Study:
    """The runs of `kept_arms`."""
    return setup.study("watched", kept_arms(setup).values())


def run_courses(setup: Setup, runner: StudyRunner) -> pd.DataFrame:
    """`run_course` of all kept runs, trained if need be; further columns arm and seed.

    Args:
        setup: whose runs.
        runner: where to train and measure.

    Returns:
        A row per arm, seed and kept iteration.
    """
    table_of(runner, [kept_study(setup)])
    measurements = [
        RunMeasurement(setup.config(arm, seed), run_course, {"arm": name, "seed": seed})
        for name, arm in kept_arms(setup).items()
        for seed in setup.seeds
    ]
    return runner.measure(measurements)


def beside_breakpoint(data: pd.DataFrame, arm: str, measure: str, side: str) -> np.ndarray:
    """A measure of an arm at the break of the FGSM run of the same seed, one number per seed with a break.

    Args:
        data: as `run_courses` gives it.
        arm: whose measure.
        measure: column.
        side: the column that holds the iteration: "before" or "after".

    Returns:
        One number per seed that broke, in the order of the seeds.
    """
    broken = data[data["arm"] == "fgsm_with"].drop_duplicates("seed")[["seed", side]].dropna()
    of_arm = data.loc[data["arm"] == arm, ["seed", "iteration", measure]]
    found = broken.merge(of_arm, left_on=["seed", side], right_on=["seed", "iteration"])
    return found.sort_values("seed")[measure].to_numpy(dtype=float)


def _broken_arms(setup: Setup, methods: Sequence[str]) -> dict[str, Settings]:
    """Arms with the feature, by method: "fgsm" and perhaps "pgd"."""
    return {method: setup.arm(method=setup.pgd if method == "pgd" else method) for method in methods}


def across_breakpoint(
    setup: Setup, runner: StudyRunner, function: Callable[..., pd.DataFrame], methods: Sequence[str] = ("fgsm", "pgd")
) -> pd.DataFrame:
    """A function of runs with the feature, trained if need be; further columns method and seed.

    Only seeds are looked at whose FGSM run broke and whose other runs did not.

    Args:
        setup: whose runs.
        runner: where to train and measure.
        function: from a run's folder to a table; at the top level of a module.
        methods: "fgsm", and perhaps "pgd".

    Returns:
        The tables of all runs as one.

    Raises:
        RunError: there is none.
    """
    arms = _broken_arms(setup, methods)
    table = table_of(runner, [setup.study("across-break", arms.values())])
    broke = table.assign(broke=table["breakpoint"].notna()).pivot(index="seed", columns="method", values="broke")
    fit = broke["fgsm"] & ~broke.drop(columns="fgsm").any(axis=1)
    seeds = [int(seed) for seed in broke.index[fit]]
    if not seeds:
        raise RunError(f"epsilon {setup.radius}, beta {setup.strength}: no seed breaks FGSM training and no other")
    measurements = [
        RunMeasurement(setup.config(arm, seed), function, {"method": name, "seed": seed})
        for name, arm in arms.items()
        for seed in seeds
    ]
    return runner.measure(measurements)


def across_breakpoint_studies(methods: Sequence[str] = ("fgsm", "pgd")) -> dict[Scale, tuple[Study, ...]]:
    """The runs of `across_break`, by scale."""
    return {
        scale: (setup.study("across-break", _broken_arms(setup, methods).values()),) for scale, setup in SETUPS.items()
    }
