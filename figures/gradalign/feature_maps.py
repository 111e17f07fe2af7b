"""Figure 7: maps of a filter that takes over and of a regular one, for an image and for the image with noise.

The paper shows them for one image: noise, uniform in the ball, drowns the image in the map of the filter that took
over. In numbers (ours): how much the noise moves a map, over how much the image does, on 1,000 test images.
"""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch.nn.functional import conv2d

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.runner import StudyRunner
from cotoolkit.core.seeding import generator
from cotoolkit.plotting.style import PAGE
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from figures.elements import new_figure
from figures.gradalign.single_layer import STUDIES, parts_of, shown_seed, single_layer_table
from figures.recipe import Recipe

POINTS = 1000
"""First test images; the first is shown."""

PICTURES = {
    "image": "image",
    "regular": "map of the filter\nthat noise moves least",
    "grown": "map of the filter\nthat noise moves most",
}
"""The filters that answer to noise least and most."""


def noise_in_maps(folder: RunFolder) -> pd.DataFrame:
    """How much noise moves the maps of a run's last network, and the maps of one image.

    Args:
        folder: of a finished run.

    Returns:
        Columns statistic, filter, noisy, row, column, value. "ratio": by filter, the standard deviation over positions
        of the noise's map over that of the image's, mean over images. The others are pixels of `PICTURES`.
    """
    config = folder.config()
    images = evaluation_points(config).first(POINTS).images
    noise = config.threat.random_start(images, generator(config.seed, "probe"))
    filters = parts_of(trained(folder))[0]
    maps, moved = (conv2d(part, filters, padding=filters.shape[-1] // 2) for part in (images, noise))
    ratios = (moved.flatten(2).std(2) / maps.flatten(2).std(2)).nanmean(0)
    rows = [{"statistic": "ratio", "filter": index, "value": value} for index, value in enumerate(ratios.tolist())]
    chosen = {"regular": int(ratios.argmin()), "grown": int(ratios.argmax())}
    for noisy in (False, True):
        picture = images[0] + noise[0] if noisy else images[0]
        shown = {"image": picture.mean(0)}
        answer = maps[0] + moved[0] if noisy else maps[0]
        shown |= {name: answer[index] for name, index in chosen.items()}
        rows += _pixels(shown, noisy)
    return pd.DataFrame(rows)


def _pixels(pictures: dict[str, torch.Tensor], noisy: bool) -> list[dict[str, object]]:
    return [
        {"statistic": name, "noisy": noisy, "row": row, "column": column, "value": round(value, 4)}
        for name, picture in pictures.items()
        for row, values in enumerate(picture.tolist())
        for column, value in enumerate(values)
    ]


_measured = single_layer_table(noise_in_maps)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Train and measure; pictures are kept of one seed alone."""
    found = _measured(scale, runner)
    return found[(found["statistic"] == "ratio") | (found["seed"] == shown_seed(found))].reset_index(drop=True)


def draw(data: pd.DataFrame) -> Figure:
    """The image and two maps, without noise above and with noise below."""
    figure, axes = new_figure(PAGE, 4.6, 2, len(PICTURES))
    for column, (name, title) in zip(axes.T, PICTURES.items(), strict=True):
        rows = data[data["statistic"] == name]
        largest = rows["value"].abs().max()
        look = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
        if name == "image":
            look = {"cmap": "gray", "vmin": 0, "vmax": 1}
        for axis, noisy in zip(column, (False, True), strict=True):
            pixels = rows[rows["noisy"] == noisy].pivot_table(index="row", columns="column", values="value")
            picture = axis.imshow(pixels.to_numpy(), **look)
            axis.set(xticks=[], yticks=[], title="" if noisy else title)
            axis.grid(visible=False)
        figure.colorbar(picture, ax=column, location="bottom", shrink=0.8)
    for axis, label in zip(axes[:, 0], ("without noise", "with noise"), strict=True):
        axis.set_ylabel(label)
    return figure


def _ratios(data: pd.DataFrame, *, broke: bool = True) -> pd.DataFrame:
    """Ratios of the runs that broke, or of the others: a row per seed, a column per filter."""
    rows = data[(data["statistic"] == "ratio") & (data["broke"].notna() == broke)]
    return rows.pivot_table(index="seed", columns="filter", values="value")


MEASURE = f"movement of a filter's map by noise over that by the image, mean over {POINTS} test images, at the end"

DROWNED: ClaimRow[pd.DataFrame] = claim(
    "drowned", "In runs that break, noise moves the map of one filter more than the image does", f"{MEASURE}: the "
    "largest", above=1.0, source="paper [F]: figure 7", value=lambda data: _ratios(data).max(axis=1),
)  # fmt: skip

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        DROWNED,
        claim(
            "regular", "The image moves the map of the most regular filter far more than noise does",
            f"{MEASURE}: the smallest", below=0.5, source="paper [F]: figure 7",
            value=lambda data: _ratios(data).min(axis=1),
        ),
        claim(
            "not_without", "Without a break noise drowns the image in the map of no filter", f"{MEASURE}: the largest",
            below=1.0, source="ours: control [M]", value=lambda data: _ratios(data, broke=False).max(axis=1),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""One filter answers to noise, another to the image."""

RECIPE = Recipe(
    name="gradalign/feature_maps",
    shows="Maps of an image with and without noise: a regular filter, and the one that noise moves most",
    item="The GradAlign paper, figure 7",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
