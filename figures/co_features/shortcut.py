"""Is the feature a help for plain classification, and is it enough for robustness? (P2 and P3, from the abstract.)

On the left a linear classifier that needs no training: class means over the within-class covariance (2.3 of the spec).
Its worst-case accuracy is exact. On the right trained networks: plain training without and with the feature, and PGD
training with the feature on its own images and on images that have nothing to do with the label.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.data import apply_intervention, load
from cotoolkit.studies.scale import Scale
from figures.co_features.cells import Cell, cell_table, study_of
from figures.co_features.world import WORLDS, Settings, World, world_of
from figures.elements import band, dots, names_below, percent, sheet
from figures.recipe import Recipe
from figures.style import BLUE, GREY, PAGE, VERMILION
from interventions.carriers import Paired

RIDGE = 1e-3
"""Added to the eigenvalues of the within-class covariance, as in 2.3 of the spec."""

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
"""Of the feature for the linear classifier, in radii."""

LOOKS = {
    "standard 0": ("plain training\nno feature\nclean", GREY, "clean"),
    "standard": ("plain training\nfeature\nclean", GREY, "clean"),
    "pgd": ("PGD training\nown images\nrobust", BLUE, "robust"),
    "pgd unrelated": ("PGD training\nother images\nrobust", BLUE, "robust"),
}
"""Trained arms: how they are written, their colour, and which accuracy is drawn."""


class Linear(NamedTuple):
    """Scores x W^T + b: weights (K, D) and biases (K,)."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


def whitened_classifier(
    images: NDArray[np.float64], labels: NDArray[np.int64], features: NDArray[np.float64], ridge: float = RIDGE
) -> Linear:
    """The best linear classifier of Gaussian classes with one covariance, equally frequent, their means shifted.

    Args:
        images: natural ones, (N, D).
        labels: (N,), every class among them.
        features: what is added to the images of each class, (K, D).
        ridge: added to the eigenvalues of the within-class covariance.
    """
    means = np.stack([images[labels == label].mean(axis=0) for label in range(len(features))])
    residual = images - means[labels]
    within = residual.T @ residual / len(residual) + ridge * np.eye(images.shape[1])
    shifted = means + features
    weights = np.linalg.solve(within, shifted.T).T
    return Linear(weights, -0.5 * (weights * shifted).sum(axis=1))


def worst_case_accuracy(
    linear: Linear, images: NDArray[np.float64], labels: NDArray[np.int64], epsilon: float
) -> float:
    """Exact share of the images (N, D) that no perturbation of L-inf norm `epsilon` turns to another class.

    Each rival class j has a worst perturbation of its own, -epsilon sign(w_y - w_j), and one rival is enough.
    """
    scores = images @ linear.weights.T + linear.bias
    between = linear.weights[labels][:, None] - linear.weights[None]
    margins = scores[np.arange(len(labels)), labels][:, None] - scores - epsilon * np.abs(between).sum(axis=2)
    margins[np.arange(len(labels)), labels] = np.inf
    return float((margins.min(axis=1) > 0).mean())


def _cells(world: World) -> list[Cell]:
    data = world.base["data"]
    unrelated: Settings = {"data": {**data, "name": f"figures.co_features.sources:unrelated_{data['name']}"}}
    unrelated["normalise"] = world.config(world.arm(), 0).statistics
    return [
        Cell({"arm": "standard 0"}, world.arm(0.0, method="standard")),
        Cell({"arm": "standard"}, world.arm(method="standard")),
        Cell({"arm": "pgd"}, world.arm(method=world.pgd)),
        Cell({"arm": "pgd unrelated"}, world.arm(method=world.pgd, **unrelated)),
    ]


STUDIES = {scale: (study_of(world, "shortcut", _cells(world)),) for scale, world in WORLDS.items()}


def _linear_rows(world: World) -> pd.DataFrame:
    """The linear classifier by strength and seed (of the split): columns arm, beta, seed, clean, robust."""
    rows = []
    for seed in world.seeds:
        config = world.config(world.arm(0.0), seed)
        splits = load(config.data, seed)
        (train, labels), (test, test_labels) = (
            apply_intervention(part, config.intervention, seed, torch.device("cpu"), train=part is splits.train)
            for part in (splits.train, splits.test)
        )
        vectors = _flat(Paired().vectors(splits.train.classes, splits.train.shape))
        for strength in STRENGTHS:
            beta = strength * world.epsilon
            linear = whitened_classifier(_flat(train), labels.numpy(), beta * vectors)
            shown = _flat(test) + beta * vectors[test_labels.numpy()]
            found = {
                key: worst_case_accuracy(linear, shown, test_labels.numpy(), epsilon)
                for key, epsilon in (("clean", 0.0), ("robust", world.epsilon))
            }
            rows.append({"arm": "linear", "beta": beta, "seed": seed, **found})
    return pd.DataFrame(rows).assign(scale=world.scale)


def _flat(images: Tensor) -> NDArray[np.float64]:
    flat: NDArray[np.float64] = images.double().flatten(1).numpy()
    return flat


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm (and strength of the linear one) and seed."""
    world = WORLDS[scale]
    trained = cell_table(runner, world, STUDIES[scale][0], _cells(world))
    return pd.concat([_linear_rows(world), trained], ignore_index=True).assign(epsilon=world.epsilon)


def draw(data: pd.DataFrame) -> Figure:
    """The linear classifier against the strength; the trained arms side by side."""
    figure, (linear, trained) = sheet(PAGE, 2.6, 1, 2, sharey=True)
    rows = data[data["arm"] == "linear"].assign(strength=data["beta"] / data["epsilon"])
    band(linear, rows, "strength", "clean", colour=GREY, marker="o", label="clean")
    band(linear, rows, "strength", "robust", colour=VERMILION, line="--", marker="s", label="worst case, exact")
    linear.set(title="linear classifier", xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.05))
    linear.legend(loc="center right")
    percent(linear, "accuracy")
    for place, (arm, (_, colour, measure)) in enumerate(LOOKS.items()):
        dots(trained, place, data.loc[data["arm"] == arm, measure].tolist(), colour)
    names_below(trained, [name for name, *_ in LOOKS.values()])
    world = world_of(data)
    trained.set(title=f"trained networks, β / ε = {world.beta / world.epsilon:.2g}")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """P2 and P3; how much is "clearly" is ours."""
    world = world_of(data)
    rows = data[data["arm"] == "linear"].assign(strength=data["beta"] / data["epsilon"]).round({"strength": 3})
    linear = rows.pivot_table(index="seed", columns="strength", values=["clean", "robust"])
    clean, robust = (data.pivot_table(index="seed", columns="arm", values=measure) for measure in ("clean", "robust"))
    used = min(STRENGTHS, key=lambda strength: abs(strength - world.beta / world.epsilon))
    return [
        check(
            Claim(
                "P2_linear", "the feature helps a linear classifier",
                f"clean accuracy: β / ε {used:g} less 0", "above", 0.0, 0.0, "paper [P]: abstract (P2)",
            ),
            linear["clean", used] - linear["clean", 0.0],
        ),
        check(
            Claim(
                "P2_network", "the feature helps plain training",
                f"clean accuracy: β {world.beta:g} less 0", "above", 0.0, 0.0, "paper [P]: abstract (P2)",
            ),
            clean["standard"] - clean["standard 0"],
        ),
        check(
            Claim(
                "P3_linear", "read linearly, the feature gives no robustness",
                f"exact worst-case accuracy at ε {world.epsilon:g}, β / ε {used:g}", "below", 0.05, 0.0,
                "ours: numerical check of the spec [N], 2.3",
            ),
            linear["robust", used],
        ),
        check(
            Claim(
                "P3_network", "the feature alone does not give the robustness that it gives with natural images",
                f"robust accuracy of PGD training at ε {world.epsilon:g}, β {world.beta:g}: own images less unrelated",
                "above", 0.1, 0.0, "paper [P]: abstract (P3)",
            ),
            robust["pgd"] - robust["pgd unrelated"],
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/shortcut",
    shows="The feature helps plain classification but does not give robustness alone",
    item="P2 and P3 (abstract), with the linear baseline of the spec (2.3)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
