"""The theory's predictions P1-P16 as claims on one number per seed, and their judgement over sizes.

Source tags: [S] stated in texts of the paper that could be read, [R-*] recalled, [D] derived here. The theorems are
asymptotic and give directions, not levels: every THRESHOLD IS OURS [M], set from the direction, for the reason that the
claim's source gives, and not moved to make a claim pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.claims import Claim, ClaimResult, check
from analyses.purification.tables import Tables
from cotoolkit.core.errors import ConfigError

Values = NDArray[np.float64]

Look = Callable[[str, str], Values]
"""Stage and statistic -> one number per seed of a setting; KeyError where the setting has none."""

Measure = Callable[[Look], Values]


@dataclass(frozen=True)
class Prediction:
    """A claim, and how its number is got from the scalars of one setting."""

    claim: Claim
    measure: Measure


class Predictions(list[Prediction]):
    """A list that grows by decorated measures."""

    def add(self, claim: Claim) -> Callable[[Measure], Measure]:
        """Append the decorated measure with its claim."""

        def append(value: Measure) -> Measure:
            self.append(Prediction(claim, value))
            return value

        return append


def make_claim(
    key: str,
    statement: str,
    measure: str,
    side: Literal["above", "below"],
    threshold: float,
    null: float,
    tag: str,
    why: str,
) -> Claim:
    """A claim whose source tells what is the paper's and what is ours."""
    source = f"Allen-Zhu & Li, arXiv 2005.10190 [{tag}]; threshold ours: {why}"
    return Claim(key, statement, measure, side, threshold, null, source)


def share(part: Values, whole: Values) -> Values:
    """How much of a whole; nan, which `check` leaves out, for seeds where there is no whole to take a share of."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def judge(tables: Tables) -> list[ClaimResult]:
    """Check every prediction at the largest size that has its numbers, with the trend over all sizes that have them.

    Args:
        tables: of an experiment.

    Raises:
        ConfigError: a table without a size that has all stages.
    """
    from analyses.purification.predicted_clean import CLEAN
    from analyses.purification.predicted_purified import PURIFIED
    from analyses.purification.predicted_scaling import judge_scaling

    sizes = tables.scalars[tables.scalars["role"] == "size"]
    looks = {d: _look(sizes[sizes["d"] == d]) for d in sorted(set(sizes["d"].tolist()))}
    results = []
    for prediction in [*CLEAN, *PURIFIED]:
        by_size = {}
        for d, look in looks.items():
            try:
                by_size[d] = prediction.measure(look)
            except KeyError:
                continue  # a setting without controls
        if not by_size:
            raise ConfigError(f"no setting has the numbers of {prediction.claim.key}; run a whole scale")
        results.append(check(prediction.claim, by_size[max(by_size)], {d: list(row) for d, row in by_size.items()}))
    return [*results, *judge_scaling(tables)]


def _look(rows: pd.DataFrame) -> Look:
    indexed = rows.sort_values("seed").set_index(["stage", "statistic"]).sort_index(kind="stable")["value"]

    def look(stage: str, statistic: str) -> Values:
        return indexed.loc[[(stage, statistic)]].to_numpy(dtype=float)

    return look
