"""Pictures of accuracies: under every attack, and as attacks grow. Each returns `(figure, axes)`.

Lines differ in marker and dash as well as in colour. Bars and bands are 95 % Wilson intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.diagnosis.measurements import AttackAccuracy
from cotoolkit.diagnosis.schema import Diagnosis
from cotoolkit.diagnosis.shares import Rate
from cotoolkit.plotting.style import STYLE

COLOURS = sns.color_palette("colorblind")
WIDTH = 5.2
"""Inches, of every picture of the page: so narrow that a telephone shows them whole."""

LETTERS = 9.5
"""Points of the smallest letters: so large that they are 9 pixels high on a telephone."""

PERCENT = "{x:.0%}"
"""How axes of accuracies are written."""

LOOKS = {
    "clean": ("o", ":", COLOURS[7]),
    "fgsm": ("s", "--", COLOURS[1]),
    "pgd": ("D", "-", COLOURS[0]),
    "worst": ("X", "-.", "black"),
}
"""Marker, dash and colour."""


def attacks_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Accuracy under each attack at epsilon, a row each, and the floor below which a network is not robust."""
    found = diagnosis.measurements
    fgsm = found.fgsm_at(1, diagnosis.protocol.epsilon)
    rows: list[tuple[str, Rate, str]] = [
        ("no attack", found.clean.accuracy, "clean"),
        ("FGSM", fgsm.accuracy, "fgsm"),
        *((f"PGD-{one.steps}, last iterate", one.accuracy, "pgd") for one in found.pgd_steps if one.steps in (2, 3)),
        (_title(found.pgd), found.pgd.accuracy, "pgd"),
        (f"PGD until converged, {found.convergence.steps[-1]} steps", found.convergence.accuracy[-1], "pgd"),
        *((_title(attack), attack.accuracy, "pgd") for attack in found.strong),
        *((f"then {_title(attack)}", attack.accuracy, "worst") for attack in found.last),
    ]
    if found.autoattack is not None:
        rows.append((f"then AutoAttack ({found.autoattack.version})", found.autoattack.accuracy, "worst"))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 0.34 * len(rows) + 1.0), layout="constrained")
        axis = figure.subplots()
        for row, (_, rate, kind) in enumerate(rows):
            marker, _, colour = LOOKS[kind]
            axis.plot([rate.low, rate.high], [row, row], color=colour, lw=2)
            axis.plot(rate.value, row, marker, color=colour, ms=7)
            axis.text(1.07, row, f"{rate.value:.1%}  of {rate.points}", va="center", fontsize=LETTERS)
        axis.axvline(diagnosis.verdict.floor, color="0.3", ls=":", lw=1.4)
        axis.text(diagnosis.verdict.floor, -0.75, " robust from here", fontsize=LETTERS, color="0.3", va="center")
        axis.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -1.1), xlabel="points classified correctly")
        axis.xaxis.set_major_formatter(PERCENT)
        axis.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure, [axis]


def radius_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Accuracy against the radius, in units of epsilon, for FGSM and for PGD."""
    found, epsilon = diagnosis.measurements, diagnosis.protocol.epsilon
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axis = figure.subplots()
        for kind, clean, attacks in (("fgsm", found.clean, found.fgsm), ("pgd", found.few_clean, found.pgd_radii)):
            name = "FGSM" if kind == "fgsm" else _title(attacks[0])
            label = f"{name}, {attacks[0].accuracy.points} points"
            rates = [clean.accuracy, *(attack.accuracy for attack in attacks)]
            _band(axis, [0, *(attack.epsilon / epsilon for attack in attacks)], rates, kind, label)
        axis.axvline(1, color="0.5", lw=1)
        axis.text(1, 1.03, "epsilon", ha="center", fontsize=LETTERS, color="0.3")
        axis.set(xlabel="radius, in units of epsilon", ylabel="accuracy", ylim=(-0.02, 1.02))
        axis.yaxis.set_major_formatter(PERCENT)
        legend_above(figure, axis)
    return figure, [axis]


def steps_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Accuracy at epsilon against the number of PGD steps, of PGD anew for each number and of one that goes on."""
    attacks, run = diagnosis.measurements.pgd_steps, diagnosis.measurements.convergence
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        axis = figure.subplots()
        own = [attack.steps for attack in attacks]
        few = attacks[0].accuracy.points
        _band(axis, own, [attack.accuracy for attack in attacks], "pgd", f"PGD, last iterate, {few} points")
        _band(axis, run.steps, run.accuracy, "worst", "one PGD going on, all iterates")
        steps = sorted({*own, *run.steps})
        axis.set_xscale("log")
        axis.set_xticks(steps, [str(step) for step in steps])
        axis.minorticks_off()
        axis.set(xlabel="gradient steps", ylabel="accuracy", ylim=(-0.02, 1.02))
        axis.yaxis.set_major_formatter(PERCENT)
        legend_above(figure, axis)
    return figure, [axis]


def duels_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Points that only one of two attacks fools, for each attack that checks PGD."""
    duels = diagnosis.measurements.duels
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 0.5 * len(duels) + 1.2), layout="constrained")
        axis = figure.subplots()
        rows = np.arange(len(duels))
        champion = np.array([duel.only_champion for duel in duels])
        challenger = np.array([duel.only_challenger for duel in duels])
        axis.barh(rows, -champion, color="white", edgecolor=LOOKS["pgd"][2], hatch="///", label="PGD alone")
        axis.barh(rows, challenger, color=LOOKS["fgsm"][2], edgecolor="black", label="the other attack alone")
        reach = 1.15 * max(champion.max(), challenger.max(), 1)
        for row, (left, right) in enumerate(zip(champion, challenger, strict=True)):
            axis.text(-left - 0.02 * reach, row, str(left), ha="right", va="center", fontsize=LETTERS)
            axis.text(right + 0.02 * reach, row, str(right), ha="left", va="center", fontsize=LETTERS)
        axis.axvline(0, color="black", lw=1)
        axis.set(xlim=(-reach, reach), ylim=(len(duels) - 0.4, -0.6))
        axis.set_xlabel(f"points that only one of the two fools, of {diagnosis.measurements.worst.points}")
        titles = {attack.name: _title(attack) for attack in diagnosis.measurements.strong}
        axis.set_yticks(rows, [titles[duel.challenger] for duel in duels])
        axis.set_xticks([])
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=LETTERS)
    return figure, [axis]


def classes_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Clean, FGSM and PGD accuracy of every class."""
    rows = diagnosis.measurements.per_class
    labels = [row.label for row in rows]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        axis = figure.subplots()
        places = np.arange(len(rows))
        for shift, (kind, name) in enumerate((("clean", "clean"), ("fgsm", "FGSM"), ("pgd", "PGD"))):
            marker, _, colour = LOOKS[kind]
            rates = [getattr(row, kind) for row in rows]
            values = np.array([rate.value for rate in rates])
            spread = np.array([[rate.value - rate.low for rate in rates], [rate.high - rate.value for rate in rates]])
            axis.errorbar(
                places + 0.18 * (shift - 1), values, spread.clip(0), fmt=marker, color=colour, ms=5, lw=1, label=name
            )
        step = max(1, len(rows) // 20)
        axis.set_xticks(places[::step], [str(label) for label in labels[::step]])
        axis.set(xlabel="class", ylabel="accuracy", ylim=(-0.02, 1.02))
        axis.yaxis.set_major_formatter(PERCENT)
        axis.grid(axis="x", visible=False)
        legend_above(figure, axis)
    return figure, [axis]


def legend_above(figure: Figure, axis: Axes) -> None:
    """Above the axes, where it covers no curve."""
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=LETTERS
    )


def _band(axis: Axes, places: Sequence[float], rates: Sequence[Rate], kind: str, label: str) -> None:
    marker, dash, colour = LOOKS[kind]
    axis.fill_between(places, [r.low for r in rates], [r.high for r in rates], color=colour, alpha=0.18, lw=0)
    axis.plot(places, [r.value for r in rates], marker=marker, ls=dash, color=colour, ms=5, label=label)


def _title(attack: AttackAccuracy) -> str:
    """What people call an attack."""
    kinds = {
        "multi-step": f"PGD, {attack.steps} steps",
        "margin": f"PGD on the margin, {attack.steps} steps",
        "smoothed": f"smoothed PGD, {attack.steps} steps",
        "black-box": f"Square, {attack.steps} queries",
        "targeted": f"PGD on {attack.restarts} classes, {attack.steps} steps",
    }
    restarts = f", {attack.restarts} starts" if attack.restarts > 1 and attack.family != "targeted" else ""
    return kinds.get(attack.family, attack.name) + restarts
