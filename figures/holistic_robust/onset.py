"""When single-step training breaks, with HR weights and with their controls (section 5 of the spec; ours throughout).

No source was found that studies it. The controls keep the histogram of the weights but deal it out at random
(permuted), or keep the length of the step (norm-matched). "Delays" needs both to be beaten.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.holistic_robust.claims import DECISIVE, ONSET
from analyses.holistic_robust.plan import PLAIN
from cotoolkit.plotting.style import CYCLE, GREEN, GREY, MARKERS, PAGE
from figures.elements import category_axis, mark_breakpoint, new_figure, percent, seed_band, seed_times
from figures.holistic_robust.data import holistic_claims, holistic_table, read_onset, recipes_of

NAMES = {PLAIN: "FGSM", "norm_matched": "norm-matched", "small_batch": "small batch"}
WINDOW = 40
"""Iterations over which courses of weights are averaged, for the picture."""


REST = tuple(row.claim.key for row in ONSET if row.claim.key not in DECISIVE)
"""Keys of the claims judged here; the decisive ones are judged in the recipe "survival"."""


def draw(data: pd.DataFrame) -> Figure:
    """Breaks by arm, and what share of HR's weight lies on abnormal samples around them."""
    found = read_onset(data)
    runs, weights, hr = found.table, found.weights, found.hr
    figure, (left, right) = new_figure(PAGE, 2.7, 1, 2)
    arms = list(dict.fromkeys(runs["arm"]))
    of = " of " if len(arms) <= len(CYCLE) else "/"
    for place, arm in enumerate(arms):
        own = runs[runs["arm"] == arm]
        colour, marker = CYCLE[place % len(CYCLE)], MARKERS[place % len(MARKERS)]
        seed_times(left, place, own["time"].to_list(), own["broke"].to_list(), colour, marker=marker)
        broke = int(own["broke"].sum())
        left.annotate(f"{broke}{of}{len(own)}", (place, 1.02), xycoords=("data", "axes fraction"), ha="center")
    left.axhline(runs["iterations"].max(), color=GREY, lw=0.7, ls=":")
    category_axis(left, [NAMES.get(arm, arm) for arm in arms], turned=True)
    left.set(ylabel="iteration of the break\n(hollow: none; dotted: end)", ylim=(0, None))
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


RECIPE = recipes_of("onset").recipe(
    "holistic_robust/onset",
    shows="Iteration of the break of FGSM training: plain, with HR weights, and with their controls",
    item="A question of ours, not studied in the paper, as far as was read",
    table=holistic_table(run="onsets", weight="weights"),
    draw=draw,
    claims=holistic_claims(ONSET, read_onset, REST),
)
