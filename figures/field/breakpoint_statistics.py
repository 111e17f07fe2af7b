"""What the field's figures measure around the break: one look at a run's kept weights that they all share.

The runs are those of co_features (`figures.co_features.setups`): FGSM training on data with the injected feature, which
breaks, and on the data as they are, which does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.core.claims import ClaimRow, claim
from analyses.core.judging.premises import CHANCE, MOST, ROBUST
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from cotoolkit.attacks.gradient import fgsm, holds, input_gradient, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.models.modes import attack_mode
from cotoolkit.plotting.style import BLUE, VERMILION
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals.local import gradient_alignment
from cotoolkit.signals.perturbation import perturbation_alignment
from cotoolkit.signals.segment import boundary_distortion, smallest_fooling_fraction
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.grid_cells import SHARE
from figures.co_features.setups.setup import SETUPS, Setup

ARMS = {"breaks": None, "intact": 0.0}
"""Arms and their strength of the injection; None is the setup's, at which FGSM training breaks."""

ARM_LOOKS = {
    "breaks": ("FGSM, injected feature", VERMILION, "-"),
    "intact": ("FGSM, data as they are", BLUE, "--"),
}
"""How the arms are written, their colours, their lines."""

FRACTIONS, FEW_FRACTIONS, STEPS = 100, 3, 10
"""Of the segment to the FGSM example: for boundary distortion and for the smallest fooling fraction, as Kim et al.; and
the steps of PGD."""

POINTS = 100
"""Test images."""

SIGNALS = ("pert_align", "linearity")
"""Signals of the training steps themselves, as the run recorded them."""


def _study(setup: Setup) -> Study:
    """The two arms of a setup."""
    return setup.study("field-around-break", [setup.arm(beta) for beta in ARMS.values()])


STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (_study(setup),) for scale, setup in SETUPS.items()}


def collect_statistics(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Train and measure the two arms. Columns arm, seed, iteration, statistic, value, scale.

    Args:
        scale: of the setup.
        runner: where to train and measure.

    Returns:
        A row per arm, seed, iteration and statistic.
    """
    setup = SETUPS[scale]
    for study in STUDIES[scale]:
        runner.train(study)
    measurements = [
        RunMeasurement(
            setup.config(setup.arm(beta), seed), run_statistics, {"arm": arm, "seed": seed}, {"points": POINTS}
        )
        for arm, beta in ARMS.items()
        for seed in setup.seeds
    ]
    return runner.measure(measurements).assign(scale=scale)


def run_statistics(folder: RunFolder, points: int) -> pd.DataFrame:
    """A run's kept networks on its first test images, and the signals of its training steps.

    Args:
        folder: of a finished run with kept weights.
        points: test images.

    Returns:
        Columns iteration, statistic, value. The statistics are those of `network_statistics`, `SIGNALS`, and
        "breakpoint", whose value is the iteration; a run that did not break has none.
    """
    config, kept = folder.config(), folder.kept()
    data = evaluation_points(config).first(points)
    rows = [
        {"iteration": iteration, "statistic": name, "value": value}
        for iteration, model in zip(kept, trained_series(folder, kept), strict=True)
        for name, value in network_statistics(model, data, config.threat, config.seed).items()
    ]
    metrics = folder.metrics()
    found = [pd.DataFrame(rows), metrics[metrics["signal"].isin(SIGNALS)].rename(columns={"signal": "statistic"})]
    breakpoint_event = folder.result()["breakpoint"]
    if breakpoint_event:
        at = breakpoint_event["iteration"]
        found.append(pd.DataFrame({"iteration": [at], "statistic": ["breakpoint"], "value": [float(at)]}))
    return pd.concat(found, ignore_index=True)[["iteration", "statistic", "value"]]


def network_statistics(model: nn.Module, points: Points, threat: ThreatModel, seed: int) -> dict[str, float]:
    """How robust a network is on some points, and how linear its loss is around them.

    Args:
        model: in evaluation mode.
        points: images and labels.
        threat: radius and clamps.
        seed: of the random starts.

    Returns:
        clean, fgsm, pgd: accuracies. gradient_alignment: mean cosine of the gradients at x and at x + noise, uniform in
        the ball. perturbation_alignment: mean cosine of the FGSM and the PGD-10 perturbation, both from the image.
        distortion: of the points that are right at x and at x + delta of FGSM, the share that is wrong between them.
        fooling_fraction: mean smallest k / 3 with x + (k / 3) delta wrong, 1 where none is.
    """
    images, labels, _ = points
    one_step = fgsm(model, images, labels, threat, bn_mode="eval")
    many_steps = pgd(model, images, labels, threat, generator=None, steps=STEPS, bn_mode="eval")
    start = threat.random_start(images, generator(seed, "probe"))
    with attack_mode(model, "eval"):
        noisy = input_gradient(model, images + start, labels).gradient
    means = {
        "gradient_alignment": gradient_alignment(one_step.gradient, noisy),
        "perturbation_alignment": perturbation_alignment(one_step.delta, many_steps.delta),
        "distortion": boundary_distortion(_along(model, points, one_step.delta, FRACTIONS)),
        "fooling_fraction": smallest_fooling_fraction(_along(model, points, one_step.delta, FEW_FRACTIONS)),
    }
    accuracies = {
        name: run_protocol(model, images, labels, threat, protocol, seed=seed).accuracy.value
        for name, protocol in (("clean", "clean"), ("fgsm", "fgsm"), ("pgd", f"pgd-{STEPS}"))
    }
    return {**accuracies, **{name: float(values.nanmean()) for name, values in means.items()}}


def _along(model: nn.Module, points: Points, delta: Tensor, steps: int) -> Tensor:
    """Which points are right at x + (k / steps) delta, k = 0..steps: (steps + 1, B) bool."""
    with torch.no_grad(), attack_mode(model, "eval"):
        return torch.stack([holds(model(points.images + k / steps * delta), points.labels) for k in range(steps + 1)])


def breakpoints(data: pd.DataFrame, arm: str = "breaks") -> dict[int, float]:
    """Breakpoint by seed, of an arm; seeds that did not break are left out."""
    rows = data[(data["statistic"] == "breakpoint") & (data["arm"] == arm)]
    return {int(seed): float(at) for seed, at in zip(rows["seed"], rows["value"], strict=True)}


def aligned(data: pd.DataFrame, statistics: Sequence[str], spacing: int) -> pd.DataFrame:
    """Rows of some statistics with `offset`, iterations since the break of the same seed, to the nearest `spacing`.

    Runs that do not break are placed by the break of the run with the same seed; rows that fall on the same place are
    averaged. Columns arm, seed, statistic, offset, value.

    Args:
        data: the table of the figure.
        statistics: which ones.
        spacing: iterations that are one place.

    Returns:
        A row per arm, seed, statistic and place.
    """
    at = breakpoints(data)
    rows = data[data["statistic"].isin(list(statistics)) & data["seed"].isin(list(at))]
    offset = (rows["iteration"] - rows["seed"].map(at)) / spacing
    placed = rows.assign(offset=offset.round().astype(int) * spacing)
    return placed.groupby(["arm", "seed", "statistic", "offset"])["value"].mean().reset_index()


def in_every_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the offsets that all seeds of an arm reach: where some end, a mean would jump.

    Args:
        rows: of `aligned`.

    Returns:
        Those of them.
    """
    reached = rows.groupby(["arm", "statistic", "offset"])["seed"].transform("nunique")
    return rows[reached == rows.groupby(["arm", "statistic"])["seed"].transform("nunique")]


def spacing_of(data: pd.DataFrame) -> int:
    """Iterations between kept networks."""
    kept = np.unique(data.loc[data["statistic"] == "clean", "iteration"].to_numpy())
    return int(np.diff(kept).min())


def before_after(data: pd.DataFrame, statistic: str, arm: str = "breaks") -> pd.DataFrame:
    """A statistic of the networks kept last before the break and first behind it; a row per seed that broke.

    Well before and well behind: at least 32 iterations before, at least 64 after, as in `analyses.breakpoint_mixtures`.

    Args:
        data: the table of the figure.
        statistic: which one.
        arm: "breaks" or "intact".

    Returns:
        Columns before and after; the index is the seed.
    """
    rows = data[(data["statistic"] == statistic) & (data["arm"] == arm)]
    found = {}
    for seed, at in breakpoints(data).items():
        own = rows[rows["seed"] == seed].set_index("iteration")["value"].sort_index()
        early, late = own[own.index <= at + BEFORE], own[own.index >= at + AFTER]
        if len(early) and len(late):
            found[seed] = {"before": early.iloc[-1], "after": late.iloc[0]}
    return pd.DataFrame.from_dict(found, orient="index", columns=["before", "after"])


ROBUST_BEFORE: ClaimRow[pd.DataFrame] = claim(
    "robust_before", "Before the break FGSM training is robust",
    f"PGD-{STEPS} accuracy on {POINTS} test images before the break", above=ROBUST, null=CHANCE,
    value=lambda data: before_after(data, "pgd")["before"],
)  # fmt: skip
"""A premise of what is claimed of the break."""

INTACT_HOLDS: ClaimRow[pd.DataFrame] = claim(
    "intact_holds", "Fewer than half of the runs that are compared as intact break", SHARE, below=MOST,
    value=lambda data: SeedShare([seed in breakpoints(data, "intact") for seed in data["seed"].unique()]),
)  # fmt: skip
"""A premise of what is claimed of runs without a break."""
