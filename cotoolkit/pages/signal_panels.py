"""Which signals of a run are drawn together, under what name, on what scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from cotoolkit.plotting.timeline import LINES
from cotoolkit.signals import SHARE, SIGNALS

LOG_SCALE_RATIO = 100.0
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
    """A signal's name for people: as it is registered, or its plain name where it is a method's own measure."""
    return SIGNALS[signal].label if signal in SIGNALS else signal.replace("_", " ")


def panels_of(metrics: pd.DataFrame) -> list[Panel]:
    """All signals of a run: probe accuracies first, then registered signals, then others, each by title.

    Args:
        metrics: columns iteration, signal, value (`RunFolder.metrics`).
    """
    finite = metrics[np.isfinite(metrics["value"])]
    series = {str(name): rows[["iteration", "value"]] for name, rows in finite.groupby("signal")}
    probes = {name: series.pop(name) for name in LINES if name in series}
    panels = [Panel("accuracy on the probe's held-out points", probes, share=True, log=False)] if probes else []
    for name in sorted(series, key=lambda name: (name not in SIGNALS, title_of(name).lower())):
        share = name in SIGNALS and SIGNALS[name].unit == SHARE
        log = _is_logarithmic(name, series[name]["value"])
        panels.append(Panel(title_of(name) + (", log scale" if log else ""), {name: series[name]}, share, log))
    return panels


def _is_logarithmic(name: str, values: pd.Series) -> bool:
    """Whether a signal is registered as such, or turns out to be; never where a value is not positive."""
    declared = name in SIGNALS and SIGNALS[name].log
    return bool((values > 0).all() and (declared or values.max() > LOG_SCALE_RATIO * values.median()))
