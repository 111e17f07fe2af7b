"""How many training images are memorised, and what seeing them changes (section 1 of the spec).

Memorisation is how much more often networks that saw an image are right on it than networks that did not (Feldman and
Zhang [D]), estimated at half the training set from complementary halves. Three kinds are kept apart: how the networks
were trained, and whether right means clean or under a strong attack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable
from analyses.core.study import Findings
from analyses.memorisation.claims import CLAIMS as QUESTIONS
from analyses.memorisation.estimators import worst_error
from analyses.memorisation.image_groups import T_MEM
from analyses.memorisation.plan import MemorisationPlan
from analyses.memorisation.results import MemorisationResults
from cotoolkit.plotting.style import BLUE, ORANGE, PAGE, VERMILION
from figures.benign_at.data import ESTIMATE_RECIPES, in_words, of_main_setting
from figures.elements import new_figure

KINDS = {
    "standard_clean": ("standard training, clean", BLUE, "-", "o"),
    "adversarial_clean": ("adversarial training, clean", ORANGE, "--", "s"),
    "adversarial_robust": ("adversarial training, robust", VERMILION, ":", "^"),
}
"""Kind of memorisation: label, colour, line, marker."""

BINS = 18
"""Of histograms on [0, 1], as those of the published values."""

STEPS = [-1.0, 0.05, 0.15, 0.25, 0.5, 0.75, 1.01]
"""Edges of the groups of images whose accuracy is shown."""


def read_estimates(data: pd.DataFrame) -> MemorisationResults:
    """The table as the study reads it."""
    influence = data[data["part"] == "influence"]
    areas = data[data["part"] == "rare area"]
    return MemorisationResults({"influence": influence, "rare_area": areas.rename(columns={"value": "area"})})


CLAIMS = ClaimTable(in_words(QUESTIONS["memorisation"]), read_estimates, only_known=True)
"""It finds planted rare images, and these matter for test images."""


def estimate_table(findings: Findings[MemorisationPlan]) -> pd.DataFrame:
    """Images by setting, kind and memorisation (part "histogram", with the mean error of the estimates), accuracy by
    memorisation in standard training (part "accuracy"), how many images it is undefined for (part "undefined"), and
    what claims need (parts "influence" and "rare area").
    """
    rows: list[dict[str, Any]] = []
    images = findings.tables["images"]
    for one in findings.tables["estimates"].to_dict("records"):
        if (kind := one["kind"]) in KINDS:
            known = {name: one[name] for name in ("setting", "kind", "models")}
            own = images[images["setting"] == one["setting"]]
            undefined = {"part": "undefined", "images": one["undefined"]}
            rows += [{**known, **row} for row in (*_histogram(own, kind), *_by_memorisation(own, kind), undefined)]
    areas = of_main_setting(findings, "rare_area").rename(columns={"area": "value"})
    influence = of_main_setting(findings, "influence")
    tables = [pd.DataFrame(rows), influence.assign(part="influence"), areas.assign(part="rare area")]
    return pd.concat(tables, ignore_index=True).assign(scale=findings.plan.scale)


def _histogram(images: pd.DataFrame, kind: str) -> Iterator[dict[str, Any]]:
    values = images[f"mem_{kind}"].clip(0, 1)
    bins = np.minimum(np.floor(values * BINS), BINS - 1)
    for place, errors in images[f"se_{kind}"].groupby(bins):
        yield {"part": "histogram", "place": place / BINS, "images": len(errors), "error": errors.mean()}


def _by_memorisation(images: pd.DataFrame, kind: str) -> Iterator[dict[str, Any]]:
    steps = pd.cut(images["mem_standard_clean"], STEPS, right=False, labels=False)
    for _, group in images.groupby(steps):
        means = {arm: group[f"{arm}_{kind}"].mean() for arm in ("seen", "unseen")}
        yield {"part": "accuracy", "place": group["mem_standard_clean"].mean(), "images": len(group), **means}


def draw(data: pd.DataFrame) -> Figure:
    """A column per setting: images by memorisation, the error of the estimates, accuracy with and without the image.

    Titles say how many estimates are undefined, if any are.
    """
    settings = list(data["setting"].dropna().unique())
    figure, grid = new_figure(PAGE, 4.6, 3, len(settings), squeeze=False, sharex=True, sharey="row")
    for (upper, middle, lower), setting in zip(grid.T, settings, strict=True):
        own = data[data["setting"] == setting]
        for kind in dict.fromkeys(own["kind"]):
            _draw_kind(upper, middle, lower, own[own["kind"] == kind], kind)
        for axis in (upper, middle, lower):
            axis.axvline(T_MEM, color="black", lw=0.7, zorder=0)
        undefined = int(own.loc[own["part"] == "undefined", "images"].sum())
        upper.set(yscale="log", title=f"{setting}, {undefined} undefined" if undefined else setting)
        lower.set(xlabel="memorisation (negative at 0)", ylim=(-0.03, 1.03), xlim=(-0.02, 1.02))
    grid[0, 0].set(ylabel="training images")
    grid[1, 0].set(ylabel="standard error\n(thin: its bound)", ylim=(0, None))
    grid[2, 0].set(ylabel="networks right\n(full: saw it, dotted: not)")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _draw_kind(upper: Axes, middle: Axes, lower: Axes, rows: pd.DataFrame, kind: str) -> None:
    label, colour, line, marker = KINDS[kind]
    bins, steps = rows[rows["part"] == "histogram"], rows[rows["part"] == "accuracy"]
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.zeros(BINS)
    counts[np.rint(bins["place"] * BINS).astype(int)] = bins["images"]
    upper.stairs(counts, edges, color=colour, ls=line, label=label)
    middle.plot(bins["place"] + 0.5 / BINS, bins["error"], marker, color=colour, ms=3)
    middle.axhline(worst_error(int(rows["models"].iloc[0]), 0.5), color=colour, lw=0.6, ls=line)
    for arm, style in (("seen", "-"), ("unseen", ":")):
        lower.plot(steps["place"], steps[arm], marker=marker, color=colour, ls=style, ms=3)


RECIPE = ESTIMATE_RECIPES.recipe(
    "benign_at/memorisation",
    shows="Training images by memorisation, and accuracy of networks that saw an image or did not",
    item="Estimates of memorisation; the paper's own histograms could not be read",
    table=estimate_table,
    draw=draw,
    claims=CLAIMS,
)
