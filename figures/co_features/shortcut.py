"""Is the feature a help for plain classification, and is it enough for robustness? (P2 and P3, from the abstract.)

On the left a linear classifier that needs no training: class means over the within-class covariance (2.3 of the spec).
Its worst-case accuracy is exact. On the right trained networks: plain training without and with the feature, and PGD
training with the feature on its own images and on images that have nothing to do with the label. That plain training
reads the feature from those is a premise: a feature that cannot be learned at all says nothing of robustness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, ROBUST
from analyses.core.runner import StudyRunner
from cotoolkit.data import apply_intervention, load
from cotoolkit.plotting.style import BLUE, GREY, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.co_features.setups.grid_points import GridPoint, GridRuns
from figures.co_features.setups.setup import SETUPS, Settings, Setup, setup_of
from figures.elements import SHARES, category_axis, new_figure, percent, seed_band, seed_points
from figures.recipe import Recipe
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

    Returns:
        Its weights (K, D) and biases (K,).
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

    Args:
        linear: classifier of K classes.
        images: (N, D).
        labels: (N,).
        epsilon: radius.

    Returns:
        The share, in [0, 1].
    """
    scores = images @ linear.weights.T + linear.bias
    between = linear.weights[labels][:, None] - linear.weights[None]
    margins = scores[np.arange(len(labels)), labels][:, None] - scores - epsilon * np.abs(between).sum(axis=2)
    margins[np.arange(len(labels)), labels] = np.inf
    return float((margins.min(axis=1) > 0).mean())


def _grid(setup: Setup) -> list[GridPoint]:
    data = setup.base["data"]
    unrelated: Settings = {"data": {**data, "name": f"figures.co_features.sources:unrelated_{data['name']}"}}
    unrelated["normalise"] = setup.config(setup.arm(), 0).statistics
    return [
        GridPoint({"arm": "standard 0"}, setup.arm(0.0, method="standard")),
        GridPoint({"arm": "standard"}, setup.arm(method="standard")),
        GridPoint({"arm": "pgd"}, setup.arm(method=setup.pgd)),
        GridPoint({"arm": "standard unrelated"}, setup.arm(method="standard", **unrelated)),
        GridPoint({"arm": "pgd unrelated"}, setup.arm(method=setup.pgd, **unrelated)),
    ]


RUNS = GridRuns("shortcut", _grid)


def _linear_rows(setup: Setup) -> pd.DataFrame:
    """The linear classifier by strength and seed (of the split): columns arm, beta, seed, clean, robust."""
    rows = []
    for seed in setup.seeds:
        config = setup.config(setup.arm(0.0), seed)
        splits = load(config.data, seed)
        (train, labels), (test, test_labels) = (
            apply_intervention(part, config.intervention, seed, torch.device("cpu"), train=part is splits.train)
            for part in (splits.train, splits.test)
        )
        vectors = _flat(Paired().vectors(splits.train.classes, splits.train.shape))
        for strength in STRENGTHS:
            beta = strength * setup.epsilon
            linear = whitened_classifier(_flat(train), labels.numpy(), beta * vectors)
            shown = _flat(test) + beta * vectors[test_labels.numpy()]
            found = {
                key: worst_case_accuracy(linear, shown, test_labels.numpy(), epsilon)
                for key, epsilon in (("clean", 0.0), ("robust", setup.epsilon))
            }
            rows.append({"arm": "linear", "beta": beta, "seed": seed, **found})
    return pd.DataFrame(rows).assign(scale=setup.scale)


def _flat(images: Tensor) -> NDArray[np.float64]:
    flat: NDArray[np.float64] = images.double().flatten(1).numpy()
    return flat


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm (and strength of the linear one) and seed."""
    setup = SETUPS[scale]
    return pd.concat([_linear_rows(setup), RUNS.collect(scale, runner)], ignore_index=True).assign(
        epsilon=setup.epsilon
    )


def draw(data: pd.DataFrame) -> Figure:
    """The linear classifier against the strength; the trained arms side by side."""
    figure, (linear, trained) = new_figure(PAGE, 2.6, 1, 2, sharey=True)
    rows = data[data["arm"] == "linear"].assign(strength=data["beta"] / data["epsilon"])
    seed_band(linear, rows, "strength", "clean", colour=GREY, marker="o", label="clean")
    seed_band(linear, rows, "strength", "robust", colour=VERMILION, line="--", marker="s", label="worst case, exact")
    linear.set(title="linear classifier", xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.05))
    linear.legend(loc="center right")
    percent(linear, "accuracy")
    for place, (arm, (_, colour, measure)) in enumerate(LOOKS.items()):
        seed_points(trained, place, data.loc[data["arm"] == arm, measure].tolist(), colour, within=SHARES)
    category_axis(trained, [name for name, *_ in LOOKS.values()])
    setup = setup_of(data)
    trained.set(title=f"trained networks, β / ε = {setup.beta / setup.epsilon:.2g}")
    return figure


class _Results(NamedTuple):
    """Accuracies, rows are seeds: of the linear classifier by (measure, strength in radii), of networks by arm.

    `used` is the strength of the linear classifier that is nearest to the setup's.
    """

    setup: Setup
    used: float
    linear: pd.DataFrame
    clean: pd.DataFrame
    robust: pd.DataFrame


def _read(data: pd.DataFrame) -> _Results:
    setup = setup_of(data)
    rows = data[data["arm"] == "linear"].assign(strength=data["beta"] / data["epsilon"]).round({"strength": 3})
    linear = rows.pivot_table(index="seed", columns="strength", values=["clean", "robust"])
    clean, robust = (data.pivot_table(index="seed", columns="arm", values=measure) for measure in ("clean", "robust"))
    used = min(STRENGTHS, key=lambda strength: abs(strength - setup.beta / setup.epsilon))
    return _Results(setup, used, linear, clean, robust)


def _room(who: str, value: Callable[[_Results], pd.Series[float]]) -> ClaimRow[_Results]:
    return claim(
        "room", f"Without the feature {who} makes errors", "clean accuracy on {setup.test_images} test images",
        below=0.995, value=value,
    )  # fmt: skip


CLAIMS: ClaimTable[_Results] = ClaimTable(
    (
        claim(
            "P2_linear", "The feature helps a linear classifier",
            "clean accuracy on {setup.test_images} test images: β / ε {used:g} minus 0", above=0.0,
            source="paper [P]: abstract (P2)", value=lambda n: n.linear["clean", n.used] - n.linear["clean", 0.0],
            premises=(_room("a linear classifier", lambda n: n.linear["clean", 0.0]),),
        ),
        claim(
            "P2_network", "The feature helps plain training",
            "clean accuracy on {setup.test_images} test images: β {setup.strength} minus 0", above=0.0,
            source="paper [P]: abstract (P2)", value=lambda n: n.clean["standard"] - n.clean["standard 0"],
            premises=(_room("plain training", lambda n: n.clean["standard 0"]),),
        ),
        claim(
            "P3_network", "The feature alone does not give the robustness that it gives together with natural images",
            "{pgd} of PGD training at ε {setup.radius}, β {setup.strength}: own images minus unrelated", above=0.1,
            source="paper [P]: abstract (P3)", value=lambda n: n.robust["pgd"] - n.robust["pgd unrelated"],
            premises=(
                claim(
                    "robust", "PGD training on the own images is robust", "{pgd}", above=ROBUST, null=CHANCE,
                    value=lambda n: n.robust["pgd"],
                ),
                claim(
                    "learned", "Plain training on unrelated images learns to read the feature",
                    "clean accuracy on {setup.test_images} test images", above=0.5, null=CHANCE,
                    value=lambda n: n.clean["standard unrelated"],
                ),
            ),
            needs={"standard unrelated"},
        ),
        claim(
            "P3_linear", "Read linearly, the feature gives no robustness",
            "exact worst-case accuracy on {setup.test_images} test images at ε {setup.radius}, β / ε {used:g}",
            below=0.05, source="ours: numerical check [N]",
            value=lambda n: n.linear["robust", n.used],
            premises=(
                claim(
                    "learned", "The linear classifier reads the feature",
                    "clean accuracy on {setup.test_images} test images", above=0.5, null=CHANCE,
                    value=lambda n: n.linear["clean", n.used],
                ),
            ),
        ),
    ),
    read=_read,
    words=lambda n: {**n._asdict(), "pgd": n.setup.robust_accuracy},
    arms=lambda n: list(n.clean.columns),
)  # fmt: skip
"""P2 and P3; how much is "clearly" is ours."""


RECIPE = Recipe(
    name="co_features/shortcut",
    shows="Clean and robust accuracy on data with the feature: a linear classifier, and trained networks",
    item="The abstract's claims on the feature (predictions P2 and P3), with a linear baseline of ours",
    studies=RUNS.studies,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
