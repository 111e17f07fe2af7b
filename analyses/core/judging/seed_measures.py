"""What a claim's number is made of: one value per seed, a share of seeds, or two groups of seeds compared.

Each kind has the interval and the test that it calls for. Values that are 0 or 1, and times of runs that ended without
the event, are no sample of a normal distribution, and no t test is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analyses.core.judging.paired_interval import paired_interval
from analyses.core.statistics import CONFIDENCE, Estimate, all_equal, estimate, paired_p, share_interval
from analyses.core.survival import LogRank, log_rank
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import mark_array, real_array

Side = Literal["above", "below"]

LEAST_SEEDS = 5
"""Seeds from which on a claim is judged, and times have an interval."""

RESAMPLES = 9999
"""Bootstrap samples behind the interval of a difference of times."""


class SeedMeasure(Protocol):
    """A number over seeds that a claim can be judged on."""

    @property
    def by(self) -> str:
        """The interval or test that decides, in words."""

    @property
    def samples(self) -> dict[str, tuple[float, ...]]:
        """What it was made of."""

    @property
    def found(self) -> Estimate:
        """The number with its 95 % interval, and the seeds behind it (of the smaller group)."""

    def p(self, threshold: float) -> float:
        """Two-sided p of the hypothesis that the number is the threshold."""

    def side(self, threshold: float) -> Side | None:
        """On which side of the threshold the number lies, as far as the seeds can tell."""

    def reaches(self, side: Side, threshold: float) -> bool:
        """Whether so many seeds could show the number on that side of the threshold, had they come out otherwise."""


class _OfSamples:
    """A measure whose fields are its samples."""

    @property
    def samples(self) -> dict[str, tuple[float, ...]]:
        """What it was made of."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: tuple(map(float, np.ravel(values))) for name, values in arrays.items() if name != "paired"}


@dataclass(frozen=True, eq=False)
class SeedMean(_OfSamples):
    """The mean of one number per seed, by Student's t; values that are not finite are left out.

    Attributes:
        values: (seeds,).
    """

    values: ArrayLike
    by = "t interval"

    @cached_property
    def found(self) -> Estimate:
        """The mean."""
        return estimate(self.values)

    @property
    def constant(self) -> bool:
        """Whether it is the same in every seed."""
        return all_equal(self.values)

    def p(self, threshold: float) -> float:
        """Of a t test."""
        return paired_p(self.values, threshold)

    def side(self, threshold: float) -> Side | None:
        """Where the whole interval lies."""
        return _side(self.found, threshold)

    def reaches(self, side: Side, threshold: float) -> bool:
        """From two seeds on: they may agree as closely as they like."""
        return self.found.n > 1


@dataclass(frozen=True, eq=False)
class SeedShare(_OfSamples):
    """The share of seeds with an event, by exact binomial intervals (Clopper & Pearson, 1934).

    Attributes:
        happened: (seeds,) bool or {0, 1}; nan for a seed that is not asked, which is left out.
    """

    happened: ArrayLike
    by = "exact binomial"

    @cached_property
    def _test(self) -> tuple[int, int]:
        asked = real_array(self.happened, "events", 1, finite=False)
        happened = mark_array(asked[~np.isnan(asked)], "events")
        return int(happened.sum()), len(happened)

    @cached_property
    def found(self) -> Estimate:
        """The share."""
        hits, seeds = self._test
        if seeds == 0:
            return Estimate(np.nan, np.nan, np.nan, 0)
        return Estimate(hits / seeds, *share_interval(hits, seeds), seeds)

    def p(self, threshold: float) -> float:
        """Of the exact binomial test."""
        hits, seeds = self._test
        return float(stats.binomtest(hits, seeds, threshold).pvalue) if seeds else float("nan")

    def side(self, threshold: float) -> Side | None:
        """Where the whole interval lies."""
        return _side(self.found, threshold)

    def reaches(self, side: Side, threshold: float) -> bool:
        """If all seeds with the event, or none, are enough."""
        return SeedShare([side == "above"] * self.found.n).side(threshold) == side


@dataclass(frozen=True, eq=False)
class ShareDifference(_OfSamples):
    """The share of seeds with an event in one group minus that in another.

    The test decides. Groups trained from the same seeds are paired: McNemar's exact test, and an exact interval
    (`paired_interval`). Others are compared by Fisher's exact test; their interval is Newcombe's (Statistics in
    Medicine, 1998, method 10). Where the test does not reject equality, the interval is widened to reach 0.

    Attributes:
        first: (seeds,) bool or {0, 1}.
        second: (seeds,) bool or {0, 1}; in the order of the first group's seeds where they are paired.
        paired: whether they are.
    """

    first: ArrayLike
    second: ArrayLike
    paired: bool = True

    @property
    def by(self) -> str:
        """McNemar's or Fisher's test."""
        return "McNemar's exact test" if self.paired else "Fisher's exact test"

    @cached_property
    def _groups(self) -> tuple[np.ndarray, np.ndarray]:
        groups = tuple(mark_array(group, "events").astype(bool) for group in (self.first, self.second))
        if self.paired and len(groups[0]) != len(groups[1]):
            raise ConfigError(f"{len(groups[0])} and {len(groups[1])} seeds: pairs need as many of both")
        return groups[0], groups[1]

    @cached_property
    def found(self) -> Estimate:
        """The difference."""
        groups = self._groups
        seeds = min(map(len, groups))
        if seeds == 0:
            return Estimate(np.nan, np.nan, np.nan, 0)
        if self.paired:
            only_first, differ = self._differ
            low, high = paired_interval(only_first, differ - only_first, seeds)
            return _as_tested((2 * only_first - differ) / seeds, low, high, seeds, self.p(0))
        a, b = (float(group.mean()) for group in groups)
        (a_low, a_high), (b_low, b_high) = (share_interval(int(one.sum()), len(one), "wilson") for one in groups)
        low, high = a - b - np.hypot(a - a_low, b_high - b), a - b + np.hypot(a_high - a, b - b_low)
        return _as_tested(a - b, float(low), float(high), seeds, self.p(0))

    @property
    def _differ(self) -> tuple[int, int]:
        """How many pairs have the event in the first group alone, and how many differ."""
        first, second = self._groups
        return int((first & ~second).sum()), int((first != second).sum())

    def p(self, threshold: float) -> float:
        """Of the exact test.

        Raises:
            ConfigError: a threshold other than 0, which it cannot ask about.
        """
        if threshold != 0:
            raise ConfigError(f"a difference of shares is compared with 0, not with {threshold:g}")
        first, second = self._groups
        if not min(len(first), len(second)):
            return float("nan")
        if self.paired:
            only_first, differ = self._differ
            return float(stats.binomtest(only_first, differ).pvalue) if differ else 1.0
        table = [[int(group.sum()), int((~group).sum())] for group in (first, second)]
        return float(stats.fisher_exact(table).pvalue)

    def side(self, threshold: float) -> Side | None:
        """The side of 0, if the test rejects equality at 5 %."""
        return _tested(self.found.mean, self.p(threshold))

    def reaches(self, side: Side, threshold: float) -> bool:
        """If the event in all seeds of one group, and none of the other, is enough."""
        first, second = self._groups
        furthest = ShareDifference([side == "above"] * len(first), [side == "below"] * len(second), self.paired)
        return furthest.side(threshold) == side


@dataclass(frozen=True, eq=False)
class OnsetDifference(_OfSamples):
    """How much later an event comes in one group of seeds than in another, in restricted mean time.

    The log-rank test decides, and says which group is later. A run without the event counts to its end; all runs end at
    the same time, so the restricted mean is that of the times up to there, and its interval is a bootstrap over seeds,
    widened to reach 0 where the test does not reject equality.

    Attributes:
        times: (seeds,), of the event, or of the end.
        happened: (seeds,) bool or {0, 1}, whether it happened then.
        other_times: (seeds,), of the other group.
        other_happened: (seeds,), of the other group.
    """

    times: ArrayLike
    happened: ArrayLike
    other_times: ArrayLike
    other_happened: ArrayLike
    by = "log-rank test"

    @cached_property
    def found(self) -> Estimate:
        """The difference of the restricted means."""
        first, second = (real_array(times, "times", 1) for times in (self.times, self.other_times))
        seeds = min(len(first), len(second))
        if seeds == 0:
            return Estimate(np.nan, np.nan, np.nan, 0)
        mean = float(first.mean() - second.mean())
        if seeds < LEAST_SEEDS:
            return Estimate(mean, np.nan, np.nan, seeds)
        draws = np.random.default_rng(0)
        means = [group[draws.integers(len(group), size=(RESAMPLES, len(group)))].mean(1) for group in (first, second)]
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(means[0] - means[1], [tail, 1 - tail])
        return _as_tested(mean, float(low), float(high), seeds, self.p(0))

    def p(self, threshold: float) -> float:
        """Of the log-rank test.

        Raises:
            ConfigError: a threshold other than 0, which it cannot ask about.
        """
        if threshold != 0:
            raise ConfigError(f"times to an event are compared with each other, not with {threshold:g}")
        return self._test.p

    @cached_property
    def _test(self) -> LogRank:
        if not min(np.size(self.times), np.size(self.other_times)):
            return LogRank(np.nan, np.nan)
        return log_rank(self.times, self.happened, self.other_times, self.other_happened)

    def side(self, threshold: float) -> Side | None:
        """The side of 0 of the log-rank score, if the test rejects equality at 5 %."""
        return _tested(self._test.z, self.p(threshold))

    def reaches(self, side: Side, threshold: float) -> bool:
        """If the event at once in all seeds of one group, and never in the other, is enough."""
        spared = [side == "above"] * np.size(self.times), [side == "below"] * np.size(self.other_times)
        first, second = ((np.add(1, group), np.logical_not(group)) for group in spared)
        return OnsetDifference(*first, *second).side(threshold) == side


def _side(found: Estimate, threshold: float) -> Side | None:
    if found.low > threshold:
        return "above"
    return "below" if found.high < threshold else None


def _as_tested(mean: float, low: float, high: float, seeds: int, p: float) -> Estimate:
    """An estimate beside a test of equality that decides: 0 lies in an interval where it is not rejected."""
    if _tested(mean, p) is None:
        low, high = min(low, 0.0), max(high, 0.0)
    return Estimate(mean, low, high, seeds)


def _tested(difference: float, p: float) -> Side | None:
    if not p < 1 - CONFIDENCE or difference == 0:  # not: nan rejects nothing
        return None
    return "above" if difference > 0 else "below"
