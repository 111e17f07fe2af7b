"""A claim about one number, and what the seeds say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from analyses.core.judging.seed_measures import SeedMean, SeedMeasure
from analyses.core.statistics import Estimate, holm, slope

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["holds", "fails", "undecided", "untestable", "fact", "shown"]
"""What the seeds say of a claim.

- `holds`, `fails`: the number lies on the claimed side of the threshold, or on the other, by the interval or test that
  its kind calls for (`seed_measures`).
- `undecided`: neither.
- `untestable`: a premise of the claim does not hold, so that the number says nothing.
- `fact`: the number is the same for every seed, on the claimed side: nothing that could have come out otherwise. Where
  two groups are compared by a test, seeds that agree are evidence, and the claim holds.
- `shown`: fewer than `LEAST_SEEDS` seeds, which are shown and not judged.
"""

LEAST_SEEDS = 5
"""Seeds from which on a claim is judged."""


@dataclass(frozen=True)
class Claim:
    """A statement about one number.

    Attributes:
        key: short name, for tables.
        statement: what is claimed, for people.
        measure: what the number is, with its unit.
        side: whether the number should lie above or below the threshold.
        threshold: from where on the claim counts as seen.
        null: the number where there is no effect; the effect size is counted from it.
        source: where the claim comes from, and how sure that is (the tags of the specs).
    """

    key: str
    statement: str
    measure: str
    side: Literal["above", "below"]
    threshold: float
    null: float
    source: str = ""


@dataclass(frozen=True)
class ClaimResult:
    """What the seeds say of a claim.

    Attributes:
        claim: the claim.
        found: the number over seeds with its 95 % interval.
        verdict: see `Verdict`.
        effect: the number minus the null, in the measure's unit.
        p: two-sided, that the number is the threshold.
        by: the interval or test that decided.
        trend: change of the measure per doubling of the size, if sizes were compared.
        premise: the one that does not hold, with what was found, where the claim is untestable.
    """

    claim: Claim
    found: Estimate
    verdict: Verdict
    effect: float
    p: float
    by: str
    trend: Estimate | None = None
    premise: str = ""

    @property
    def heading(self) -> str:
        """Where the trend points: "towards the claim", "away from it", or "flat" where its interval holds 0."""
        if self.trend is None or not np.isfinite(self.trend.low):
            return "unknown"
        if self.trend.low <= 0 <= self.trend.high:
            return "flat"
        return "towards the claim" if (self.trend.mean > 0) == (self.claim.side == "above") else "away from it"


def check(
    claim: Claim, values: ArrayLike | SeedMeasure, by_size: Mapping[int, Sequence[float]] | None = None
) -> ClaimResult:
    """Judge a claim.

    Args:
        claim: the claim.
        values: the measure; numbers, one per seed, are averaged.
        by_size: the same at several sizes, for the trend.

    Returns:
        The result, without regard to premises.
    """
    measure: SeedMeasure = values if hasattr(values, "side") else SeedMean(values)  # type: ignore[assignment]
    found, trend = measure.found, None
    if by_size is not None:
        doublings = [np.log2(size) for size, row in by_size.items() for _ in row]
        trend = slope(doublings, [value for row in by_size.values() for value in row])
    return ClaimResult(
        claim, found, _verdict(claim, measure), found.mean - claim.null, measure.p(claim.threshold), measure.by, trend
    )


def verdict_table(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row per claim: the statement, the number with its interval, the threshold, the verdict and the trend.

    `holm_p` adjusts the p values for asking all claims of the table.
    """
    import pandas as pd

    results = list(results)
    adjusted = holm([result.p for result in results])
    return pd.DataFrame(
        {
            "claim": result.claim.key,
            "statement": result.claim.statement,
            "verdict": result.verdict,
            "measure": result.claim.measure,
            "mean": result.found.mean,
            "low": result.found.low,
            "high": result.found.high,
            "seeds": result.found.n,
            "expected": f"{result.claim.side} {result.claim.threshold:g}",
            "effect": result.effect,
            "p": result.p,
            "by": result.by,
            "holm_p": holm_p,
            "trend_per_doubling": np.nan if result.trend is None else result.trend.mean,
            "trend_low": np.nan if result.trend is None else result.trend.low,
            "trend_high": np.nan if result.trend is None else result.trend.high,
            "heading": result.heading,
            "premise": result.premise,
            "source": result.claim.source,
        }
        for result, holm_p in zip(results, adjusted, strict=True)
    )


def _verdict(claim: Claim, measure: SeedMeasure) -> Verdict:
    found = measure.found
    if found.n < LEAST_SEEDS:
        return "shown"
    side = measure.side(claim.threshold)
    if side is None:
        return "undecided"
    if side != claim.side:
        return "fails"
    return "fact" if isinstance(measure, SeedMean) and found.low == found.high else "holds"
