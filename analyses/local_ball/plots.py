"""Pictures of the study of local-ball training, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.statistics import estimate
from analyses.local_ball.answers import ROBUST, Numbers
from analyses.local_ball.diagnostics import FRACTIONS
from analyses.local_ball.measure import RHOS
from analyses.local_ball.settings import AFTER, BEFORE, OFFSETS, OURS, RIVALS
from cotoolkit.plotting.style import STYLE

FAMILIES = {  # family: line style, marker, index into seaborn's colour-blind palette
    "LBT-M": ("-", "o", 3),
    "LBT-T": ("-", "s", 1),
    "PGD": ("--", "D", 0),
    "N-FGSM": (":", "^", 2),
    "TRADES": ("-.", "v", 4),
    "GradAlign": ("None", "X", 7),
}

CENTRES = {
    "lbt": "adversary",
    "centre clean": "clean\nimage",
    "centre corner": "random\ncorner",
    "lbt unclipped": "adversary,\nunclipped",
    "pgd-3 wide": "PGD-3 at\n(1 + ρ) ε",
    "fgsm": "FGSM,\nno ball",
}

KAPPA_ARMS = {  # arm: label, marker, colour
    "lbt": ("LBT-M, m = 1", "o", 3),
    "lbt m=0": ("LBT-M, m = 0", "s", 1),
    "centre clean": ("centre clean", "^", 2),
    "pgd-3": ("PGD-3", "D", 0),
    "fgsm": ("FGSM (broken)", "X", 7),
}


def cost_curves(numbers: Numbers) -> tuple[Figure, list[Axes]]:
    """Robust and clean accuracy against the cost of training, a line per family, dots for seeds."""
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.9), layout="constrained")
        axes = figure.subplots(1, 2)
        for axis, column, title in zip(axes, (ROBUST, "clean"), ("robust accuracy", "clean accuracy"), strict=True):
            for family, (style, marker, colour) in FAMILIES.items():
                arms = {**OURS, **RIVALS}[family]
                rows = numbers.outcomes[numbers.outcomes["arm"].isin(arms)]
                if rows.empty:
                    continue
                found = rows.groupby("arm")[[column, "cost"]].mean().sort_values("cost")
                name = f"{family} (reconstructed)" if family in OURS else family
                axis.plot(found["cost"], found[column], ls=style, marker=marker, color=colours[colour], label=name)
                axis.scatter(rows["cost"], rows[column], s=9, color=colours[colour], alpha=0.45, lw=0)
            axis.set(title=title)
            axis.yaxis.set_major_formatter("{x:.0%}")
        figure.supxlabel("cost: forward-backward passes of a step, counted, times epochs", fontsize=10)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=8)
    return figure, list(axes)


def radius_sweep(numbers: Numbers) -> tuple[Figure, list[Axes]]:
    """Share of runs with CO, onset and accuracies against rho, with the radius that prediction 1 names."""
    colours = sns.color_palette("colorblind")
    arms = numbers.plan.sweep()
    places = range(len(arms))
    rows = numbers.outcomes.set_index("arm")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 4.4), layout="constrained")
        axes = figure.subplots(1, 2)
        share = [1 - rows.loc[[arm], "escaped"].astype(float).mean() for arm in arms]
        axes[0].plot(places, share, "-o", color=colours[3], label="share of runs with CO")
        onset = [estimate(numbers.of(arm, "onset").to_numpy()).mean for arm in arms]
        axes[0].plot(places, onset, "--s", color=colours[0], label="onset (1: none)")
        axes[0].set(ylabel="share of runs, share of training", ylim=(-0.03, 1.06), title="catastrophic overfitting")
        for arm in arms:
            values = numbers.of(arm)
            place = list(arms).index(arm)
            axes[1].plot([place] * len(values), values, "o", ms=4, color=colours[3], alpha=0.5)
        for column, style, label in ((ROBUST, "-", "robust"), ("pgd-50", ":", "PGD-50 alone")):
            means = [numbers.of(arm, column).mean() for arm in arms]
            axes[1].plot(places, means, style, color=colours[3], label=f"LBT-M, {label}")
        for arm, style, colour in (("fgsm", "-.", 7), ("pgd-3", "--", 0)):
            axes[1].axhline(numbers.of(arm).mean(), ls=style, color=colours[colour], label=f"{arm.upper()}, robust")
        axes[1].set(title="accuracy")
        axes[1].yaxis.set_major_formatter("{x:.0%}")
        for offset, style in ((BEFORE, ":"), (AFTER, "-.")):
            needed = numbers.measured("fgsm", "needed_median", offset=offset).dropna()
            if len(needed):
                predicted = _between(list(arms.values()), float(needed.mean()))
                axes[0].axvline(predicted, color="black", lw=1.2, ls=style)
                axes[0].plot(
                    [], [], color="black", ls=style, label=f"predicted: 1 − t* at {_signed(offset)} iterations"
                )
        for axis in axes:
            axis.set_xticks(places, [f"{rho:g}" for rho in arms.values()])
            axis.set_xlabel("radius ρ of the ball, in units of ε")
            axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return figure, list(axes)


def centre_control(numbers: Numbers) -> tuple[Figure, list[Axes]]:
    """Robust accuracy and onset of CO by the centre of the ball, dots for seeds, lines joining a seed's runs."""
    colours = sns.color_palette("colorblind")
    arms = [arm for arm in CENTRES if arm in numbers.plan.arms()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.subplots(1, 2)
        for axis, column, title in zip(
            axes, (ROBUST, "onset"), ("robust accuracy", "onset of CO, share of training (1: none)"), strict=True
        ):
            wide = pd.DataFrame({arm: numbers.of(arm, column) for arm in arms})
            axis.plot(range(len(arms)), wide.T.to_numpy(), color="grey", lw=0.6, alpha=0.6)
            for place, arm in enumerate(arms):
                colour = colours[3 if arm == "lbt" else 0]
                axis.plot([place] * len(wide), wide[arm], "o", ms=4, color=colour, alpha=0.6)
                axis.plot([place - 0.22, place + 0.22], [wide[arm].mean()] * 2, color=colour, lw=2.4)
            axis.set_xticks(range(len(arms)), [CENTRES[arm] for arm in arms], fontsize=8)
            axis.set_title(title)
        axes[0].yaxis.set_major_formatter("{x:.0%}")
    return figure, list(axes)


def loss_profile(numbers: Numbers) -> tuple[Figure, list[Axes]]:
    """Plain FGSM around its onset: loss along the segment to the FGSM example, and how far back its peak lies."""
    offsets = [offset for offset in OFFSETS if numbers.measured("fgsm", "needed_median", offset=offset).notna().any()]
    shades = sns.color_palette("viridis", len(offsets))
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.9), layout="constrained")
        axes = figure.subplots(1, 2, width_ratios=(1.15, 1))
        for offset, shade in zip(offsets, shades, strict=True):
            means = [numbers.measured("fgsm", "profile", offset=offset, place=t).mean() for t in FRACTIONS]
            axes[0].plot(FRACTIONS, means, "-o", ms=3, color=shade, label=_signed(offset))
        axes[0].set(xlabel="t: 0 at the image, 1 at the FGSM example", title="mean loss at x + t δ")
        axes[0].legend(title="iterations", frameon=False, fontsize=8, title_fontsize=8, ncols=2)
        for statistic, label, style, colour in (
            ("needed_median", "median of 1 − t*", "-o", 3),
            ("needed_mean", "mean of 1 − t*", "--s", 0),
            ("interior_share", "share of samples with t* < 1", ":^", 2),
        ):
            means = [numbers.measured("fgsm", statistic, offset=offset).mean() for offset in offsets]
            axes[1].plot(range(len(offsets)), means, style, ms=4, color=colours[colour], label=label)
        axes[1].set_xticks(range(len(offsets)), [_signed(offset) for offset in offsets])
        axes[1].set(xlabel="iterations since the onset", title="where the peak lies", ylim=(-0.03, 1.06))
        axes[1].legend(frameon=False, fontsize=8)
    return figure, list(axes)


def local_sensitivity(numbers: Numbers) -> tuple[Figure, list[Axes]]:
    """D1: mean KL between x' and random points, and worst points found, of balls of growing radius."""
    colours = sns.color_palette("colorblind")
    kinds = (("kappa_random", "random point"), ("kappa_worst", "worst of 20 steps"))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.7), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for axis, (statistic, title) in zip(axes, kinds, strict=True):
            for arm, (label, marker, colour) in KAPPA_ARMS.items():
                found = [numbers.measured(arm, statistic, place=rho) for rho in RHOS]
                if all(one.isna().all() for one in found):
                    continue
                means = np.array([one.mean() for one in found])
                axis.plot(RHOS, means, "-", marker=marker, ms=5, color=colours[colour], label=label)
            axis.axvline(numbers.plan.rho, color="black", lw=0.8, ls=":")
            axis.set(xscale="log", yscale="log", title=title)
            axis.set_xticks(RHOS, [f"{rho:g}" for rho in RHOS])
            axis.minorticks_off()
        axes[0].set_ylabel("κ: mean KL(p(x′) ‖ p(u)), nats")
        figure.supxlabel("radius ρ of the ball, in units of ε (dotted: trained)", fontsize=10)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=8)
    return figure, list(axes)


def _signed(offset: int) -> str:
    return f"{offset:+d}".replace("-", "−") if offset else "0"


def _between(values: Sequence[float], value: float) -> float:
    """The place of a number on an axis whose ticks are the values, evenly spaced; 0 goes half a tick before them."""
    return float(np.interp(value, [0.0, *values], [-0.5, *range(len(values))]))
