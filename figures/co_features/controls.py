"""What of the feature breaks FGSM training? Causal controls: its labels, its share, its edges, its band, its energy.

Proposed by the spec (section 5, controls a to f); box clipping (g) has the recipe box_modes. Nothing of it is known to
stand in the paper.
"""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.data import apply_intervention, load
from cotoolkit.studies.scale import Scale
from figures.co_features.cells import Cell, cell_table, study_of
from figures.co_features.world import WORLDS, Settings, World, inject, world_of
from figures.elements import dots, names_below, percent, sheet
from figures.recipe import Recipe
from figures.style import BLUE, GREEN, GREY, MARKERS, ORANGE, PAGE, PURPLE, VERMILION
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
    "independent": ("any label", ORANGE),
    "half": ("5 classes", ORANGE),
    "partial": ("ρ = 0.5", ORANGE),
    "cosine": ("smooth", GREEN),
    "high": ("high freq.", BLUE),
    "high matched": ("high freq., SNR", BLUE),
    "random": ("random", PURPLE),
    "random matched": ("random, SNR", PURPLE),
}
"""Arms in their order: how they are written, and their colour."""


def _cell(world: World, arm: str, intervention: Settings | None = None) -> Cell:
    own: Settings = {} if intervention is None else {"intervention": intervention}
    beta = intervention["beta"] if intervention else 0.0 if arm == "natural" else world.beta
    return Cell({"arm": arm, "beta": beta}, world.arm(beta, **own))


def _cells(world: World) -> list[Cell]:
    """All arms at the world's strength."""
    half = tuple(range(0, 10, 2))
    return [
        _cell(world, "natural"),
        _cell(world, "sign"),
        _cell(world, "independent", {**inject(world.beta), "name": "inject_independent"}),
        _cell(world, "half", inject(world.beta, only=half)),
        _cell(world, "partial", {**inject(world.beta, rho=0.5), "name": "inject_correlated"}),
        *(_cell(world, name, {**inject(world.beta), "carrier": CARRIER[name]}) for name in list(CARRIER)[1:]),
    ]


STUDIES = {scale: (study_of(world, "controls", _cells(world)),) for scale, world in WORLDS.items()}


def matched_filter_snr(images: Tensor, vectors: Tensor) -> float:
    """How far a feature of strength 1 stands out along its own direction: ||v|| over the images' spread along it.

    The spread is the standard deviation of <x, v> / ||v|| over all images; the mean is taken over classes. With a
    strength beta the ratio is beta times as much.

    Args:
        images: natural ones, (N, C, H, W).
        vectors: of the classes, (K, C, H, W).
    """
    flat = vectors.double().flatten(1)
    length = flat.norm(dim=1)
    spread = (images.double().flatten(1) @ flat.mT / length).std(dim=0)
    return float((length / spread).mean())


def matched_betas(world: World) -> dict[str, float]:
    """Strength at which each carrier's matched-filter SNR is that of the paper's at the world's strength; 3 digits.

    On the training images of seed 0, before any intervention.
    """
    config = world.config(world.arm(0.0), 0)
    train = load(config.data, config.seed).train
    images, _ = apply_intervention(train, config.intervention, config.seed, torch.device("cpu"), train=True)
    snr = {
        name: matched_filter_snr(images, CARRIERS.parse(carrier).vectors(train.classes, train.shape))
        for name, carrier in CARRIER.items()
    }
    return {name: float(f"{world.beta * snr['sign'] / snr[name]:.3g}") for name in MATCHED}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm and seed; the matched arms are trained here, as their strengths depend on the data."""
    world = WORLDS[scale]
    table = cell_table(runner, world, STUDIES[scale][0], _cells(world))
    betas = matched_betas(world)
    matched = [_cell(world, f"{name} matched", {**inject(betas[name]), "carrier": CARRIER[name]}) for name in MATCHED]
    more = cell_table(runner, world, study_of(world, "controls-matched", matched), matched)
    return pd.concat([table, more], ignore_index=True)


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracy by arm, clean accuracy as hollow dots above it."""
    figure, axis = sheet(PAGE, 2.7)
    for place, (arm, (_, colour)) in enumerate(LOOKS.items()):
        rows = data[data["arm"] == arm]
        dots(axis, place, rows["robust"].tolist(), colour, marker=MARKERS[0])
        axis.plot([place], [rows["clean"].mean()], MARKERS[0], mfc="none", color=colour)
    for name, fill in (("clean (mean)", "none"), ("robust", "black")):
        axis.plot([], [], "o", color="black", mfc=fill, label=name)
    axis.axhline(data.loc[data["arm"] == "natural", "robust"].mean(), color=GREY, lw=0.7, ls=":", zorder=0)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    betas = data.groupby("arm")["beta"].first()
    names_below(axis, [f"{name}\nβ {betas[arm]:.3g}" for arm, (name, _) in LOOKS.items()], turned=True)
    percent(axis, "accuracy")
    axis.set(ylim=(-0.03, 1.05))
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Controls a to f, paired by seed."""
    world = world_of(data)
    robust = data.pivot_table(index="seed", columns="arm", values="robust")
    at = f"robust accuracy at ε {world.epsilon:g}"

    def proposed(control: str) -> str:
        return f"ours: proposed [H], section 5, control {control}"

    return [
        check(
            Claim(
                "a", "drawn without regard to the label, the feature does not break FGSM training",
                f"{at}: no feature less label-independent one", "below", 0.2, 0.0, proposed("a"),
            ),
            robust["natural"] - robust["independent"],
        ),
        check(
            Claim(
                "b", "the feature in half of the classes is enough to break it",
                f"{at}: no feature less five classes", "above", 0.2, 0.0, proposed("b"),
            ),
            robust["natural"] - robust["half"],
        ),
        check(
            Claim(
                "c", "a feature that is right in about half of the images breaks less",
                f"{at}: ρ 0.5 less ρ 1", "above", 0.0, 0.0, proposed("c"),
            ),
            robust["partial"] - robust["sign"],
        ),
        check(
            Claim(
                "d", "the cue works through sharp edges: smooth waves break less",
                f"{at}: cosine less sign", "above", 0.0, 0.0, proposed("d") + " and 2.3",
            ),
            robust["cosine"] - robust["sign"],
        ),
        check(
            Claim(
                "e", "a feature of high frequency breaks FGSM training as well",
                f"{at}: no feature less high frequencies", "above", 0.2, 0.0, proposed("e"),
            ),
            robust["natural"] - robust["high"],
        ),
        check(
            Claim(
                "f_high", "what counts is how far the feature stands out: at equal SNR high frequencies break alike",
                f"{at}: absolute difference of high frequencies, matched, and the paper's", "below", 0.2, 0.0,
                proposed("f"),
            ),
            (robust["high matched"] - robust["sign"]).abs(),
        ),
        check(
            Claim(
                "f_random", "and so do random directions",
                f"{at}: absolute difference of random directions, matched, and the paper's", "below", 0.2, 0.0,
                proposed("f"),
            ),
            (robust["random matched"] - robust["sign"]).abs(),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/controls",
    shows="Causal controls: which property of the feature breaks FGSM training",
    item="Controls that the design lacks (section 5 of the spec, a to f); ours",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
