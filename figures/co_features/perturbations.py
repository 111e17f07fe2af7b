"""Pictures of what FGSM adds to images before and after the break, beside the feature it should cancel.

That the paper has such pictures, and what they show, is recollected ([M] in the spec): tested here as a hypothesis of
ours. Colour channels are averaged; the images are the first of classes 0, 1, 2 and 3 in the test set.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable
from analyses.core.runner import StudyRunner
from cotoolkit.attacks.gradient import fgsm
from cotoolkit.plotting.style import PAGE
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from figures.co_features.setups.around_breakpoint import (
    across_breakpoint,
    across_breakpoint_studies,
    breakpoint_sides,
    injection_of,
)
from figures.co_features.setups.setup import SETUPS
from figures.elements import new_figure
from figures.recipe import Recipe

CLASSES = (0, 1, 2, 3)

STAGES = {"early": "δ early", "before": "δ before", "after": "δ after", "last": "δ at the end"}
"""Half-way to the break, before and after it, and at the end of training."""

STUDIES = across_breakpoint_studies(["fgsm"])

SOURCE = "ours: hypothesis, recollected [M] (perturbations before and after)"


def pictures(folder: RunFolder) -> pd.DataFrame:
    """One row per image and pixel: image (its class), row, column, x, v, and per stage delta in units of epsilon.

    Beside them the iteration of each stage, as `at_STAGE`.
    """
    config, points = folder.config(), evaluation_points(folder.config())
    before, after = breakpoint_sides(folder)
    kept = folder.kept()
    at = {"early": min(kept, key=lambda one: abs(one - before / 2)), "before": before, "after": after, "last": kept[-1]}
    chosen = [int((points.labels == label).nonzero()[0, 0]) for label in CLASSES]
    images, labels = points.images[chosen], points.labels[chosen]
    vectors = injection_of(config).carrier.vectors(points.classes, (*images.shape[1:],))[labels]
    planes = {"x": images, "v": vectors}
    for stage, model in zip(at, trained_series(folder, list(at.values())), strict=True):
        planes[stage] = fgsm(model, images, labels, config.threat, bn_mode="eval").delta / config.epsilon
    _, _, height, width = images.shape
    place = np.stack(np.meshgrid(CLASSES, range(height), range(width), indexing="ij")).reshape(3, -1)
    table = pd.DataFrame(dict(zip(("image", "row", "column"), place, strict=True)))
    for name, plane in planes.items():
        table[name] = plane.mean(1).flatten().double().numpy().round(4)
    return table.assign(**{f"at_{stage}": iteration for stage, iteration in at.items()})


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per seed, image and pixel."""
    return across_breakpoint(SETUPS[scale], runner, pictures, ["fgsm"]).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Rows are images, columns the image, its feature, and FGSM's perturbation at four stages; the first seed."""
    run = data[data["seed"] == data["seed"].min()]
    figure, axes = new_figure(PAGE, 4.5, len(CLASSES), 2 + len(STAGES))
    for row, (_, pixels) in zip(axes, run.groupby("image"), strict=True):
        for axis, name in zip(row, ("x", "v", *STAGES), strict=True):
            plane = pixels.pivot_table(index="row", columns="column", values=name).to_numpy()
            limits = (0, 1) if name == "x" else (-1.6, 1.6)  # the ends of the colours are too dark
            axis.imshow(plane, cmap="gray" if name == "x" else "PuOr", vmin=limits[0], vmax=limits[1])
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set_visible(False)
            if name in STAGES:
                cancelled = round(float((-pixels[name] * pixels["v"]).mean()), 2) + 0.0  # no minus zero
                axis.set_xlabel(f"s = {cancelled:.2f}", fontsize=7, labelpad=2)
    figure.supxlabel("violet: +ε, orange: −ε; s: how much of it cancels the feature (random: 0)", fontsize=7)
    first = run.iloc[0]
    titles = ["image x + β v(y)", "feature v(y)"]
    titles += [f"{text}\n(iteration {first[f'at_{stage}']})" for stage, text in STAGES.items()]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    return figure


CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable((), read=lambda data: data)
"""None: that the feature is cancelled before the break and not after it is judged over more images in feature_share."""


RECIPE = Recipe(
    name="co_features/perturbations",
    shows="FGSM's perturbations beside the injected feature, before and after the break",
    item="Samples and perturbations (recollected; their number in the paper was not found)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
