"""What a step of FGSM leaves to be found: more steps, the second step, and the way to the FGSM example.

None of it is known to be in the paper (4.3 of the spec): the profile along the step is that of Kim et al. (AAAI 2021).
All attacks start at the image, and the last iterate alone is scored: one step is FGSM, k steps have length
min(epsilon, 2.5 epsilon / k). With two or three the steps are nearly as long as the ball is wide, and jump between its
corners: accuracy need not fall from each number to the next.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, ROBUST
from analyses.core.runner import StudyRunner
from cotoolkit.attacks.gradient import fgsm
from cotoolkit.core.seeding import generator
from cotoolkit.diagnosis.measuring.fgsm_segment import along
from cotoolkit.evaluation.protocol import Protocol, run_protocol
from cotoolkit.plotting.style import PAGE
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from figures.co_features.setups.around_breakpoint import (
    POINTS,
    STATES,
    across_breakpoint,
    across_breakpoint_studies,
    states,
)
from figures.co_features.setups.perturbation_measures import hidden_on_the_way, second_step
from figures.co_features.setups.setup import SETUPS
from figures.elements import SHARES, category_axis, new_figure, percent, seed_band, seed_points
from figures.recipe import Recipe

STEPS = (1, 2, 3, 5, 10, 50)
FRACTIONS = tuple(round(0.05 * step, 2) for step in range(31))
"""Of the FGSM step, 0 to 1.5."""

STUDIES = across_breakpoint_studies()

SOURCE = "ours: not known to be in the paper [H]"


def steps(folder: RunFolder) -> pd.DataFrame:
    """One row per state of the run and number: state, measure, at, value.

    Measures: `pgd`, accuracy after `at` steps; `fgsm_way` and `random_way`, accuracy at `at` times the FGSM step and a
    step of random signs; `cosine`, of FGSM's step and the next; `hidden`, the share of images that are right at the
    FGSM example and wrong somewhere before.
    """
    config, points = folder.config(), evaluation_points(folder.config()).first(POINTS)
    images, labels, threat = points.images, points.labels, config.threat
    draws = generator(config.seed, "diagnosis")
    signs = torch.randint(2, images.shape, generator=draws).float() * 2 - 1
    places = states(folder)
    rows: list[tuple[str, str, float, float]] = []
    for state, model in zip(places, trained_series(folder, list(places.values())), strict=True):
        for count in STEPS:
            size = min(1.0, 2.5 / count)
            attack = Protocol(count, step_size=size, random_start=False, last_only=True)
            rows.append((state, "pgd", count, run_protocol(model, images, labels, threat, attack).accuracy.value))
        delta = fgsm(model, images, labels, threat, bn_mode="eval").delta
        ways = {"fgsm_way": delta, "random_way": threat.project(images, threat.epsilon * signs)}
        for name, way in ways.items():
            correct, _ = along(model, images, labels, threat, [fraction * way for fraction in FRACTIONS])
            rows += [(state, name, at, float(row.double().mean())) for at, row in zip(FRACTIONS, correct, strict=True)]
            if name == "fgsm_way":
                rows.append((state, "hidden", 1.0, hidden_on_the_way(correct, FRACTIONS.index(1.0))))
        rows.append((state, "cosine", 1.0, float(second_step(model, points, config).nanmean())))
    return pd.DataFrame(rows, columns=["state", "measure", "at", "value"])


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per state, seed and number."""
    return across_breakpoint(SETUPS[scale], runner, steps).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy by number of steps, accuracy along the step, and the two numbers of the second step."""
    figure, axes = new_figure(PAGE, 2.7, 1, 4, width_ratios=(1.3, 1.3, 0.8, 0.8))
    for place, (state, (label, colour, line)) in enumerate(STATES.items()):
        run = data[data["state"] == state]
        parts = {name: run[run["measure"] == name] for name in ("pgd", "fgsm_way", "random_way", "cosine", "hidden")}
        seed_band(axes[0], parts["pgd"], "at", "value", colour=colour, line=line, marker="o", ms=2.5, label=label)
        seed_band(axes[1], parts["fgsm_way"], "at", "value", colour=colour, line=line)
        seed_band(axes[1], parts["random_way"], "at", "value", colour=colour, line=":", lw=0.8)
        seed_points(axes[2], place, parts["cosine"]["value"].to_list(), colour)
        seed_points(axes[3], place, parts["hidden"]["value"].to_list(), colour, within=SHARES)
    axes[0].set(xscale="log", xlabel="steps of PGD", title="more steps", ylim=(-0.03, 1.03))
    axes[0].set_xticks(STEPS, [str(step) for step in STEPS])
    axes[0].minorticks_off()
    axes[1].axvline(1, color="black", lw=0.6)
    axes[1].set(xlabel="fraction t of the step", title="along the step", ylim=(-0.03, 1.03))
    for axis in axes[:2]:
        percent(axis, "accuracy")
    for axis, title in ((axes[2], "cosine of\nsteps 1 and 2"), (axes[3], "right at t = 1,\nwrong before")):
        category_axis(axis, ["before", "after", "PGD"], turned=True)
        axis.set_title(title)
    axes[3].set_ylim(bottom=0)
    percent(axes[3], "share of images")
    handles, labels = axes[0].get_legend_handles_labels()
    dotted = axes[1].plot([], [], color="black", ls=":", lw=0.8)
    figure.legend([*handles, *dotted], [*labels, "step of random signs"], loc="outside lower center", ncols=4)
    return figure


def _number(data: pd.DataFrame, state: str, measure: str, at: float = 1.0) -> np.ndarray:
    """One number per seed, in the order of the seeds."""
    rows = data[(data["state"] == state) & (data["measure"] == measure) & np.isclose(data["at"], at)]
    return rows.sort_values("seed")["value"].to_numpy()


def _gap(data: pd.DataFrame, state: str) -> np.ndarray:
    """Accuracy after one step minus after 50."""
    gap: np.ndarray = _number(data, state, "pgd", 1) - _number(data, state, "pgd", 50)
    return gap


ON = f"on {POINTS} test images"

ROBUST_BEFORE: ClaimRow[pd.DataFrame] = claim(
    "robust_before", "Before the break FGSM training is robust", f"PGD-50 accuracy {ON} before the break",
    above=ROBUST, null=CHANCE, value=lambda data: _number(data, "before", "pgd", 50),
)  # fmt: skip
GAP_AFTER: ClaimRow[pd.DataFrame] = claim(
    "gap_after", "After the break further steps find what one step does not",
    f"FGSM minus PGD-50 accuracy {ON}, after the break", above=0.5, source=SOURCE,
    value=lambda data: _gap(data, "after"), premises=(ROBUST_BEFORE,),
)  # fmt: skip

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        GAP_AFTER,
        claim(
            "gap_pgd", "PGD-trained networks lose less to further steps than FGSM-trained ones after the break",
            f"FGSM minus PGD-50 accuracy {ON}: PGD training minus FGSM training after the break", below=-0.2,
            source=SOURCE, value=lambda data: _gap(data, "trained") - _gap(data, "after"), premises=(GAP_AFTER,),
        ),
        claim(
            "turns", "At the break the second step of PGD turns away from the first",
            f"cosine of steps 1 and 2 {ON}: after minus before", below=0.0, source=SOURCE,
            value=lambda data: _number(data, "after", "cosine") - _number(data, "before", "cosine"),
            premises=(
                claim(
                    "aligned_before", "Before the break the two steps point the same way",
                    f"cosine of steps 1 and 2 {ON}, before the break", above=0.0,
                    value=lambda data: _number(data, "before", "cosine"),
                ),
            ),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""One step tells the truth before the breakpoint and nothing after it; thresholds are ours. The distortion along the
step is judged in the field's figure of it."""


RECIPE = Recipe(
    name="co_features/steps",
    shows="Accuracy after one step of FGSM and after further steps, along the way to the first, and the second step",
    item="Second step and step profile (a proposal of ours)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
