"""A figure of one's own: do faint stripes that give the class away break FGSM training on my data?

    cotoolkit figures make examples/stripes.py

trains it, draws it, judges its claims, and puts all of it into runs/figures: 20 small networks, a few minutes. A run is
known by its settings, not by your code: after a change of a function, delete its runs.
"""

from math import pi

import torch
from cotoolkit.analyses.core.claims import ClaimTable, claim
from cotoolkit.figures.elements import new_figure, seed_band
from cotoolkit.figures.recipe import Recipe, table_of
from sklearn.datasets import load_digits

from cotoolkit import Study
from cotoolkit.plotting.style import BLUE, COLUMN, VERMILION


def data(train):
    """My data: images in [0, 1], and labels."""
    images, labels = load_digits(return_X_y=True)
    part = slice(0, 1400) if train else slice(1400, None)
    return images.reshape(-1, 8, 8)[part] / 16, labels[part]


def stripes(images, labels, beta):
    """My intervention: five patterns of stripes and chequers, each for one digit, and its negative for another."""
    waves = torch.cos(pi / 8 * torch.outer(torch.arange(3), torch.arange(8) + 0.5))
    down, across = torch.tensor([(0, 1), (1, 0), (1, 1), (2, 1), (1, 2)]).T
    patterns = (waves[down][:, :, None] * waves[across][:, None, :]).sign()
    return images + beta * torch.cat([patterns, -patterns])[labels][:, None].to(images)


STUDY = Study(
    name="stripes",
    base={"data": "stripes:data", "intervention": "stripes:stripes", "epsilon": 0.25, "box": "none", "epochs": 24}
    | {"batch_size": 64, "learning_rate": 0.1, "schedule": {"peak": 0.3, "epsilon_warmup": 6}},
    grids=({"intervention.beta": (0.0, 0.1, 0.15, 0.25), "seed": (0, 1, 2, 3, 4)},),
)


def collect(scale, runner):
    """Train the study: a row per run."""
    return table_of(runner, [STUDY])[["beta", "seed", "clean", "fgsm", "pgd-50", "verdict"]]


def draw(table):
    """Accuracy against the strength of the stripes, under one step and under many."""
    figure, axis = new_figure(COLUMN, 2.2)
    seed_band(axis, table, "beta", "fgsm", colour=VERMILION, marker="s", label="FGSM")
    seed_band(axis, table, "beta", "pgd-50", colour=BLUE, line="--", marker="o", label="PGD-50")
    axis.set(xlabel="strength of the stripes, β", ylabel="accuracy on test images")
    axis.legend()
    return figure


def judge(key, statement, value):
    """A claim about the PGD-50 accuracy of each seed."""
    return claim(key, statement, "PGD-50 accuracy", above=0.1, source="ours", value=value)


CLAIMS = ClaimTable(
    [
        judge("breaks", "faint stripes break FGSM training: accuracy lost", lambda robust: robust[0.0] - robust[0.15]),
        judge("saves", "stronger ones save it: accuracy won back", lambda robust: robust[0.25] - robust[0.15]),
    ],
    read=lambda table: table.pivot_table(index="seed", columns="beta", values="pgd-50"),
)

RECIPE = Recipe("mine/stripes", "Stripes and FGSM training", "mine", {"smoke": [STUDY]}, collect, draw, CLAIMS)
