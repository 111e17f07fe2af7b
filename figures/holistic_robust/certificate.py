"""A certificate with an explicit constant: how often it is violated in simulation, and what it costs.

The paper bounds the loss out of sample by the HR loss on the training set, with probability 1 - exp(-r n + O(1)) [P];
the constant could not be read. The bound here is another, for held-out points of a fixed model, and derived [D]:
r = log((m + 1) / delta) / m. Simulated; whether the nominal bound holds for trained networks is in the recipe
"bounds".
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.runner import StudyRunner
from analyses.holistic_robust.certificate import by_size, simulated_coverage
from cotoolkit.plotting.style import CYCLE, MARKERS, PAGE
from cotoolkit.studies.scale import Scale, seeds_at
from figures.elements import new_figure, percent
from figures.holistic_robust.data import DERIVED, PROVEN, rows_of
from figures.recipe import Recipe

REPETITIONS = 1000
POINTS = (100, 200, 500, 1000, 2000, 5000, 10_000, 50_000)
ERRORS = (0.1, 0.5)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Shares of violations by seed (kind "coverage", see `simulated_coverage`), then bounds by size (kind "size")."""
    simulated = [
        simulated_coverage(REPETITIONS, seed=seed).assign(seed=seed, kind="coverage") for seed in seeds_at(scale)
    ]
    sizes = [by_size(error, POINTS).assign(kind="size") for error in ERRORS]
    names = {"observed error": "observed"}
    return pd.concat([*simulated, *sizes], ignore_index=True).rename(columns=names).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Violations by law beside their target, and the bound on an error by the number of points."""
    figure, (left, right) = new_figure(PAGE, 2.7, 1, 2)
    shares = rows_of(data, "coverage")
    means = shares.groupby(["law", "points", "delta"])[["violated", "bare_violated"]].mean().reset_index()
    names = []
    for place, row in enumerate(means.to_dict("records")):
        names.append(f"{row['law']}, {row['points']:.0f}, δ {row['delta']:g}")
        look = {"ls": "", "label": None}
        left.plot(row["delta"], place, "|", color="black", ms=9, label="allowed" if not place else None)
        left.plot(row["violated"], place, "o", color=CYCLE[0], label="log((m+1)/δ)/m" if not place else None)
        look["label"] = "log(1/δ)/m" if not place else None
        left.plot(row["bare_violated"], place, "s", color=CYCLE[1], **look)
    left.set_yticks(range(len(names)), names)
    left.set(ylim=(len(names) - 0.5, -0.5))
    percent(left, "samples whose bound is below the mean", which="x")
    left.legend(loc="upper center", bbox_to_anchor=(0.3, 1.17), ncols=3, columnspacing=1, handletextpad=0.2)
    for index, (error, rows) in enumerate(rows_of(data, "size").groupby("observed")):
        look = {"color": CYCLE[index], "marker": MARKERS[index], "label": f"bound, {error:.0%} observed"}
        right.plot(rows["points"], rows["bound"], **look)
        right.axhline(error, color=CYCLE[index], lw=0.7, ls=":")
    percent(right, "robust error")
    right.set(xscale="log", xlabel="held-out points m (δ = 0.05)", ylim=(0, None))
    right.legend()
    return figure


def _largest(number: pd.Series[float], data: pd.DataFrame) -> pd.Series[float]:
    """By seed, over laws, sizes and levels."""
    return number.groupby(data["seed"]).max()


CLAIMS = ClaimTable(
    (
        claim(
            "conservative", "The certificate is violated far less often than allowed: it is not tight",
            "largest share of violations over delta, over laws, sizes and levels",
            below=0.1, null=1.0, source=DERIVED, unjudged=PROVEN,
            value=lambda n: _largest(n["violated"] / n["delta"], n),
        ),
        claim(
            "bare_not_shown",
            "Without the factor m + 1 nothing is proven, yet the certificate is not violated too often here",
            "largest share of violations with log(1/delta)/m minus delta, over laws, sizes and levels",
            below=0.0, source=DERIVED, value=lambda n: _largest(n["bare_violated"] - n["delta"], n),
        ),
    ),
    lambda data: rows_of(data, "coverage"),
)  # fmt: skip
"""What the constant costs. That the certificate is violated no more often than allowed is proven, and no claim."""


RECIPE = Recipe(
    name="holistic_robust/certificate",
    shows="A held-out certificate with an explicit constant: how often it is violated, and what it costs",
    item="After the paper's bound, whose constant could not be read; the certificate is ours",
    studies=dict.fromkeys(("smoke", "digits"), ()),
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    setting=lambda scale: f"nothing is trained; {REPETITIONS:,} simulated samples for each law, size and level.",
)
