"""Claims that a machine checks: a number over seeds, a threshold, premises, and a verdict.

What a figure or a study claims is a `ClaimTable`: its rows are data, written with `claim`, four or five lines each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from numpy.typing import ArrayLike

from analyses.core.judging.seed_measures import SeedMeasure
from analyses.core.judging.verdicts import Claim, ClaimResult, check

if TYPE_CHECKING:
    import pandas as pd

N = TypeVar("N")
"""What the numbers of a table of claims are read from: a data frame, or a reader of several."""

Measured = ArrayLike | SeedMeasure | Mapping[int, Sequence[float]]
"""One number per seed, a share or comparison of seeds, or one number per seed by size."""


@dataclass(frozen=True)
class ClaimRow(Generic[N]):
    """A claim, and where its number comes from.

    Attributes:
        claim: the claim.
        value: its measure, one number per seed; nan for a seed without one. If sizes are compared, that by size: the
            largest is judged, with the trend over all.
        needs: the arms whose runs it compares; without one of them it is not asked.
        premises: what must hold before the claim means anything, themselves claims about the same numbers.
    """

    claim: Claim
    value: Callable[[N], Measured]
    needs: frozenset[str] = frozenset()
    premises: tuple[ClaimRow[N], ...] = ()


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
    unjudged: str = "",
    needs: Collection[str] = (),
    premises: Sequence[ClaimRow[N]] = (),
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
    row = Claim(key, statement, measure, side, threshold, null, source, unjudged)
    return ClaimRow(row, value, frozenset(needs), tuple(premises))


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
            result = _judged(row, numbers, words)
            if result.found.n or not only_known:
                results.append(result)
    return results


def _judged(row: ClaimRow[N], numbers: N, words: Mapping[str, object] | None) -> ClaimResult:
    """A row's result, behind its premises."""
    values, worded = row.value(numbers), _worded(row.claim, words)
    result = check(worded, values[max(values)], values) if isinstance(values, Mapping) else check(worded, values)
    return result.behind([_judged(premise, numbers, words) for premise in row.premises])


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
