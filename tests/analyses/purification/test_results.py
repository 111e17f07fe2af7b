"""What the claims across settings and moments read, by hand."""

import numpy as np
import pandas as pd
import pytest

from analyses.purification.results import TheoryResults
from analyses.purification.tables import TheoryTables


def results_of(cells, course=None):
    """Results where all that is known is (d, k, seed) -> {(stage, statistic): value}, and maybe a time course."""
    scalars = pd.DataFrame(
        {
            "setting": f"{d}-{k}",
            "role": "size" if k > 5 else "grid",
            "d": d,
            "k": k,
            "seed": seed,
            "stage": stage,
            "statistic": statistic,
            "value": value,
        }
        for (d, k, seed), numbers in cells.items()
        for (stage, statistic), value in numbers.items()
    )
    return TheoryResults(TheoryTables(scalars, *[pd.DataFrame()] * 3, pd.DataFrame() if course is None else course))


def test_the_slope_is_that_of_the_power_law():
    cells = {
        (d, k, seed): {("clean", "epsilon"): (1 + seed) * (k / d) ** 1.5}
        for d, k in ((64, 4), (64, 7), (144, 10))
        for seed in (0, 1)
    }
    assert results_of(cells).slope_errors() == pytest.approx([0.5, 0.5])


def test_radii_by_hand():
    numbers = {
        ("clean", "epsilon_all"): 0.05,
        ("clean", "half_radius"): 0.1,
        ("fgm", "epsilon_all"): 0.01,
        ("fgm", "half_radius"): 0.2,
    }
    # sqrt(k d) = 30: predicted (1 + 0.3) / (1 + 1.5) = 0.52, measured 0.5
    assert results_of({(100, 9, 0): numbers}).radius_errors() == {100: pytest.approx([1 - 0.5 / 0.52])}


def test_the_window_compares_the_smallest_k_with_the_best():
    gains = {3: 0.01, 6: 0.05, 9: 0.1, 14: 0.08}
    cells = {(100, k, 0): {("clean", "accuracy_pgd"): 0.7, ("fgm", "accuracy_pgd"): 0.7 + gains[k]} for k in gains}
    results = results_of(cells)
    assert results.smallest_k_gains() == pytest.approx([0.1])
    assert results.comparisons() == {"grid", "window"}
    few = results_of({cell: numbers for cell, numbers in cells.items() if cell[1] > 3})
    assert few.comparisons() == {"grid"}


def test_the_lag_is_between_half_times():
    steps = np.arange(11)
    rows = []
    for step in steps:
        rows.append((step, "mixture", 1 - min(step / 4, 1)))  # half gone at 2
        rows.append((step, "pgd", 0.5 + 0.1 * (step >= 5)))  # half risen at 5
    course = pd.DataFrame(rows, columns=["step", "statistic", "value"]).assign(seed=0, phase="fgm", role="size", d=16)
    assert results_of({(16, 4, 0): {("clean", "epsilon"): 0.1}}, course).lags() == {16: pytest.approx([-0.3])}
