"""Which signals of a run are drawn together, under what name, on what scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from cotoolkit.plotting.timeline import LINES

TITLES = {
    "gradient_alignment": "gradient alignment (cosine)",
    "train_loss": "training loss",
    "train_accuracy": "accuracy on the training batch",
    "abnormal_example": "abnormal examples (share of the batch)",
    "pert_align": "PertAlign (cosine)",
    "linearity": "linearity λ",
    "gradient_norm": "input gradient (l2 norm)",
    "perturbation_norm": "perturbation (l2 norm)",
}
"""Names for people, in the order of the panels; signals without one come after these, by name."""

SHARES = ("train_accuracy", "abnormal_example")
"""Signals with values in [0, 1]."""

WIDE = 100.0
"""A positive signal whose greatest value is this many times its median is drawn on a logarithmic axis (ours)."""


class Panel(NamedTuple):
    """Signals that share an axis.

    Attributes:
        title: name for people.
        series: iteration and value columns by signal name; finite values only, by iteration.
        share: values are shares, so the axis runs from 0 to 1.
        log: the axis is logarithmic.
    """

    title: str
    series: dict[str, pd.DataFrame]
    share: bool
    log: bool


def title_of(signal: str) -> str:
    """A signal's name for people."""
    return TITLES.get(signal, signal.replace("_", " "))


def panels_of(metrics: pd.DataFrame) -> list[Panel]:
    """All signals of a run: probe accuracies in the first panel, then a panel for each other signal.

    Args:
        metrics: columns iteration, signal, value (`RunFolder.metrics`).
    """
    finite = metrics[np.isfinite(metrics["value"])]
    series = {str(name): rows[["iteration", "value"]] for name, rows in finite.groupby("signal")}
    probes = {name: series.pop(name) for name in LINES if name in series}
    panels = [Panel("accuracy on the probe's held-out points", probes, share=True, log=False)] if probes else []
    order = [*(name for name in TITLES if name in series), *sorted(set(series) - set(TITLES))]
    for name in order:
        log = _is_wide(series[name]["value"])
        title = title_of(name) + (", log scale" if log else "")
        panels.append(Panel(title, {name: series[name]}, name in SHARES, log))
    return panels


def _is_wide(values: pd.Series) -> bool:
    return bool((values > 0).all() and values.max() > WIDE * values.median())
