"""Claims that a machine checks: a number per seed, a threshold, and a verdict from the confidence interval.

What a figure or a study claims is a `ClaimTable`: its rows are data, written with `claim`, four or five lines each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from analyses.core.statistics import Estimate, estimate, holm, paired_p, slope

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["holds", "fails", "undecided"]

N = TypeVar("N")
"""What the numbers of a table of claims are read from: a data frame, or a reader of several."""

Measured = ArrayLike | Mapping[int, Sequence[float]]
"""One number per seed, or that by size."""


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


@dataclass(frozen=True)
class ClaimRow(Generic[N]):
    """A claim, and where its number comes from.

    Attributes:
        claim: the claim.
        value: its measure, one number per seed; nan for a seed without one. If sizes are compared, that by size: the
            largest is judged, with the trend over all.
        needs: the arms whose runs it compares; without one of them it is not asked.
    """

    claim: Claim
    value: Callable[[N], Measured]
    needs: frozenset[str] = frozenset()


def claim(
    key: str,
    statement: str,
    measure: str,
    *,
    value: Callable[[N], Measured],
    above: float | None = None,
    below: float | None = None,
    null: float = 0.0,
    source: str = "",
    needs: Collection[str] = (),
) -> ClaimRow[N]:
    """A row of a table of claims; `Claim` and `ClaimRow` explain the fields.

    Args:
        above: threshold that the number should exceed; this or `below` is given.
        below: threshold that it should stay under.

    Raises:
        ValueError: both or none of `above` and `below`.
    """
    if (above is None) == (below is None):
        raise ValueError(f"claim {key!r} needs either above= or below=")
    side: Literal["above", "below"] = "below" if above is None else "above"
    threshold = below if above is None else above
    assert threshold is not None
    return ClaimRow(Claim(key, statement, measure, side, threshold, null, source), value, frozenset(needs))


@dataclass(frozen=True)
class ClaimTable(Generic[N]):
    """Claims about one thing, in the order in which they are shown. Calling it judges them.

    Attributes:
        rows: of the table.
        read: from the stored table of a figure or a study to what the rows take their numbers from.
        words: what stands for `{names}` in statements and measures, such as the strength that was shown.
        arms: those that are there; rows that need others are left out. None asks all.
        only_known: leave out rows without a finite number.
    """

    rows: Sequence[ClaimRow[N]]
    read: Callable[[pd.DataFrame], N]
    words: Callable[[N], Mapping[str, object]] | None = None
    arms: Callable[[N], Collection[str]] | None = None
    only_known: bool = False

    def __call__(self, data: pd.DataFrame) -> list[ClaimResult]:
        """Judge the claims on a table."""
        return self.judge(self.read(data))

    def judge(self, numbers: N) -> list[ClaimResult]:
        """Judge the claims on what `read` makes of a table."""
        words = None if self.words is None else self.words(numbers)
        arms = None if self.arms is None else self.arms(numbers)
        return judge_claims(self.rows, numbers, words=words, arms=arms, only_known=self.only_known)


def judge_claims(
    rows: Iterable[ClaimRow[N]],
    numbers: N,
    *,
    words: Mapping[str, object] | None = None,
    arms: Collection[str] | None = None,
    only_known: bool = False,
) -> list[ClaimResult]:
    """Judge rows of claims.

    Args:
        rows: the claims, in order.
        numbers: what they take their measures from.
        words: what stands for `{names}` in statements and measures; None leaves braces alone.
        arms: those that are there; rows that need others are left out. None asks all.
        only_known: leave out rows without a finite number.

    Returns:
        One result per row that was asked.
    """
    results = []
    for row in rows:
        if arms is None or row.needs <= set(arms):
            values, worded = row.value(numbers), _worded(row.claim, words)
            if isinstance(values, Mapping):
                result = check(worded, values[max(values)], values)
            else:
                result = check(worded, values)
            if result.found.n or not only_known:
                results.append(result)
    return results


def with_sources(rows: Iterable[ClaimRow[N]], sources: Mapping[str, str]) -> tuple[ClaimRow[N], ...]:
    """Some claims of a study as a figure words their sources.

    Args:
        rows: claims of the study.
        sources: by key of the claim, in the figure's order.

    Returns:
        The rows of these keys.

    Raises:
        KeyError: the study has no such claim.
    """
    known = {row.claim.key: row for row in rows}
    return tuple(replace(known[key], claim=replace(known[key].claim, source=own)) for key, own in sources.items())


def _worded(claim: Claim, words: Mapping[str, object] | None) -> Claim:
    if words is None:
        return claim
    return replace(claim, statement=claim.statement.format_map(words), measure=claim.measure.format_map(words))


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
