"""What BAT-style training flags: the most confidently flagged images, and atypical ones that it spares (F4).

The criterion is reconstructed [U]. Flags are those of plain adversarial training at its end.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable
from analyses.core.study import Findings
from analyses.memorisation.claims import CLAIMS as QUESTIONS
from analyses.memorisation.image_groups import T_MEM
from analyses.memorisation.plan import MemorisationPlan
from analyses.memorisation.results import MemorisationResults
from cotoolkit.data import DataConfig, load
from cotoolkit.plotting.style import BLUE, GREEN, PAGE, VERMILION
from figures.benign_at.data import PLANTED_RECIPES, in_words, of_main_setting
from figures.elements import SHARES, category_axis, percent, seed_points

COLUMNS = 8
"""Images of a row."""

KINDS = {
    "harmful": (VERMILION, "o"), "benign": (GREEN, "^"), "common": (BLUE, "s"), "flagged": (BLUE, "o"),
}  # fmt: skip
"""Whose flagged share is shown, where it is known which image harms; elsewhere that of all, "flagged"."""


def read_flagged(data: pd.DataFrame) -> MemorisationResults:
    """The table as the study reads it."""
    return MemorisationResults({kind: data[data["kind"] == kind] for kind in ("flags", "noise")})


CLAIMS = ClaimTable(in_words(QUESTIONS["flags"]), read_flagged, only_known=True)
"""Flags mean what they should."""


def flagged_table(findings: Findings[MemorisationPlan]) -> pd.DataFrame:
    """Rows of kind pixel (of the images shown), flags (`flag_table`) and noise (`noise_table`)."""
    images, suspects, flags, noise = (
        of_main_setting(findings, name) for name in ("images", "suspects", "flags", "noise")
    )
    chosen = choose_shown(suspects, images)
    setting = next(iter(findings.plan.radii))
    settings = findings.plan.groups[f"{setting} standard"].settings
    pixels = load(DataConfig.model_validate(settings["data"]), 0).train.images.numpy()
    side = pixels.shape[-1]
    shown = [
        {**row, "kind": "pixel", "y": y, "x": x, "value": int(pixels[row["index"], 0, y, x])}
        for row in chosen.to_dict("records")
        for y in range(side)
        for x in range(side)
    ]
    parts = [pd.DataFrame(shown), flags.assign(kind="flags"), noise.assign(kind="noise")]
    return pd.concat(parts, ignore_index=True).assign(scale=findings.plan.scale)


def choose_shown(suspects: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Which images are shown.

    Args:
        suspects: looks at the end of training.
        images: one row per training image.

    Returns:
        Columns line (flagged, spared), place, index, label, taken_for, confidence.
    """
    rows = suspects.merge(images[["index", "atypical"]], on="index")
    flagged = rows[rows["flagged"]].sort_values(["confidence", "index"], ascending=[False, True])
    spared = rows[~rows["flagged"] & rows["atypical"]].sort_values(["confidence", "index"])
    parts = [
        part.head(COLUMNS).assign(line=line, place=np.arange(min(COLUMNS, len(part))))
        for line, part in (("flagged", flagged), ("spared", spared))
    ]
    return pd.concat(parts)[["line", "place", "index", "label", "taken_for", "confidence"]]


def draw(data: pd.DataFrame) -> Figure:
    """Two rows of images, and what share of each known kind is flagged."""
    figure = Figure(figsize=(PAGE, 2.3), layout="constrained")
    left, right = cast("Any", figure.subfigures(1, 2, width_ratios=(2.4, 1)))
    grid = left.subplots(2, COLUMNS)
    pixels = data[data["kind"] == "pixel"]
    for row, line in zip(grid, ("flagged", "spared"), strict=True):
        for place, axis in enumerate(row):
            axis.set_axis_off()
            own = pixels[(pixels["line"] == line) & (pixels["place"] == place)]
            if own.empty:
                continue
            image = own.pivot_table(index="y", columns="x", values="value").to_numpy()
            axis.imshow(image, cmap="gray", vmin=0, vmax=255)
            first = own.iloc[0]
            other = f"\n→ {first['taken_for']:.0f}, {first['confidence']:.2f}" if line == "flagged" else ""
            axis.set_title(f"{first['label']:.0f}{other}", fontsize=7)
    left.suptitle("above: flagged, class → taken for, confidence;  below: atypical, not flagged")
    axis = right.subplots()
    shares = data[(data["kind"] == "flags") & np.isclose(data["threshold"], T_MEM)]
    kinds = [kind for kind in KINDS if kind != "flagged" and kind in shares] or ["flagged"]
    for place, kind in enumerate(kinds):
        colour, marker = KINDS[kind]
        seed_points(axis, place, shares[kind].to_list(), colour, marker=marker, within=SHARES)
    category_axis(axis, kinds, turned=True)
    percent(axis, "flagged at the end")
    axis.set(ylim=(-0.03, 1.03))
    return figure


RECIPE = PLANTED_RECIPES.recipe(
    "benign_at/flagged",
    shows="Images that BAT-style training flags, atypical ones that it spares, and shares flagged by kind",
    item="Whom the method flags, on planted data; its criterion is reconstructed",
    table=flagged_table,
    draw=draw,
    claims=CLAIMS,
)
