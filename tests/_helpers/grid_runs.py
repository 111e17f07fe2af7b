"""A made table of a grid of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analyses.core.claims import ClaimTable

SEEDS = 8


def grid_runs(
    columns: Sequence[str],
    cells: Mapping[tuple[str | float, ...], tuple[float, int]],
    *,
    scale: str = "smoke",
    **further: float,
) -> pd.DataFrame:
    """Runs of `SEEDS` seeds: per cell the robust accuracy, of which seeds differ a little, and how many seeds broke.

    Runs that broke end at robust accuracy 0, and broke at iteration 300 + the seed.
    """
    rows: list[dict[str, str | float]] = []
    for cell, (robust, broke) in cells.items():
        for seed in range(SEEDS):
            row: dict[str, str | float] = {"seed": seed, "fgsm": 0.9, "clean": 0.9 + 0.001 * seed}
            row["robust"] = 0.0 if seed < broke else robust + 0.001 * seed
            row["breakpoint"] = 300.0 + seed if seed < broke else float("nan")
            rows.append({**row, **further, **dict(zip(columns, cell, strict=True))})
    return pd.DataFrame(rows).assign(scale=scale)


def verdicts(claims: ClaimTable[Any], data: pd.DataFrame) -> dict[str, str]:
    """Verdicts by key."""
    return {result.claim.key: result.verdict for result in claims(data)}
