"""What claims about robustness and catastrophic overfitting rest on, with the thresholds of all studies and figures.

The thresholds are ours. A run that never was robust cannot break, and training that does not break cannot show what
prevents it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numpy.typing import ArrayLike

from analyses.core.claims import ClaimRow, claim
from analyses.core.judging.seed_measures import SeedShare

N = TypeVar("N")

PREMISE = "premise, ours"
"""Source of a premise."""

CHANCE = 0.1
"""Accuracy of guessing one of ten classes; of CIFAR-100, where it is 0.01, thresholds at this value ask for more."""

ROBUST = 0.15
"""Robust accuracy above which a network counts as robust: one and a half times that of guessing."""

OFTEN = 0.25
"""Share of seeds above which an event is there: six of ten are enough, and four of five."""

MOST = 0.5
"""Share of seeds above which an event is the rule: nine of ten are enough, and all of six; below it is an exception."""


def breaking(who: str, measure: str, broke: Callable[[N], ArrayLike]) -> ClaimRow[N]:
    """The premise that catastrophic overfitting happens to some training.

    Args:
        who: the training, for people.
        measure: the share that is asked for.
        broke: whether it has a breakpoint, by seed.

    Returns:
        The premise.
    """
    return _share("breaks", f"{who} overfits catastrophically", measure, OFTEN, broke)


def training(who: str, measure: str, trained: Callable[[N], ArrayLike]) -> ClaimRow[N]:
    """The premise that some training comes to anything in most seeds; claims are about those in which it does.

    Args:
        who: the training, for people.
        measure: the share that is asked for.
        trained: whether it does, by seed.

    Returns:
        The premise.
    """
    return _share("trains", f"{who} succeeds in most seeds", measure, MOST, trained)


def breakable(who: str, measure: str, trained: Callable[[N], ArrayLike]) -> ClaimRow[N]:
    """The premise that some training is robust in most seeds, until a breakpoint if it has one.

    Args:
        who: the training, for people.
        measure: the share that is asked for.
        trained: whether it has a breakpoint, or is robust at the end, by seed.

    Returns:
        The premise.
    """
    said = f"{who} is robust in most seeds, until a breakpoint if it has one"
    return _share("trains", said, measure, MOST, trained)


def _share(key: str, statement: str, measure: str, above: float, happened: Callable[[N], ArrayLike]) -> ClaimRow[N]:
    """The premise that something happens in more than that share of the seeds."""
    return claim(key, statement, measure, above=above, source=PREMISE, value=lambda n: SeedShare(happened(n)))
