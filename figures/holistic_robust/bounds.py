"""What bounds the loss on test data, and what does not: four bounds minus the means that they should bound.

Nominal bounds come from the training losses and the training's r (of AT 0: its plain mean), as in the abstract [P].
The certificates come from every second test image, with r = log((m + 1) / delta) / m [D], and are held against the
other half; each is for one fixed network.
"""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.figure import Figure

from analyses.holistic_robust.certificate import Certificate, certificate_radius, reported
from analyses.holistic_robust.claims import OVERFITTING
from analyses.holistic_robust.gaps import CLIP
from analyses.holistic_robust.losses import PROTOCOL
from analyses.holistic_robust.plan import PLANS
from analyses.holistic_robust.tables import DELTA
from cotoolkit.plotting.style import GREEN, GREY, PAGE, VERMILION
from figures.elements import new_figure
from figures.holistic_robust.data import holistic_claims, holistic_table, read_overfitting, recipes_of, rows_of

MARKED = "Marks: bound minus the mean on data that was not used for it, one per seed; right of 0 the bound holds."


def draw(data: pd.DataFrame) -> Figure:
    """A mark per seed, right of 0 where the bound holds; below, one network reported in full."""
    ends = rows_of(data, "end")
    ends = ends[ends["r"].notna()]
    arms = list(ends["arm"].unique())
    panels = {
        f"nominal,\nW = {CLIP:g}": ends["G6"],
        "nominal, W = largest\ntraining loss": ends["G6_seen"],
        "certificate,\ncross-entropy": ends["loss_certificate"] - ends["loss_held"],
        "certificate,\n0/1 loss": ends["error_certificate"] - ends["error_held"],
    }
    figure, axes = new_figure(PAGE, 0.2 * len(arms) + 1.9, 1, len(panels), sharey=True)
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        for place, arm in enumerate(arms):
            own = values[ends["arm"] == arm]
            colour = GREEN if own.min() >= 0 else VERMILION if own.max() < 0 else GREY
            axis.plot(own, [place] * len(own), "o" if own.min() >= 0 else "X", color=colour)
        axis.axvline(0, color="black", lw=0.7)
        axis.set(title=title, xlabel="error rate" if "0/1" in title else "nats")
    axes[0].set_yticks(range(len(arms)), arms)
    axes[0].set_ylim(len(arms) - 0.5, -0.5)
    figure.supxlabel(f"{MARKED}\n{textwrap.fill(_one_in_full(data), 150)}", fontsize=6, ha="left", x=0.01)
    return figure


def _one_in_full(data: pd.DataFrame) -> str:
    """The first network of the strongest HR arm, as a number of this kind has to be reported."""
    read = read_overfitting(data)
    row = read.table[read.table["arm"] == read.hr].iloc[0]
    points, seed = int(row["certified_points"]), int(row["seed"])
    config = PLANS[row["scale"]].groups["overfitting"].config(read.hr, seed)
    words = reported(
        Certificate(row["loss_certificate"], row["certified_mean"], certificate_radius(points, DELTA), points, DELTA),
        loss=f"cross-entropy clipped at {CLIP:g} nats",
        threat=str(config.threat),
        attack=f"FGSM and {PROTOCOL}",
        alpha=0.0,
        bound=CLIP,
        train_mean=row["train_clipped"],
        nominal=row["G6"] + row["test_clipped"],
        test_mean=row["test_clipped"],
        training_r=read.strong,
        training_points=int(row["train_points"]),
    )
    return f"Reported in full, {read.hr}, seed {seed}. {words}"


RECIPE = recipes_of("overfitting").recipe(
    "holistic_robust/bounds",
    shows="Bounds minus test losses: nominal bounds, from the training losses, and held-out certificates",
    item="After the paper's bound, whose constant could not be read; the certificate is ours",
    table=holistic_table(end="ends"),
    draw=draw,
    claims=holistic_claims(OVERFITTING, read_overfitting, ("nominal_bound", "seen_bound_fails")),
)
