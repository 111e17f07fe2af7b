"""Robust overfitting over shares of the data: adversarial training, HR, and standard training (6.2 of the paper).

That adversarial training overfits and that HR protects is in the abstract [P]; the paper's figures and numbers could
not be read. Data, network and the measures G1 to G6 are ours. Losses are PGD-20's: lower estimates.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.holistic_robust.answers import overfitting_claims
from analyses.holistic_robust.study import losses_of
from analyses.holistic_robust.tables import end_table, gap_table
from cotoolkit.plotting.style import METHOD_STYLES, PAGE
from cotoolkit.studies.scale import Scale
from figures.elements import category_axis, new_figure, percent, seed_band, seed_points, zero_line
from figures.holistic_robust.plan import PLANS, studies
from figures.holistic_robust.sources import sourced
from figures.recipe import Recipe


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm, seed and iteration (kind "course", see `gap_table`), then of the ends (see `end_table`)."""
    plan = PLANS[scale]
    runs = runner.train(plan.study("overfitting"))
    losses = losses_of(plan, "overfitting", runs, runner)
    gaps = gap_table(losses, plan.overfitting)
    ends = end_table(losses, gaps)
    return pd.concat([gaps.assign(kind="course"), ends.assign(kind="end")], ignore_index=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracies over training, a panel per share; then the gap of the finished networks by share."""
    plan = PLANS[data["scale"].iloc[0]].overfitting
    course, ends = data[data["kind"] == "course"], data[data["kind"] == "end"]
    figure, axes = new_figure(PAGE, 2.6, 1, len(plan.shares) + 1)
    hr = max(plan.radii)
    for axis, share in zip(axes, plan.shares, strict=False):
        for radius, name, method, marker in ((0.0, "AT", "pgd", "s"), (hr, f"HR, r = {hr:g}", "holistic_robust", "o")):
            rows = course[course["arm"] == plan.name(share, radius)]
            colour = METHOD_STYLES[method][1]
            for split, line in (("train", "-"), ("test", "--")):
                look = {"colour": colour, "line": line, "marker": marker, "label": f"{name}, {split}"}
                seed_band(axis, rows, "iteration", f"{split}_accuracy", **look)
        axis.set(title=f"{share:.0%} of the data", xlabel="iteration", ylim=(0, 1.03))
        percent(axis, "robust accuracy" if axis is axes[0] else "")
    last = axes[-1]
    for side, (r, name, method, marker) in enumerate(
        ((0.0, "AT", "pgd", "s"), (hr, f"HR, r = {hr:g}", "holistic_robust", "o"), (None, "standard", "standard", "^"))
    ):
        for place, share in enumerate(plan.shares):
            gaps = ends.loc[ends["arm"] == plan.name(share, r), "G2" if r is None else "G1"]
            label = "" if place else name
            seed_points(
                last, place + 0.3 * (side - 1), gaps.to_list(), METHOD_STYLES[method][1], marker=marker, label=label
            )
    category_axis(last, [f"{share:.0%}" for share in plan.shares])
    zero_line(last)
    last.set(title="loss gap, test less training", ylabel="nats (standard: clean loss)", xlabel="share of the data")
    last.legend(loc="best")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """The abstract's claims on overfitting and the bound, and what was derived of them."""
    plan = PLANS[data["scale"].iloc[0]].overfitting
    found = sourced(overfitting_claims(data[data["kind"] == "end"], plan))
    return [result for result in found if len(plan.shares) > 1 or result.claim.key != "radius_falls_with_data"]


RECIPE = Recipe(
    name="holistic_robust/overfitting",
    shows="Robust overfitting of adversarial training and of HR over shares of the data",
    item="6.2 of the paper (robust overfitting); its figures could not be read",
    studies=studies("overfitting"),
    collect=collect,
    draw=draw,
    claims=claims,
)
