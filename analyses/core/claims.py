"""Claims that a machine checks: a number per seed, a threshold, and a verdict from the confidence interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from analyses.core.statistics import Estimate, estimate, holm, paired_p, slope

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["holds", "fails", "undecided"]


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
        found: mean over seeds with its 95 % interval.
        verdict: "holds" or "fails" where the whole interval lies on one side of the threshold, else "undecided"; so
            always with fewer than three values.
        effect: mean less the null, in the measure's unit.
        standardised: the effect in standard deviations over seeds (Cohen's d); infinite where seeds agree exactly.
        p: two-sided, of a t test that the mean is the threshold.
        trend: change of the measure per doubling of the size, if sizes were compared.
    """

    claim: Claim
    found: Estimate
    verdict: Verdict
    effect: float
    standardised: float
    p: float
    trend: Estimate | None = None

    @property
    def heading(self) -> str:
        """Where the trend points: "towards the claim", "away from it", or "flat" where its interval holds 0."""
        if self.trend is None or not np.isfinite(self.trend.low):
            return "unknown"
        if self.trend.low <= 0 <= self.trend.high:
            return "flat"
        return "towards the claim" if (self.trend.mean > 0) == (self.claim.side == "above") else "away from it"


def check(claim: Claim, values: ArrayLike, by_size: Mapping[int, Sequence[float]] | None = None) -> ClaimResult:
    """Judge a claim.

    Args:
        claim: the claim.
        values: the measure, one number per seed.
        by_size: the same at several sizes, for the trend.
    """
    found = estimate(values)
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    effect = found.mean - claim.null
    spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        standardised = float(np.divide(effect, spread))
    trend = None
    if by_size is not None:
        doublings = [np.log2(size) for size, row in by_size.items() for _ in row]
        trend = slope(doublings, [value for row in by_size.values() for value in row])
    return ClaimResult(
        claim, found, _verdict(claim, found), effect, standardised, paired_p(known, claim.threshold), trend
    )


def claim_table(results: Iterable[ClaimResult]) -> pd.DataFrame:
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
            "standardised_effect": result.standardised,
            "p": result.p,
            "holm_p": holm_p,
            "trend_per_doubling": np.nan if result.trend is None else result.trend.mean,
            "trend_low": np.nan if result.trend is None else result.trend.low,
            "trend_high": np.nan if result.trend is None else result.trend.high,
            "heading": result.heading,
            "source": result.claim.source,
        }
        for result, holm_p in zip(results, adjusted, strict=True)
    )


def _verdict(claim: Claim, found: Estimate) -> Verdict:
    if found.n < 3 or not np.isfinite(found.low):
        return "undecided"
    above, below = found.low > claim.threshold, found.high < claim.threshold
    if above or below:
        return "holds" if above == (claim.side == "above") else "fails"
    return "undecided"
