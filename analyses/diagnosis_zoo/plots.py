"""The picture of the benchmark: what each network is said to withstand, against AutoAttack."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.plotting.style import BLUE, ORANGE, STYLE


def accuracies(table: pd.DataFrame) -> tuple[Figure, Axes]:
    """Accuracy of each network by PGD alone, by all attacks of the diagnosis, and by AutoAttack, with its verdict.

    Args:
        table: of `scoring.scores`, one budget, one row per network.

    Returns:
        The figure and its axes.
    """
    rows = table.iloc[::-1].reset_index(drop=True)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(9.5, 0.3 * len(rows) + 1.4), layout="constrained")
        axis = figure.subplots()
        heights = np.arange(len(rows))
        axis.hlines(heights, rows["autoattack"], rows["pgd"], color="0.85", lw=3)
        axis.plot(rows["fgsm"], heights, "x", color="0.55", ms=6, label="FGSM")
        axis.plot(rows["pgd"], heights, "D", color=ORANGE, ms=5, label="its strongest PGD alone")
        axis.plot(
            rows["ours"], heights, "o", color=BLUE, ms=8, mfc="none", mew=1.8, label="all attacks of the diagnosis"
        )
        axis.plot(rows["autoattack"], heights, "|", color="black", ms=12, mew=2.2, label="AutoAttack, the truth")
        for height, row in enumerate(rows.to_dict("records")):
            wrong = "" if row["right"] else "  (wrong)"
            axis.text(1.03, height, f"{row['verdict']}, {row['confidence']}{wrong}", va="center", fontsize=9)
        axis.set_yticks(heights, rows["network"])
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.7, len(rows) - 0.3), xlabel="points classified correctly")
        axis.xaxis.set_major_formatter("{x:.0%}")
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure, axis
