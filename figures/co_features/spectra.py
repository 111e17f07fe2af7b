"""Spectra of FGSM's perturbations before and after the break, and on PGD-trained networks.

Not known to be in the paper (4.3 of the spec proposes it): a question of ours. Energies are in units of epsilon^2,
so that random signs have 1 at every frequency.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.runner import StudyRunner
from cotoolkit.attacks.gradient import fgsm
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
from figures.co_features.setups.setup import SETUPS
from figures.elements import new_figure, seed_band, zero_line
from figures.recipe import Recipe
from interventions.frequency import dct2

FEATURE = 2
"""The highest frequency of the paper's ten features, by max(p, q)."""

STUDIES = across_breakpoint_studies()

SOURCE = "ours: hypothesis [H]; not known to be in the paper"


def attack_spectra(folder: RunFolder) -> pd.DataFrame:
    """One row per state of the run and coefficient: state, p, q, energy.

    Energy is the mean over test images and channels of DCT(delta)^2 / epsilon^2, delta being FGSM's.
    """
    config, points = folder.config(), evaluation_points(folder.config()).first(POINTS)
    places = states(folder)
    tables = []
    for state, model in zip(places, trained_series(folder, list(places.values())), strict=True):
        delta = fgsm(model, points.images, points.labels, config.threat, bn_mode="eval").delta / config.epsilon
        energy = dct2(delta).square().mean((0, 1))
        p, q = np.indices(energy.shape).reshape(2, -1)
        tables.append(pd.DataFrame({"state": state, "p": p, "q": q, "energy": energy.flatten().double().numpy()}))
    return pd.concat(tables, ignore_index=True)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per state, seed and coefficient."""
    return across_breakpoint(SETUPS[scale], runner, attack_spectra).assign(scale=scale)


def radial(data: pd.DataFrame) -> pd.DataFrame:
    """Mean energy by radius max(p, q): one row per state, seed and radius."""
    radius = data[["p", "q"]].max(axis=1)
    return data.assign(radius=radius).groupby(["state", "seed", "radius"])["energy"].mean().reset_index()


def draw(data: pd.DataFrame) -> Figure:
    """Energy by coefficient, mean over seeds; on the right by radius."""
    figure, axes = new_figure(PAGE, 2.4, 1, 4, width_ratios=(1, 1, 1, 1.35))
    mean = data.groupby(["state", "p", "q"])["energy"].mean()
    norm = LogNorm(max(mean.min(), 1e-2), mean.max())
    for axis, (state, (label, colour, line)) in zip(axes, STATES.items(), strict=False):
        shown = axis.imshow(mean[state].unstack().to_numpy(), cmap="cividis", norm=norm)
        axis.set(title=label, xlabel="q (across)")
        axis.grid(visible=False)
        course = radial(data[data["state"] == state])
        seed_band(axes[3], course, "radius", "energy", colour=colour, line=line, label=label)
    axes[0].set(ylabel="p (down)")
    bar = figure.colorbar(shown, ax=axes[:3], shrink=0.75, pad=0.02)
    bar.set_label("energy / ε²")
    zero_line(axes[3], 1.0)
    axes[3].set(title="by radius", xlabel="max(p, q)", ylabel="energy / ε² (random: 1)", yscale="log")
    for axis in (bar.ax.yaxis, axes[3].yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    figure.legend(*axes[3].get_legend_handles_labels(), loc="outside lower right", ncols=3)
    return figure


def _share(data: pd.DataFrame, state: str, *, low: bool) -> np.ndarray:
    """Share of the energy up to the features' frequencies, or in the upper half of them; one number per seed."""
    run = data[data["state"] == state]
    radius = run[["p", "q"]].max(axis=1)
    inside = radius <= FEATURE if low else radius >= (radius.max() + 1) / 2
    energy = run["energy"]
    return ((energy * inside).groupby(run["seed"]).sum() / energy.groupby(run["seed"]).sum()).to_numpy()


def _random_share(data: pd.DataFrame) -> float:
    """Share of the energy of random signs up to the features' frequencies: that of the coefficients."""
    coefficients = data.drop_duplicates(["p", "q"])
    return float((coefficients[["p", "q"]].max(axis=1) <= FEATURE).mean())


SPAN = f"share of energy of FGSM on {POINTS} test images at max(p, q) ≤ {FEATURE}"
HIGH = f"share of energy of FGSM on {POINTS} test images in the upper half of max(p, q)"

BEFORE: ClaimRow[pd.DataFrame] = claim(
    "low_before", "Before the break the energy lies at the features' frequencies more than that of random signs",
    f"{SPAN}, before the break, minus that of random signs", above=0.0,
    value=lambda data: _share(data, "before", low=True) - _random_share(data),
)  # fmt: skip

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        claim(
            "low", "The perturbation leaves the frequencies of the features at the break",
            f"{SPAN}: after minus before", below=0.0, source=SOURCE,
            value=lambda data: _share(data, "after", low=True) - _share(data, "before", low=True), premises=(BEFORE,),
        ),
        claim(
            "high", "The perturbation moves to the upper half of the frequencies at the break",
            f"{HIGH}: after minus before", above=0.0, source=SOURCE,
            value=lambda data: _share(data, "after", low=False) - _share(data, "before", low=False),
            premises=(BEFORE,),
        ),
        claim(
            "pgd", "Perturbations of PGD-trained networks have more of their energy at the features' frequencies",
            f"{SPAN}: PGD training minus FGSM training after the break", above=0.0, source=SOURCE,
            value=lambda data: _share(data, "trained", low=True) - _share(data, "after", low=True),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""The energy leaves the features' frequencies at the breakpoint."""


RECIPE = Recipe(
    name="co_features/spectra",
    shows="Energy of FGSM's perturbations by frequency, before and after the break",
    item="Spectra of perturbations (a proposal of ours)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
