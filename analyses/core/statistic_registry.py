"""The statistics of a table: each has its name, unit and meaning where it is computed, and nowhere else."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import pandas as pd

Subject = TypeVar("Subject")
Value = TypeVar("Value")


@dataclass(frozen=True)
class TableStatistic(Generic[Subject, Value]):
    """One statistic.

    Attributes:
        unit: of its value, with the range.
        meaning: what it is, the docstring of the function that computes it.
        compute: its value, from what the table is about.
    """

    unit: str
    meaning: str
    compute: Callable[[Subject], Value]


class StatisticRegistry(dict[str, TableStatistic[Subject, Value]]):
    """Statistics by their names, in the order of their registration.

    >>> ends = StatisticRegistry[list[float], float]()
    >>> @ends.register("{which}_value", "from 0", which={"min": "smallest", "max": "largest"})
    ... def end(values, which):
    ...     '''The {which} value.'''
    ...     return min(values) if which == "min" else max(values)
    >>> ends["max_value"].meaning, ends["max_value"].compute([1.0, 2.0])
    ('The largest value.', 2.0)
    """

    def register(
        self, name: str, unit: str, **choices: Mapping[Any, str]
    ) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
        """Register the function below, whose docstring says what the statistic means.

        Args:
            name: in the table. One in braces for each of the choices makes a family of statistics.
            unit: of the value, with its range.
            choices: by the name of an argument of the function, the values that it may have, and how the docstring
                calls them where it has that name in braces. Each combination is a statistic of its own.

        Returns:
            The decorator; it leaves the function as it is.
        """

        def decorate(compute: Callable[..., Value]) -> Callable[..., Value]:
            text = " ".join((inspect.getdoc(compute) or "").split())
            for combination in itertools.product(*choices.values()):
                chosen = dict(zip(choices, combination, strict=True))
                words = {argument: choices[argument][key] for argument, key in chosen.items()}
                own = partial(compute, **chosen)
                self[name.format(**chosen)] = TableStatistic(unit, text.format(**words), own)
            return compute

        return decorate


def explained(statistics: Mapping[str, TableStatistic[Any, Any]], names: Iterable[str]) -> pd.DataFrame:
    """What statistics are, for the readers of a table.

    Args:
        statistics: a registry, or several put together.
        names: which of them.

    Returns:
        One row per statistic: statistic, unit, meaning.

    Raises:
        KeyError: a name that nothing is registered under.
    """
    rows = [(name, statistics[name].unit, statistics[name].meaning) for name in names]
    return pd.DataFrame(rows, columns=["statistic", "unit", "meaning"])
