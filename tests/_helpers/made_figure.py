"""A recipe that trains nothing."""

import pandas as pd

from analyses.core.judging.verdicts import Claim, check
from cotoolkit.plotting.style import BLUE
from figures.elements import mark_breakpoint, new_figure, seed_band
from figures.recipe import Comparison, Recipe

CLAIM = Claim("rises", "it rises", "slope", "above", 0.5, 0.0, "ours: made up")


def draw(data):
    figure, axis = new_figure(3.3, 2.2)
    seed_band(axis, data, "x", "y", colour=BLUE, label="y")
    mark_breakpoint(axis, 1.0)
    return figure


def slopes(data):
    wide = data.pivot_table(index="seed", columns="x", values="y")
    return wide[2] - wide[0]


def collect(scale, runner):
    return pd.DataFrame(
        [{"x": x, "seed": seed, "y": x * (0.9 + 0.1 * seed), "scale": scale} for x in range(3) for seed in range(5)]
    )


RECIPE = Recipe(
    name="field/made_up",
    shows="A line",
    item="none",
    studies={"digits": ()},
    collect=collect,
    draw=draw,
    claims=lambda data: [check(CLAIM, slopes(data))],
    compare=lambda data: [Comparison("slope", "2", "repository [R]", slopes(data), "made up")],
)


FOLDER = "field/made_up/digits"
