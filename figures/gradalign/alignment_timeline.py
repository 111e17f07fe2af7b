"""GradAlign's repository, figure 4: what happens around the break of FGSM training.

There it is one run on CIFAR-10 at 8/255 that breaks by itself; here FGSM training on data with the injected feature of
co_features, with the same training on the data as they are as control (ours). The levels 0.95, 0.8 and 80 % were read
in the repository's figure; how much must fall for a claim to count is ours. PGD starts at the image here, which brings
its perturbation nearer to that of FGSM than a random start would; which start theirs has was not read.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from figures.elements import mark_breakpoint, new_figure, percent, seed_bands
from figures.field.breakpoint_statistics import (
    INTACT_HOLDS,
    POINTS,
    ROBUST_BEFORE,
    STEPS,
    STUDIES,
    aligned,
    before_after,
    collect_statistics,
    in_every_seed,
    spacing_of,
)
from figures.recipe import Comparison, Recipe

SOURCE = "repository [R]: GradAlign, figure 4"

PANELS = {
    "accuracy": {"clean": ("clean", GREY, ":"), "fgsm": ("FGSM", VERMILION, "-"), "pgd": ("PGD-10", BLUE, "--")},
    "cosine": {
        "gradient_alignment": ("∇ at x and at x + noise", GREEN, "-"),
        "perturbation_alignment": ("δ of FGSM and of PGD-10", BLUE, "--"),
    },
}


def draw(data: pd.DataFrame) -> Figure:
    """Accuracies and alignments against iterations since the break; on the right the control."""
    figure, axes = new_figure(PAGE, 3.6, 2, 2, sharex=True, sharey="row")
    spacing = spacing_of(data)
    for column, (arm, title) in enumerate(
        (("breaks", "FGSM, injected feature: breaks at 0"), ("intact", "FGSM, data as they are: does not break"))
    ):
        for row, (kind, lines) in enumerate(PANELS.items()):
            axis = axes[row][column]
            shown = in_every_seed(aligned(data, list(lines), spacing))
            seed_bands(axis, shown[shown["arm"] == arm], "statistic", lines, "offset", "value")
            if arm == "breaks":
                mark_breakpoint(axis, 0, named=row == 1)
            if kind == "accuracy":
                axis.set(title=title, ylim=(-0.03, 1.03))
                percent(axis)
            else:
                axis.set(xlabel="iterations since the break", ylim=(-0.1, 1.03))
    percent(axes[0][0], "accuracy")
    axes[1][0].set(ylabel="mean cosine")
    for row in axes:
        row[1].legend(loc="best")
    return figure


def _fall(data: pd.DataFrame, statistic: str, arm: str = "breaks") -> pd.Series[float]:
    """A statistic before the breakpoint minus after it, by seed."""
    pair = before_after(data, statistic, arm)
    return pair["before"] - pair["after"]


ON = f"on {POINTS} test images"


def _room(statement: str, measure: str, statistic: str, least: float) -> ClaimRow[pd.DataFrame]:
    return claim(
        "room", statement, f"{measure} {ON}, before the break", above=least,
        value=lambda data: before_after(data, statistic)["before"],
    )  # fmt: skip


GRADIENTS_TURN: ClaimRow[pd.DataFrame] = claim(
    "gradients_turn", "At the break the gradients inside the ball lose their alignment",
    f"mean cosine of the gradients at x and x + noise {ON}: before minus after", above=0.2, source=SOURCE,
    value=lambda data: _fall(data, "gradient_alignment"),
    premises=(ROBUST_BEFORE, _room("The gradients are aligned", "mean cosine", "gradient_alignment", 0.2)),
)  # fmt: skip

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        GRADIENTS_TURN,
        claim(
            "perturbations_turn", "At the break the FGSM perturbation turns away from that of PGD",
            f"mean cosine of the perturbations of FGSM and PGD-{STEPS} {ON}: before minus after", above=0.2,
            source=SOURCE, value=lambda data: _fall(data, "perturbation_alignment"),
            premises=(
                ROBUST_BEFORE, _room("The perturbations are aligned", "mean cosine", "perturbation_alignment", 0.2)
            ),
        ),
        claim(
            "pgd_falls", "PGD accuracy falls at the break", f"PGD-{STEPS} accuracy {ON}: before minus after",
            above=0.2, source=SOURCE, value=lambda data: _fall(data, "pgd"),
            premises=(_room("There is robustness to lose", f"PGD-{STEPS} accuracy", "pgd", 0.2),),
        ),
        claim(
            "fgsm_jumps", "At the break FGSM accuracy jumps above 80 %", f"FGSM accuracy {ON} after the break",
            above=0.8, source=SOURCE, value=lambda data: before_after(data, "fgsm")["after"],
            premises=(
                ROBUST_BEFORE,
                claim(
                    "room", "FGSM accuracy is below 80 % before the break", f"FGSM accuracy {ON}, before the break",
                    below=0.8, value=lambda data: before_after(data, "fgsm")["before"],
                ),
            ),
        ),
        claim(
            "only_at_the_break", "Without a break the gradients keep more of their alignment than across one",
            f"fall of the cosine {ON} over the same iterations: broken minus intact runs", above=0.2,
            source="ours: control [M]",
            value=lambda data: _fall(data, "gradient_alignment") - _fall(data, "gradient_alignment", "intact"),
            premises=(GRADIENTS_TURN, INTACT_HOLDS),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""The falls and the jump at the breakpoint, and that the control has neither."""


def compare(data: pd.DataFrame) -> list[Comparison]:
    """The levels that were read off the figure."""
    remark = (
        "theirs: one natural break on CIFAR-10 at 8/255, ResNet-18; ours: induced, other data, networks at least 32 "
        "iterations before and 64 after the break"
    )
    printed = {
        "gradient_alignment": ("cosine of gradients", "about 0.95", "below 0.1"),
        "perturbation_alignment": ("cosine of perturbations", "about 0.8", "about 0.05"),
    }
    found = []
    for name, (what, before, after) in printed.items():
        pair = _of_all(data, name)
        found.append(Comparison(f"{what}, before the break", before, SOURCE, pair["before"], remark))
        found.append(Comparison(f"{what}, after the break", after, SOURCE, pair["after"], remark))
    jumped, fallen = _of_all(data, "fgsm")["after"], _of_all(data, "pgd")["after"]
    found.append(Comparison("FGSM accuracy after the break", "above 0.8", SOURCE, jumped, remark))
    found.append(Comparison("PGD accuracy after the break", "0", SOURCE, fallen, remark))
    return found


def _of_all(data: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """What `before_after` says of the seeds that broke, and nan for the others."""
    return before_after(data, statistic).reindex(data["seed"].unique())


RECIPE = Recipe(
    name="gradalign/alignment_timeline",
    shows="Accuracy and alignment of gradients and perturbations against iterations since the break",
    item="The GradAlign repository, figure 4",
    studies=STUDIES,
    collect=collect_statistics,
    draw=draw,
    claims=CLAIMS,
    compare=compare,
)
