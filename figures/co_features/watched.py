"""Networks along their training and on both sides of the break: what several figures measure of a run.

A run is looked at at the iterations whose weights it kept (`World.keep`), and right before and after its break.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from cotoolkit.attacks.gradient import attack_mode, fgsm, input_gradient, pgd
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.core.seeding import generator
from cotoolkit.data import apply_intervention, load
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.runs.checkpoints import Points, evaluation_points, trained_series
from cotoolkit.runs.folder import Checkpoint, RunFolder
from cotoolkit.signals import perturbation_alignment, top_hessian_eigenvalue
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.world import WORLDS, Settings, World
from figures.recipe import table_of
from figures.style import BLUE, GREEN, VERMILION
from interventions.injection import Injection
from interventions.projection import feature_coefficients, feature_share, span_basis

IMAGES, POINTS = 100, 200
"""Training images of the curvature ([M] in the spec: 100), and test images of everything else (ours)."""


STATES = {
    "before": ("FGSM, before the break", GREEN, "-"),
    "after": ("FGSM, after it", VERMILION, "-."),
    "trained": ("PGD", BLUE, "--"),
}
"""What `states` gives for the two trainings: how it is written, its colour, its line."""


class Around(NamedTuple):
    """Kept iterations on both sides of a break: the last before it can have begun, and one after it is done."""

    before: int
    after: int


class Share(NamedTuple):
    """How much of perturbations (B, ...) is the injected feature; each (B,).

    Attributes:
        inside: r, the share of the energy in the span of all features; random signs give rank / d.
        cancelled: s = -<delta, v_y> / (||v_y||^2 epsilon): 1 where the perturbation does nothing but cancel the
            feature of the own class, about 0 for random signs.
    """

    inside: Tensor
    cancelled: Tensor


def around(folder: RunFolder) -> Around:
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
    return Around(before[-1], next((one for one in kept if one >= latest + gap), kept[-1]))


def states(folder: RunFolder) -> dict[str, int]:
    """Kept iterations that stand for a run: "before" and "after" its break, or "trained", its last, without one."""
    if folder.result()["breakpoint"] is None:
        return {"trained": folder.kept()[-1]}
    return dict(around(folder)._asdict())


def injection_of(config: RunConfig) -> Injection:
    """What a run injects, be its strength 0.

    Raises:
        RunError: it injects nothing.
    """
    if not isinstance(config.intervention, Injection):
        raise RunError(f"{config.title}-{config.identity}: injects no feature")
    return config.intervention


def share(delta: Tensor, labels: Tensor, vectors: Tensor, epsilon: float) -> Share:
    """See `Share`. Shapes: (B, C, H, W), (B,), (classes, C, H, W)."""
    own = feature_coefficients(delta, vectors).gather(1, labels[:, None])[:, 0]
    return Share(feature_share(delta, vectors), -own / epsilon)


def curvature(model: nn.Module, images: Tensor, labels: Tensor, seed: int) -> float:
    """Mean over images of the largest eigenvalue of the input Hessian of the cross-entropy, in evaluation mode.

    By power iteration from a start that is the same for every network.
    """

    def gradient_of(inputs: Tensor) -> Tensor:
        losses = torch.nn.functional.cross_entropy(model(inputs), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(losses, inputs, create_graph=True)
        return gradient

    with attack_mode(model, "eval"):
        return float(top_hessian_eigenvalue(gradient_of, images, generator(seed, "diagnosis")).mean())


def course(folder: RunFolder) -> pd.DataFrame:
    """One row per kept iteration: accuracies, curvature, and the feature's share of perturbations.

    Columns: iteration, kept (false right before and after the break), clean, fgsm, pgd (PGD-10), curvature;
    fgsm_inside, fgsm_cancelled, pgd_inside, pgd_cancelled (means over images of `Share`); random, the share of the
    energy of random signs in the span; breakpoint, before and after (see `around`; nan without a break).
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
            row[name] = evaluate(model, points.images, points.labels, config.threat, protocol).accuracy.value
        row["curvature"] = curvature(model, *fixed, config.seed)
        for name, delta in perturbations(model, points, config).items():
            parts = share(delta, points.labels, vectors, config.epsilon)._asdict()
            row |= {f"{name}_{part}": float(value.nanmean()) for part, value in parts.items()}
        rows.append(row)
    broke = folder.result()["breakpoint"]
    before, after = around(folder) if broke else (float("nan"), float("nan"))
    found = pd.DataFrame(rows).sort_values("iteration", ignore_index=True)
    return found.assign(
        random=len(span_basis(vectors)) / vectors[0].numel(),
        breakpoint=float(broke["iteration"]) if broke else float("nan"),
        before=float(before),
        after=float(after),
    )


def perturbations(model: nn.Module, points: Points, config: RunConfig) -> dict[str, Tensor]:
    """What FGSM and PGD-10 add to images, (N, C, H, W), in evaluation mode."""
    images, labels, threat = points.images, points.labels, config.threat
    draws = generator(config.seed, "diagnosis")
    return {
        "fgsm": fgsm(model, images, labels, threat, bn_mode="eval").delta,
        "pgd": pgd(model, images, labels, threat, generator=draws, bn_mode="eval").delta,
    }


def second_step(model: nn.Module, points: Points, config: RunConfig) -> Tensor:
    """Cosine between FGSM's step and the next, taken at the FGSM example; (N,), nan where a gradient is zero."""
    images, labels, threat = points.images, points.labels, config.threat
    found = fgsm(model, images, labels, threat, bn_mode="eval")
    with attack_mode(model, "eval"):
        following = threat.steepest(input_gradient(model, images + found.delta, labels).gradient)
    first = threat.steepest(found.gradient)
    return perturbation_alignment(first, following)


def hidden_on_the_way(correct: Tensor, end: int) -> float:
    """Share of images that are right at row `end` of a way and wrong at some row before it; (K, N) bool."""
    return float((correct[end] & ~correct[:end].all(0)).double().mean())


def watched_arms(world: World) -> dict[str, Settings]:
    """The arms whose weights are kept: FGSM and PGD, with the feature and without."""
    return {
        "fgsm_with": world.arm(),
        "fgsm_without": world.arm(0.0),
        "pgd_with": world.arm(method=world.pgd),
        "pgd_without": world.arm(0.0, method=world.pgd),
    }


def watched_study(world: World) -> Study:
    """The runs of `watched_arms`."""
    return world.study("watched", watched_arms(world).values())


def courses(world: World, runner: StudyRunner) -> pd.DataFrame:
    """`course` of all watched runs, trained if need be; further columns arm and seed."""
    table_of(runner, [watched_study(world)])
    looks = [
        RunMeasurement(world.config(arm, seed), course, {"arm": name, "seed": seed})
        for name, arm in watched_arms(world).items()
        for seed in world.seeds
    ]
    return runner.measure(looks)


def beside_break(data: pd.DataFrame, arm: str, measure: str, side: str) -> np.ndarray:
    """A measure of an arm at the break of the FGSM run of the same seed, one number per seed with a break.

    Args:
        data: as `courses` gives it.
        arm: whose measure.
        measure: column.
        side: the column that holds the iteration: "before" or "after".
    """
    broken = data[data["arm"] == "fgsm_with"].drop_duplicates("seed")[["seed", side]].dropna()
    of_arm = data.loc[data["arm"] == arm, ["seed", "iteration", measure]]
    found = broken.merge(of_arm, left_on=["seed", side], right_on=["seed", "iteration"])
    return found.sort_values("seed")[measure].to_numpy(dtype=float)


def broken_arms(world: World, methods: Sequence[str]) -> dict[str, Settings]:
    """Arms with the feature, by method: "fgsm" and perhaps "pgd"."""
    return {method: world.arm(method=world.pgd if method == "pgd" else method) for method in methods}


def across_break(
    world: World, runner: StudyRunner, function: Callable[..., pd.DataFrame], methods: Sequence[str] = ("fgsm", "pgd")
) -> pd.DataFrame:
    """A function of runs with the feature, trained if need be; further columns method and seed.

    Only seeds are looked at whose FGSM run broke and whose other runs did not.

    Raises:
        RunError: there is none.
    """
    arms = broken_arms(world, methods)
    table = table_of(runner, [world.study("across-break", arms.values())])
    broke = table.assign(broke=table["breakpoint"].notna()).pivot(index="seed", columns="method", values="broke")
    fit = broke["fgsm"] & ~broke.drop(columns="fgsm").any(axis=1)
    seeds = [int(seed) for seed in broke.index[fit]]
    if not seeds:
        raise RunError(f"epsilon {world.epsilon:g}, beta {world.beta:g}: no seed breaks FGSM training and no other")
    looks = [
        RunMeasurement(world.config(arm, seed), function, {"method": name, "seed": seed})
        for name, arm in arms.items()
        for seed in seeds
    ]
    return runner.measure(looks)


def across_break_studies(methods: Sequence[str] = ("fgsm", "pgd")) -> dict[Scale, tuple[Study, ...]]:
    """The runs of `across_break`, by scale."""
    return {
        scale: (world.study("across-break", broken_arms(world, methods).values()),) for scale, world in WORLDS.items()
    }
