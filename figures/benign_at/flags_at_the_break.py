"""Flags across the break of single-step training (section 5 of the spec): do BAT-style weights switch themselves off?

The paper says nothing of catastrophic overfitting, as far as was read. Two hypotheses of ours: weights delay it (H+);
flags under the training attack vanish when it starts (H-).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable
from analyses.core.study import Findings
from analyses.memorisation.claims import BREAKING_ROWS
from analyses.memorisation.plan import MemorisationPlan
from analyses.memorisation.results import BreakingResults
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PAGE, VERMILION
from figures.benign_at.data import BREAK_RECIPES, in_words
from figures.elements import category_axis, mark_breakpoint, new_figure, percent, seed_band, seed_times

LINES = (
    ("flagged", "flagged, training attack", VERMILION, "-"),
    ("flagged_pgd", "flagged, PGD-10", BLUE, "--"),
    ("clean_error", "clean error", GREY, ":"),
)
ARMS = {
    "plain": (VERMILION, "v"), "weights": (GREEN, "o"), "permuted": (GREY, "s"), "scaled": (ORANGE, "^"),
}  # fmt: skip
REACH = 150
"""Iterations to either side of the break that are drawn."""


def break_table(findings: Findings[MemorisationPlan]) -> pd.DataFrame:
    """Courses of the flags (part "course"), then one row per run (part "run"); see `collect_memorisation`."""
    parts = [findings.tables["course"].assign(part="course"), findings.tables["onsets"].assign(part="run")]
    return pd.concat(parts, ignore_index=True).assign(scale=findings.plan.scale)


def read_break(data: pd.DataFrame) -> BreakingResults:
    """The table as the study reads it."""
    return BreakingResults(data[data["part"] == "course"], data[data["part"] == "run"])


CLAIMS = ClaimTable(in_words(BREAKING_ROWS), read_break, arms=lambda n: n.arms, only_known=True)
"""H- and H+, with controls."""


def draw(data: pd.DataFrame) -> Figure:
    """Flags around the break of plain training and of training with weights; when each arm broke."""
    course, runs = data[data["part"] == "course"], data[data["part"] == "run"]
    figure, axes = new_figure(PAGE, 2.5, 1, 3)
    every = course["iteration"].min()
    plain = runs[(runs["arm"] == "plain") & runs["onset"].notna()]
    looks = course[course["arm"] == "plain"].drop(columns="onset").merge(plain[["seed", "onset"]], on="seed")
    looks = looks.assign(since=((looks["iteration"] - looks["onset"]) / every).round() * every)
    looks = looks[looks["since"].abs() <= REACH]
    weighted = course[course["arm"] == "weights"]
    for signal, label, colour, line in LINES:
        seed_band(axes[0], looks, "since", signal, colour=colour, line=line, label=label)
        seed_band(axes[1], weighted, "iteration", signal, colour=colour, line=line)
    mark_breakpoint(axes[0], 0)
    axes[0].set(xlabel="iterations since the break", ylim=(0, 1.03), title="plain FGSM")
    axes[1].set(xlabel="iteration", ylim=(0, 1.03), title="with weights")
    percent(axes[0], "images")
    percent(axes[1])
    arms = [arm for arm in ARMS if arm in set(runs["arm"])]
    share = (runs["onset"] / runs["last"]).fillna(1.0)
    for place, arm in enumerate(arms):
        colour, marker = ARMS[arm]
        own = runs["arm"] == arm
        broke = runs.loc[own, "onset"].notna().to_list()
        seed_times(axes[2], place, share[own].to_list(), broke, colour, marker=marker)
    category_axis(axes[2], arms, turned=True)
    percent(axes[2], "training until the break")
    axes[2].set(ylim=(0, 1.05), title="hollow: no break")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


RECIPE = BREAK_RECIPES.recipe(
    "benign_at/flags_at_the_break",
    shows="Share of images flagged across the break of FGSM training, and time of the break by arm",
    item="A question of ours, not in the paper, as far as was read",
    table=break_table,
    draw=draw,
    claims=CLAIMS,
)
