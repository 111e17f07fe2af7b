"""What BAT-style training flags: the most confidently flagged images, and atypical ones that it spares (F4).

The criterion is reconstructed [U]. Flags are those of plain adversarial training at its end.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.memorisation.answers import flags_mean
from analyses.memorisation.claim_list import ClaimList
from analyses.memorisation.settings import T_MEM
from cotoolkit.data import DataConfig, load
from cotoolkit.plotting.style import BLUE, GREEN, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.benign_at.plan import WORLD, found, world_study
from figures.benign_at.reading import sourced
from figures.elements import category_axis, percent, seed_points
from figures.recipe import Recipe

COLUMNS = 8
"""Images of a row."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Rows of kind pixel (of the images shown), flags (`flag_table`) and noise (`noise_table`)."""
    tables = found(runner)
    chosen = choose(tables.suspects, tables.images)
    pixels = load(DataConfig.model_validate(WORLD.data), 0).train.images.numpy()
    side = pixels.shape[-1]
    shown = [
        {**row, "kind": "pixel", "y": y, "x": x, "value": int(pixels[row["index"], 0, y, x])}
        for row in chosen.to_dict("records")
        for y in range(side)
        for x in range(side)
    ]
    parts = [pd.DataFrame(shown), tables.flags.assign(kind="flags"), tables.noise.assign(kind="noise")]
    return pd.concat(parts, ignore_index=True).assign(scale=scale)


def choose(suspects: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Which images are shown: columns line (flagged, spared), place, index, label, taken_for, confidence.

    Args:
        suspects: looks at the end of training.
        images: what `image_table` gives.
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
    looks = (("harmful", VERMILION, "o"), ("benign", GREEN, "^"), ("common", BLUE, "s"))
    for place, (kind, colour, marker) in enumerate(looks):
        seed_points(axis, place, shares[kind].to_list(), colour, marker=marker)
    category_axis(axis, [kind for kind, *_ in looks], turned=True)
    percent(axis, "flagged at the end")
    axis.set(ylim=(-0.03, 1.03))
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Flags mean what they should."""
    found = ClaimList()
    flags_mean(found, data[data["kind"] == "flags"], data[data["kind"] == "noise"])
    return sourced(found.results)


RECIPE = Recipe(
    name="benign_at/flagged",
    shows="Images that BAT-style training flags, and atypical ones that it spares",
    item="F4 of our spec, and its section 4.4; criterion reconstructed",
    studies={"smoke": world_study()},
    collect=collect,
    draw=draw,
    claims=claims,
)
