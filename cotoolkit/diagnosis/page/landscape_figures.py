"""Pictures of the loss around the images, and of the perturbations. Each returns `(figure, axes)`."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from cotoolkit.diagnosis import thresholds
from cotoolkit.diagnosis.page.accuracy_figures import COLOURS, LETTERS, LOOKS, PERCENT, WIDTH
from cotoolkit.diagnosis.schema import Diagnosis
from cotoolkit.plotting.style import STYLE

COSINES = {
    "gradient_alignment": "gradients at x and nearby",
    "pert_align": "gradients at x and at its FGSM example",
    "perturbation_alignment": "FGSM and PGD perturbation",
}
"""Signals that are cosines, and of what."""


def segment_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Accuracy and loss on the way from the images through their FGSM examples and as far again."""
    between = diagnosis.measurements.segment
    marker, dash, colour = LOOKS["fgsm"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        upper.plot(between.fractions, between.accuracy, marker=marker, ls=dash, color=colour, ms=3.5)
        upper.set(ylabel="accuracy", ylim=(-0.02, 1.02))
        upper.yaxis.set_major_formatter(PERCENT)
        low, middle, high = (
            np.array([np.nan if value is None else value for value in values])
            for values in (between.lower_loss, between.median_loss, between.upper_loss)
        )
        lower.fill_between(
            between.fractions, low, high, color=colour, alpha=0.2, lw=0, label="middle half of the points"
        )
        lower.plot(between.fractions, middle, marker=marker, ls=dash, color=colour, ms=3.5, label="median")
        lower.set(ylabel="loss", xlabel="fraction of the FGSM perturbation")
        figure.legend(
            *lower.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=LETTERS
        )
        for axis in (upper, lower):
            axis.axvline(1, color="0.5", lw=1)
        upper.text(1, 1.05, "FGSM example", ha="center", fontsize=LETTERS, color="0.3")
    return figure, [upper, lower]


def surface_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Median loss and accuracy on the plane of the FGSM direction and a random one, with contours."""
    surface = diagnosis.measurements.surface
    loss = np.array([[np.nan if value is None else value for value in row] for row in surface.loss])
    panels = {"median loss": loss, "accuracy": np.array(surface.accuracy)}
    edges = [_outer(places) for places in (surface.along, surface.across)]
    outline = [withStroke(linewidth=2, foreground="black")]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        axes = list(figure.subplots(1, 2, sharey=True))
        for axis, (title, values) in zip(axes, panels.items(), strict=True):
            top = 1.0 if title == "accuracy" else None
            drawn = axis.imshow(
                values, origin="lower", aspect="auto", extent=(*edges[0], *edges[1]), cmap="viridis", vmin=0, vmax=top
            )
            finite = values[np.isfinite(values)]
            if finite.size and finite.max() > finite.min():
                axis.contour(surface.along, surface.across, values, levels=4, colors="white", linewidths=0.9)
            axis.plot([0, 1], [0, 0], marker="o", color="white", mec="black", ms=6, lw=0)
            for place, name in ((0, "x"), (1, "FGSM")):
                axis.text(
                    place + 0.03, 0.1, name, color="white", fontsize=LETTERS, fontweight="bold", path_effects=outline
                )
            axis.set_title(title)
            figure.colorbar(drawn, ax=axis, shrink=0.9, format=PERCENT if title == "accuracy" else None)
        axes[0].set_ylabel("random signs, in epsilon")
        figure.supxlabel("fraction of the FGSM perturbation", fontsize=10)
    return figure, axes


def spectrum_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Where in frequency the perturbations have their energy, by shells of the DCT."""
    spectrum = diagnosis.measurements.spectrum
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        axis = figure.subplots()
        for kind, name, shares in (("fgsm", "FGSM", spectrum.fgsm), ("pgd", "PGD-10", spectrum.pgd)):
            marker, dash, colour = LOOKS[kind]
            if shares is not None:
                axis.plot(shares, marker=marker, ls=dash, color=colour, ms=4, label=name)
        axis.plot(spectrum.noise, ":", color="0.4", label="random signs")
        axis.set(xlabel="DCT frequency shell, from low to high", ylabel="share of energy", ylim=(0, None))
        axis.yaxis.set_major_formatter(PERCENT)
        figure.legend(
            *axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=LETTERS
        )
    return figure, [axis]


def cosines_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Mean cosines of gradients and perturbations, with their intervals, and where they count as low or high."""
    found = [(COSINES[one.name], one.mean) for one in diagnosis.measurements.signals if one.name in COSINES]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 0.4 * len(found) + 1.2), layout="constrained")
        axis = figure.subplots()
        axis.axvspan(-1, thresholds.UNALIGNED, color=COLOURS[3], alpha=0.10, lw=0)
        axis.axvspan(thresholds.ALIGNED, 1, color=COLOURS[2], alpha=0.12, lw=0)
        least = -0.1
        for row, (_, mean) in enumerate(found):
            if mean is None:
                axis.text(0, row, "no gradient on any point", va="center", fontsize=LETTERS)
                continue
            least = min(least, mean.low - 0.05)
            axis.plot([mean.low, mean.high], [row, row], color="black", lw=2)
            axis.plot(mean.value, row, "D", color="black", ms=6)
            axis.text(1.03, row, f"{mean.value:.2f}", va="center", fontsize=LETTERS)
        axis.text(thresholds.UNALIGNED - 0.01, -0.7, "unrelated", ha="right", va="center", fontsize=LETTERS)
        axis.text(thresholds.ALIGNED + 0.01, -0.7, "agree", ha="left", va="center", fontsize=LETTERS)
        axis.set(xlim=(max(least, -1), 1), ylim=(len(found) - 0.4, -1.0), xlabel="mean cosine")
        axis.set_yticks(range(len(found)), [name for name, _ in found])
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure, [axis]


def _outer(places: tuple[float, ...]) -> tuple[float, float]:
    """Edges of a row of cells centred at evenly spaced places."""
    half = (places[1] - places[0]) / 2
    return places[0] - half, places[-1] + half
