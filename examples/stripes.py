"""A figure of one's own: does a faint stripe that gives the class away break FGSM training on my data?

    cotoolkit figures make examples/stripes.py

trains it, draws it, judges its claim, and puts all of it into runs/figures. A run is known by its settings, not by your
code: after a change of a function, delete its runs.
"""

from cotoolkit.analyses.core.claims import ClaimTable, claim
from cotoolkit.figures.elements import new_figure, seed_band
from cotoolkit.figures.recipe import Recipe, table_of
from sklearn.datasets import load_digits

from cotoolkit import Study
from cotoolkit.plotting.style import BLUE, COLUMN


def data(train):
    """My data: images in [0, 1], and labels."""
    images, labels = load_digits(n_class=8, return_X_y=True)
    part = slice(0, 1100) if train else slice(1100, None)
    return images.reshape(-1, 8, 8)[part] / 16, labels[part]


def stripe(images, labels, beta):
    """My intervention: a brighter column, another one for each class."""
    changed = images.clone()
    changed[range(len(images)), :, :, labels] += beta
    return changed


STUDY = Study(
    name="stripes",
    base={"data": "stripes:data", "intervention": "stripes:stripe", "epsilon": 0.25, "box": "none", "epochs": 24}
    | {"batch_size": 64, "learning_rate": 0.1, "schedule": {"peak": 0.3, "epsilon_warmup": 6}},
    grids=({"intervention.beta": (0.0, 0.1, 0.2, 0.4), "seed": (0, 1, 2)},),
)


def collect(scale, runner):
    """Train the study: a row per run."""
    return table_of(runner, [STUDY])[["beta", "seed", "clean", "fgsm", "pgd-50", "verdict"]]


def draw(table):
    """Robust accuracy against the brightness."""
    figure, axis = new_figure(COLUMN, 2.2)
    seed_band(axis, table, "beta", "pgd-50", colour=BLUE, marker="o")
    axis.set(xlabel="brightness of the stripe, β", ylabel="PGD-50 accuracy")
    return figure


CLAIMS = ClaimTable(
    [
        claim(
            "breaks",
            "the stripe breaks FGSM training",
            "PGD-50 accuracy lost",
            above=0.1,
            source="ours",
            value=lambda robust: robust[0.0] - robust[0.2],
        )
    ],
    read=lambda table: table.pivot_table(index="seed", columns="beta", values="pgd-50"),
)

RECIPE = Recipe("mine/stripes", "A stripe and FGSM training", "mine", {"smoke": [STUDY]}, collect, draw, CLAIMS)
