"""A claim about one number, and what the seeds say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from analyses.core.judging.seed_measures import LEAST_SEEDS, SeedMean, SeedMeasure
from analyses.core.judging.words import JUDGED, UNMET, WORDS, Verdict
from analyses.core.statistics import Estimate, holm, slope

if TYPE_CHECKING:
    import pandas as pd


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
        unjudged: why it is shown and never judged: what makes it no test; empty where it is one.
    """

    key: str
    statement: str
    measure: str
    side: Literal["above", "below"]
    threshold: float
    null: float
    source: str = ""
    unjudged: str = ""

    @property
    def expected(self) -> str:
        """What is claimed of the number, such as "above 0.5"."""
        return f"{self.side} {self.threshold:g}"


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
        values: what it was decided on: per seed, by the name of the sample (`SeedMeasure.samples`).
        trend: change of the measure per doubling of the size, if sizes were compared.
        premises: what must hold before the claim means anything, judged.
    """

    claim: Claim
    found: Estimate
    verdict: Verdict
    effect: float
    p: float
    by: str
    values: Mapping[str, tuple[float, ...]]
    trend: Estimate | None = None
    premises: tuple[ClaimResult, ...] = ()

    @property
    def established(self) -> bool:
        """Whether others may rest on it."""
        return self.verdict in ("holds", "fact")

    @property
    def words(self) -> str:
        """The verdict as pages say it."""
        return WORDS[self.verdict]

    @property
    def premise(self) -> str:
        """The first premise that is not established, and how far it is from that; empty if all are."""
        for one in self.premises:
            if not one.established:
                how = UNMET.get(one.verdict, "").format(seeds=one.found.n)
                said = f'"{one.claim.statement}" {how} ({one.found}, expected {one.claim.expected})'
                return one.premise or said
        return ""

    def behind(self, premises: Sequence[ClaimResult]) -> ClaimResult:
        """The same behind premises: untestable, or just shown, after the first that is not established."""
        first = next((one for one in premises if not one.established), None)
        shown = bool(self.claim.unjudged) or (first is not None and first.verdict == "shown")
        verdict: Verdict = "shown" if shown else self.verdict if first is None else "untestable"
        return replace(self, verdict=verdict, premises=tuple(premises))

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
        claim=claim,
        found=found,
        verdict=_verdict(claim, measure),
        effect=found.mean - claim.null,
        p=measure.p(claim.threshold),
        by=measure.by,
        values=measure.samples,
        trend=trend,
    )


def verdict_table(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row per claim: the statement, the number with its interval, the threshold, the verdict and the trend.

    `holm_p` adjusts the p values for asking all claims that were judged, and is missing for others.
    """
    import pandas as pd

    results = list(results)
    adjusted = holm([result.p if result.verdict in JUDGED else np.nan for result in results])
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
            "expected": result.claim.expected,
            "effect": result.effect,
            "p": result.p,
            "by": result.by,
            "holm_p": holm_p,
            "trend_per_doubling": np.nan if result.trend is None else result.trend.mean,
            "trend_low": np.nan if result.trend is None else result.trend.low,
            "trend_high": np.nan if result.trend is None else result.trend.high,
            "heading": result.heading,
            "premise": result.claim.unjudged or result.premise,
            "source": result.claim.source,
        }
        for result, holm_p in zip(results, adjusted, strict=True)
    )


def _verdict(claim: Claim, measure: SeedMeasure) -> Verdict:
    if claim.unjudged or measure.found.n < LEAST_SEEDS or not measure.reaches(claim.side, claim.threshold):
        return "shown"
    side = measure.side(claim.threshold)
    if side is None:
        return "undecided"
    if side != claim.side:
        return "fails"
    return "fact" if isinstance(measure, SeedMean) and measure.constant else "holds"
