"""HR's weights as a function of the loss rank, in closed form; no training.

Nothing here is the paper's: the closed form of the worst case and its table of effective sample sizes are derived in
the spec [D]. The released code solves the same problem with a cone solver [C]. Order "LP then KL" is the paper's data
model (a sample, then poison); "KL then LP" is the other one in the released code.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.runner import StudyRunner
from cotoolkit.methods._weighting.worst_case import Order, effective_share, worst_case
from cotoolkit.plotting.style import BLUE, GREEN, PAGE, VERMILION
from cotoolkit.studies.scale import Scale, seeds_at
from figures.elements import new_figure
from figures.holistic_robust.data import DERIVED, PROVEN
from figures.recipe import Recipe

BATCH, DRAWS = 128, 300
SPREAD = 0.6
"""Standard deviation of the logarithm of the losses."""

LAWS = ((0.05, 0.0), (0.2, 0.0), (0.0, 0.05), (0.1, 0.05))
"""Pairs (r, alpha)."""

ORDERS: dict[Order, str] = {"lp_then_kl": "LP then KL", "kl_then_lp": "KL then LP"}
COLOURS = (BLUE, VERMILION, GREEN)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per order, law, seed and rank; see `by_rank`."""
    found = [by_rank(r, alpha, order, seed) for r, alpha in LAWS for order in ORDERS for seed in seeds_at(scale)]
    return pd.concat(found, ignore_index=True).assign(scale=scale)


def by_rank(r: float, alpha: float, order: Order, seed: int) -> pd.DataFrame:
    """Mean weights of log-normal losses by their rank.

    Returns:
        Columns r, alpha, order, seed, rank (share of the batch with a smaller loss, in [0, 1)), weight (in units of the
        uniform one), and, the same in all rows, effective (effective sample size as a share of the batch) and ratio
        (worst case over mean loss).
    """
    draws = np.random.default_rng(seed).lognormal(0.0, SPREAD, (DRAWS, BATCH))
    losses = torch.tensor(draws).sort(-1).values
    found = worst_case(losses, r, alpha, order=order)
    weights = found.folded(losses)
    return pd.DataFrame(
        {
            "r": r,
            "alpha": alpha,
            "order": order,
            "seed": seed,
            "rank": np.arange(BATCH) / BATCH,
            "weight": (BATCH * weights).mean(0).numpy(),
            "effective": effective_share(weights).mean().item(),
            "ratio": (found.value / losses.mean(-1)).mean().item(),
        }
    )


def draw(data: pd.DataFrame) -> Figure:
    """A panel per pair (r, alpha), a line per order; where they agree the second is drawn on the first."""
    figure, axes = new_figure(PAGE, 2.2, 1, len(LAWS), sharey=True)
    for axis, (r, alpha) in zip(axes, LAWS, strict=True):
        for (order, name), colour, line in zip(ORDERS.items(), COLOURS, ("-", "--"), strict=False):
            rows = _law(data, r, alpha, order)
            mean = rows.groupby("rank")["weight"].mean()
            axis.plot(mean.index, mean, color=colour, ls=line, label=name)
        axis.axhline(1, color="black", lw=0.6, ls=":")
        axis.set_yscale("symlog", linthresh=1)
        axis.set(title=f"r = {r:g}, α = {alpha:g}", xlabel="rank of the loss", ylim=(0, 60), xlim=(0, 1.02))
        axis.set_yticks([0, 1, 10], ["0", "1", "10"])
    axes[0].set(ylabel="weight (uniform = 1)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _law(data: pd.DataFrame, r: float, alpha: float, order: str = "lp_then_kl") -> pd.DataFrame:
    return data[np.isclose(data["r"], r) & np.isclose(data["alpha"], alpha) & (data["order"] == order)]


def _once(data: pd.DataFrame, r: float, alpha: float, column: str, order: str = "lp_then_kl") -> pd.Series[float]:
    """A number that all rows of a seed share."""
    return _law(data, r, alpha, order).groupby("seed")[column].first()


def _order_gap(data: pd.DataFrame) -> pd.Series[float]:
    first, second = (_once(data, 0.1, 0.05, "ratio", order) for order in ORDERS)
    return first - second


CLAIMS = ClaimTable(
    (
        claim(
            "batch_shrinks", "At the released r = 0.2 fewer than a third of the samples count",
            "effective sample size over batch size",
            below=1 / 3, null=1.0, source=DERIVED, unjudged=PROVEN, value=lambda n: _once(n, 0.2, 0.0, "effective"),
        ),
        claim(
            "order_matters", "Poison after sampling (LP then KL) is the worse case of the two orders",
            "V over mean loss: LP then KL minus KL then LP, r = 0.1 and alpha = 0.05",
            above=0.0, source=DERIVED, unjudged=PROVEN, value=_order_gap,
        ),
    ),
    pd.DataFrame,
)  # fmt: skip
"""What the closed form says of the method's strength. That alpha takes all weight from the smallest losses and puts it
on the largest one is the closed form itself, and no claim."""


RECIPE = Recipe(
    name="holistic_robust/weights",
    shows="HR's weights of losses against their rank, by r and alpha",
    item="Derived by us; no figure of the paper",
    studies=dict.fromkeys(("smoke", "digits"), ()),
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    setting=lambda scale: f"nothing is trained; {BATCH} losses drawn from a log-normal law, {DRAWS} draws a seed.",
)
