"""What of the feature breaks FGSM training? Causal controls: its labels, its share, its edges, its band, its energy.

Proposed by the spec (section 5, controls a to f); box clipping (g) has the recipe box_modes. Nothing of it is known to
stand in the paper.
"""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import MOST
from analyses.core.runner import StudyRunner
from cotoolkit.data import apply_intervention, load
from cotoolkit.plotting.style import BLUE, GREEN, GREY, MARKERS, ORANGE, PAGE, PURPLE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.co_features.setups.grid_cells import (
    SHARE,
    CellOf,
    GridCells,
    breaks,
    grid_claims,
    is_robust,
    is_safe,
    once_robust,
)
from figures.co_features.setups.grid_points import GridPoint, GridRuns
from figures.co_features.setups.setup import Settings, Setup, inject, setup_of
from figures.elements import SHARES, category_axis, new_figure, percent, seed_points
from figures.recipe import Recipe
from interventions.carriers import CARRIERS

CARRIER: dict[str, Settings] = {
    "sign": {"name": "paired"},
    "cosine": {"name": "paired", "wave": "cosine"},
    "high": {"name": "paired", "band": "high"},
    "random": {"name": "random_orthonormal"},
}
"""The paper's carrier and three others, all of the L-inf norm 1."""

MATCHED = ("high", "random")
"""Carriers that are also tried at the strength where they stand out of the images as much as the paper's do."""

LOOKS = {
    "natural": ("none", GREY),
    "sign": ("paper's", VERMILION),
    "independent": ("any\nlabel", ORANGE),
    "half": ("5\nclasses", ORANGE),
    "partial": ("ρ = 0.5", ORANGE),
    "cosine": ("smooth", GREEN),
    "high": ("high\nfreq.", BLUE),
    "high matched": ("high f.,\nSNR", BLUE),
    "random": ("random", PURPLE),
    "random matched": ("random,\nSNR", PURPLE),
}
"""Arms in their order: how they are written, and their colour."""


def _cell(setup: Setup, arm: str, intervention: Settings | None = None) -> GridPoint:
    own: Settings = {} if intervention is None else {"intervention": intervention}
    beta = intervention["beta"] if intervention else 0.0 if arm == "natural" else setup.beta
    return GridPoint({"arm": arm, "beta": beta}, setup.arm(beta, **own))


def _grid(setup: Setup) -> list[GridPoint]:
    """All arms at the setup's strength."""
    half = tuple(range(0, 10, 2))
    return [
        _cell(setup, "natural"),
        _cell(setup, "sign"),
        _cell(setup, "independent", {**inject(setup.beta), "name": "inject_independent"}),
        _cell(setup, "half", inject(setup.beta, only=half)),
        _cell(setup, "partial", {**inject(setup.beta, rho=0.5), "name": "inject_correlated"}),
        *(_cell(setup, name, {**inject(setup.beta), "carrier": CARRIER[name]}) for name in list(CARRIER)[1:]),
    ]


RUNS = GridRuns("controls", _grid)


def matched_filter_snr(images: Tensor, vectors: Tensor) -> float:
    """How far a feature of strength 1 stands out along its own direction: ||v|| over the images' spread along it.

    The spread is the standard deviation of <x, v> / ||v|| over all images; the mean is taken over classes. With a
    strength beta the ratio is beta times as much.

    Args:
        images: natural ones, (N, C, H, W).
        vectors: of the classes, (K, C, H, W).

    Returns:
        The ratio, 1 / strength.
    """
    flat = vectors.double().flatten(1)
    length = flat.norm(dim=1)
    spread = (images.double().flatten(1) @ flat.mT / length).std(dim=0)
    return float((length / spread).mean())


def matched_betas(setup: Setup) -> dict[str, float]:
    """Strength at which each carrier's matched-filter SNR is that of the paper's at the setup's strength; 3 digits.

    On the training images of seed 0, before any intervention.
    """
    config = setup.config(setup.arm(0.0), 0)
    train = load(config.data, config.seed).train
    images, _ = apply_intervention(train, config.intervention, config.seed, torch.device("cpu"), train=True)
    snr = {
        name: matched_filter_snr(images, CARRIERS.parse(carrier).vectors(train.classes, train.shape))
        for name, carrier in CARRIER.items()
    }
    return {name: float(f"{setup.beta * snr['sign'] / snr[name]:.3g}") for name in MATCHED}


def _matched_grid(setup: Setup) -> list[GridPoint]:
    betas = matched_betas(setup)
    return [_cell(setup, f"{name} matched", {**inject(betas[name]), "carrier": CARRIER[name]}) for name in MATCHED]


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm and seed; the matched arms are trained here, as their strengths depend on the data."""
    runs = RUNS, GridRuns("controls-matched", _matched_grid)
    return pd.concat([grid.collect(scale, runner) for grid in runs], ignore_index=True)


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracy by arm, clean accuracy as hollow dots above it."""
    figure, axis = new_figure(PAGE, 2.7)
    for place, (arm, (_, colour)) in enumerate(LOOKS.items()):
        rows = data[data["arm"] == arm]
        seed_points(axis, place, rows["robust"].tolist(), colour, marker=MARKERS[0], within=SHARES)
        axis.plot([place], [rows["clean"].mean()], MARKERS[0], mfc="none", color=colour)
    attacked = setup_of(data).attacked.removeprefix("accuracy ")
    for name, fill in (("clean (mean)", "none"), (attacked, "black")):
        axis.plot([], [], "o", color="black", mfc=fill, label=name)
    axis.axhline(data.loc[data["arm"] == "natural", "robust"].mean(), color=GREY, lw=0.7, ls=":", zorder=0)
    figure.legend(loc="outside upper center", ncols=2)
    betas = data.groupby("arm")["beta"].first()
    category_axis(axis, [f"{name}\nβ {betas[arm]:.3g}" for arm, (name, _) in LOOKS.items()])
    percent(axis, "accuracy")
    axis.set(ylim=(-0.03, 1.05))
    return figure


AT = f"{SHARE} at ε {{setup.radius}}"
PROPOSED = "ours: proposed [H], control "


def _arm(name: str) -> CellOf:
    return lambda cells: (name,)


BREAKS = (
    is_robust("FGSM training without a feature", _arm("natural")),
    is_safe("FGSM training without a feature", _arm("natural")),
    breaks("FGSM training with the paper's feature", _arm("sign")),
)
"""What all controls rest on: the paper's feature breaks FGSM training that is robust without it."""


def _share(
    key: str, statement: str, arm: str, who: str, source: str, *, above: float | None = None, below: float | None = None
) -> ClaimRow[GridCells]:
    """A claim on the share of seeds in which an arm breaks."""
    return claim(
        key, statement, f"{AT}, {who}", above=above, below=below, source=PROPOSED + source,
        value=lambda n: n.share((arm,)), premises=(*BREAKS, once_robust(f"FGSM training with {who}", _arm(arm))),
    )  # fmt: skip


CLAIMS: ClaimTable[GridCells] = grid_claims(
    (
        _share(
            "a", "Drawn without regard to the label, the feature breaks FGSM training in fewer than half of the seeds",
            "independent", "the label-independent feature", "a", below=MOST,
        ),
        _share(
            "b", "The feature in half of the classes is enough to break FGSM training", "half",
            "the feature in five classes", "b", above=MOST,
        ),
        claim(
            "c", "A feature that is right in about half of the images breaks FGSM training in fewer seeds",
            f"{AT}: ρ 1 minus ρ 0.5", above=0.0, source=PROPOSED + "c",
            value=lambda n: n.difference([("sign",)], [("partial",)]),
            premises=(*BREAKS, once_robust("FGSM training with ρ 0.5", _arm("partial"))),
        ),
        _share(
            "d", "The cue works through sharp edges: smooth waves break FGSM training in fewer than half of the seeds",
            "cosine", "the cosine waves", "d", below=MOST,
        ),
        _share(
            "e", "A feature of high frequency breaks FGSM training as well", "high", "the feature of high frequency",
            "e", above=MOST,
        ),
        _share(
            "f_high", "A feature of high frequency breaks FGSM training where it stands out as far as the paper's",
            "high matched", "the feature of high frequency and equal SNR", "f", above=MOST,
        ),
        _share(
            "f_random", "Random directions break FGSM training where they stand out as far as the paper's feature",
            "random matched", "random directions of equal SNR", "f", above=MOST,
        ),
    ),
    by=("arm",),
)  # fmt: skip
"""Controls a to f."""


RECIPE = Recipe(
    name="co_features/controls",
    shows="Accuracy of FGSM training with the paper's feature and with control features",
    item="Causal controls that the paper's design lacks; ours",
    studies=RUNS.studies,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
