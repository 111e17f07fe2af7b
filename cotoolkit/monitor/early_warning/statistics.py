"""Statistics that follow a stream of values, and grow as these become suspicious."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from cotoolkit.core.numbers import whole_number

LAG = 8
"""Values from before which `Departure` takes its idea of noise."""

MOST_CORRELATED = 0.9
"""The greatest correlation of neighbouring values that `Departure` assumes."""

FAR = 20
"""Standard deviations of the noise by which neighbouring values differ at most, for what `Departure` goes by later."""


class Statistic(Protocol):
    """A number that follows a stream of values; its whole state is JSON data in its fields."""

    def update(self, value: float) -> float:
        """Take in the next value; the statistic now, or nan while there is too little history."""


@dataclass
class Level:
    """Exponentially weighted mean: m <- m + rate (value - m), from the mean of the first 1 / rate values.

    Args:
        rate: weight of the newest value; 1 is the value itself.
    """

    rate: float
    mean: float = 0.0
    count: int = 0

    def __str__(self) -> str:
        return f"level {self.rate:g}"

    def update(self, value: float) -> float:
        """The mean; nan before 1 / rate values."""
        self.count += 1
        self.mean += max(self.rate, 1 / self.count) * (value - self.mean)
        return self.mean if self.count * self.rate >= 1 else math.nan


@dataclass
class Shift:
    """A fast exponentially weighted mean minus a slow one: how far the signal has left its usual level.

    Args:
        fast: rate of the one.
        slow: rate of the other.
    """

    fast: float
    slow: float
    means: list[float] = field(default_factory=lambda: [0.0, 0.0])
    count: int = 0

    def __str__(self) -> str:
        return f"shift {self.fast:g}/{self.slow:g}"

    def update(self, value: float) -> float:
        """The difference; nan before 1 / slow values."""
        self.count += 1
        for index, rate in enumerate((self.fast, self.slow)):
            self.means[index] += max(rate, 1 / self.count) * (value - self.means[index])
        return self.means[0] - self.means[1] if self.count * self.slow >= 1 else math.nan


@dataclass
class Departure:
    """How far a value is above the mean of a share of all values so far: a change at the run's own pace.

    So a change looks alike in a run of 500 iterations and in one of 50,000. A rise that noise explains counts for
    nothing. Noise is measured in steps between neighbours, which know no drift, before the last few values, since what
    a breakpoint begins with is not to pass for noise.

    Args:
        share: of the values so far that the mean goes over.
        least: values that it goes over at least, and before the first answer.
        sure: standard deviations of the noise that a difference exceeds.
        relative: the difference is given as a share of the mean's size, so that a threshold has no unit.
    """

    share: float = 1 / 3
    least: int = 16
    sure: float = 3.5
    relative: bool = False
    count: int = 0
    mean: float = 0.0
    moments: list[float] = field(default_factory=lambda: [0.0, 0.0])
    last: float = 0.0
    step: float = 0.0
    before: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.least = whole_number(self.least, "least", 2)

    def __str__(self) -> str:
        return f"{'relative ' if self.relative else ''}departure {self.share:.3g}"

    def update(self, value: float) -> float:
        """The difference, 0 where noise explains a rise; nan before `least` values."""
        self.count += 1
        noise = self._noise()
        rate = max(1 / self.count, 1 / max(self.least, self.share * self.count))
        step = value - self.last if self.count > 1 else 0.0
        if noise > 0:  # one value out of all proportion is not to hide all that follows
            step = min(max(step, -FAR * noise), FAR * noise)
        self.moments[0] += rate * (step * step - self.moments[0])
        self.moments[1] += rate * (step * self.step - self.moments[1])
        self.last, self.step = (self.last + step if self.count > 1 else value), step
        self.before = [*self.before[-(LAG - 1) :], list(self.moments)]
        self.mean += rate * (self.last - self.mean)
        if self.count < self.least:
            return math.nan
        difference = value - self.mean if value - self.mean >= self.sure * noise else min(value - self.mean, 0.0)
        return difference / (abs(self.mean) or 1.0) if self.relative else difference

    def _noise(self) -> float:
        """Standard deviation of the values about what they follow."""
        squares, products = self.before[0] if self.before else (0.0, 0.0)
        if squares <= 0:
            return 0.0
        # Steps of white noise are correlated by -1/2, of a random walk by 0, of correlation c between by (c - 1) / 2.
        correlation = min(max(1 + 2 * products / squares, 0.0), MOST_CORRELATED)
        return math.sqrt(squares / (2 * (1 - correlation)))


@dataclass
class QuarterShift:
    """Mean of the last quarter of a sliding window minus that of its first quarter: SORA's rule for PertAlign.

    Args:
        window: values of the window, at least 4 (ours; the length was not found).

    Raises:
        ConfigError: the window is no whole number from 4 on.
    """

    window: int = 64
    values: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.window = whole_number(self.window, "window", 4)

    def __str__(self) -> str:
        return f"quarter shift {self.window}"

    def update(self, value: float) -> float:
        """The difference; nan until the window is full."""
        self.values = [*self.values[-(self.window - 1) :], value]
        if len(self.values) < self.window:
            return math.nan
        quarter = self.window // 4
        return (sum(self.values[-quarter:]) - sum(self.values[:quarter])) / quarter


@dataclass
class Sigmas:
    """How many standard deviations a value is above the mean of all before it: ELLE-A's rule for the bilinear error.

    Args:
        least: values before the first answer (ours).

    Raises:
        ConfigError: `least` is no whole number.
    """

    least: int = 32
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def __post_init__(self) -> None:
        self.least = whole_number(self.least, "least")

    def __str__(self) -> str:
        return "sigmas"

    def update(self, value: float) -> float:
        """(value - mean) / standard deviation of the values before this one; nan with fewer than `least`."""
        deviation = math.sqrt(self.squares / self.count) if self.count >= max(self.least, 2) else 0.0
        sigmas = (value - self.mean) / deviation if deviation > 0 else math.nan
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)
        return sigmas


@dataclass
class Rise:
    """A value minus the one before it: the drop rule of Wong et al. for accuracies, from epoch to epoch."""

    last: float | None = None

    def __str__(self) -> str:
        return "rise"

    def update(self, value: float) -> float:
        """The difference; nan for the first value."""
        last, self.last = self.last, value
        return math.nan if last is None else value - last
