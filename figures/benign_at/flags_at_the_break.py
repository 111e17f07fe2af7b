"""Flags across the break of single-step training (section 5 of the spec): do BAT-style weights switch themselves off?

The paper says nothing of catastrophic overfitting, as far as was read. Two hypotheses of ours: weights delay it (H+);
flags under the training attack vanish when it starts (H-).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.memorisation.break_answers import dynamics_answers
from analyses.memorisation.dynamics import run_dynamics
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.benign_at.plan import BREAKING, PLAN, break_study
from figures.benign_at.reading import sourced
from figures.elements import category_axis, mark_breakpoint, new_figure, percent, seed_band, seed_points
from figures.recipe import Recipe

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


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Courses of the flags (kind "course"), then one row per run (kind "run"); see `run_dynamics`."""
    course, onsets = run_dynamics(BREAKING[scale], runner, None)
    return pd.concat([course.assign(part="course"), onsets.assign(part="run")], ignore_index=True).assign(scale=scale)


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
        seed_points(axes[2], place, share[runs["arm"] == arm].to_list(), colour, marker=marker)
    category_axis(axes[2], arms, turned=True)
    percent(axes[2], "training until the break")
    axes[2].set(ylim=(0, 1.05))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """H- and H+, with controls."""
    return sourced(dynamics_answers(data[data["part"] == "course"], data[data["part"] == "run"]))


RECIPE = Recipe(
    name="benign_at/flags_at_the_break",
    shows="Whom BAT-style training flags across the break of FGSM training, and when each arm breaks",
    item="Section 5 of our spec; not in the paper, as far as was read",
    # Which iterations the laptop runs keep depends on how many images its data have: known where these are.
    studies={"smoke": (break_study(PLAN),), "laptop": ()},
    collect=collect,
    draw=draw,
    claims=claims,
)
