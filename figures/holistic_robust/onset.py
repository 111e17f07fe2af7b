"""When single-step training breaks, with HR weights and with their controls (section 5 of the spec; ours throughout).

No source was found that studies it. The controls keep the histogram of the weights but deal it out at random
(permuted), or keep the length of the step (norm-matched). "Delays" needs both to be beaten.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.holistic_robust.answers import onset_claims
from analyses.holistic_robust.settings import PLAIN, hr_name
from analyses.holistic_robust.study import losses_of, recorded
from analyses.holistic_robust.tables import onset_table, weight_courses
from cotoolkit.plotting.style import CYCLE, GREEN, GREY, MARKERS, PAGE
from cotoolkit.studies.scale import Scale
from figures.elements import category_axis, mark_breakpoint, new_figure, percent, seed_band, seed_points
from figures.holistic_robust.plan import PLANS, studies
from figures.holistic_robust.sources import sourced
from figures.recipe import Recipe

NAMES = {PLAIN: "FGSM", "norm_matched": "norm-matched", "small_batch": "small batch"}
WINDOW = 40
"""Iterations over which courses of weights are averaged, for the picture."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm and seed (kind "run", see `onset_table`), then weights around the break (kind "weight")."""
    plan = PLANS[scale]
    runs = runner.train(plan.study("onset"))
    onsets = onset_table(runs, losses_of(plan, "onset", runs, runner), plan.onset)
    weights = weight_courses(onsets, runner.root, recorded(plan.onset))
    return pd.concat([onsets.assign(kind="run"), weights.assign(kind="weight")], ignore_index=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Breaks by arm, and what share of HR's weight lies on abnormal samples around them."""
    plan = PLANS[data["scale"].iloc[0]].onset
    runs, weights = data[data["kind"] == "run"], data[data["kind"] == "weight"]
    figure, (left, right) = new_figure(PAGE, 2.7, 1, 2)
    arms = list(dict.fromkeys(runs["arm"]))
    for place, arm in enumerate(arms):
        own = runs[runs["arm"] == arm]
        seed_points(left, place, own["time"].to_list(), CYCLE[place], marker=MARKERS[place])
        broke = int(own["broke"].astype(bool).sum())
        left.annotate(f"{broke} of {len(own)}", (place, 1.02), xycoords=("data", "axes fraction"), ha="center")
    left.axhline(runs["iterations"].max(), color=GREY, lw=0.7, ls=":")
    category_axis(left, [NAMES.get(arm, arm) for arm in arms], turned=True)
    left.set(ylabel="iteration of the break (dotted: end)", ylim=(0, None))
    hr = hr_name(*plan.matched)
    for signal, label, colour, line in (
        ("abnormal_weight", "their weight", GREEN, "-"),
        ("abnormal_share", "their share", GREY, "--"),
    ):
        rows = weights[(weights["arm"] == hr) & (weights["signal"] == signal)]
        rows = rows.assign(offset=(rows["offset"] // WINDOW + 0.5) * WINDOW)
        steps = rows.groupby(["seed", "offset"])["value"].mean().reset_index()
        seed_band(right, steps, "offset", "value", colour=colour, line=line, marker="o", label=label)
    mark_breakpoint(right, 0)
    percent(right, "batch, or its weight")
    right.set(xlabel=f"iterations since the break of {hr}", ylim=(0, None))
    right.legend(title="abnormal samples", title_fontsize=7, loc="upper left")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Does r delay the break, beyond what its controls do?"""
    plan = PLANS[data["scale"].iloc[0]].onset
    runs = data[data["kind"] == "run"].astype({"broke": bool})
    return sourced(onset_claims(runs, data[data["kind"] == "weight"], plan))


RECIPE = Recipe(
    name="holistic_robust/onset",
    shows="When FGSM training breaks: plain, with HR weights, and with their controls",
    item="Section 5 of our spec; not studied in the paper, as far as was read",
    studies=studies("onset"),
    collect=collect,
    draw=draw,
    claims=claims,
)
