"""Robustness lost, measured against what the network had: rules for any number of classes and of points.

Two numbers decide, both without a unit. `kept` is PGD accuracy as a share of what it was. `rise` is by how much the
ratio of FGSM to PGD accuracy grew: whatever makes a task harder or a schedule restless moves both accuracies together
and leaves the ratio alone, while a network that learned to defeat one step multiplies it. Thresholds are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LOST = 0.75
"""A breakpoint leaves less than this share of the PGD accuracy there was."""

RISE = 2.0
"""And at least doubles FGSM accuracy relative to PGD accuracy."""

FGSM_STAYS, CLEAN_STAYS = 0.5, 0.8
"""Shares of FGSM and of clean accuracy, one of which is kept: where both fall, training went wrong in another way."""

FAR_AHEAD = 4.0
"""Growth of FGSM accuracy relative to PGD accuracy from which on half of these shares are enough, of both: one step is
defeated, whatever else went wrong."""

LOST_UNSEEN, LOST_WHOLE = 0.5, 0.1
"""The share of PGD accuracy that a breakpoint leaves at most where FGSM accuracy is not known, and the one from which
on half of `CLEAN_STAYS` is enough."""

BACK = 0.8
"""The share of the PGD accuracy there was that counts as recovered."""

DECLINED = 0.9
"""A slow loss, as of robust overfitting, leaves less than this share of PGD accuracy at its best (ours)."""

ABOVE_CHANCE = 1.5
"""The least PGD accuracy that can be lost, in units of chance: the smallest networks known to overfit catastrophically
have 1.7 before they do (Andriushchenko & Flammarion, NeurIPS 2020, figure 11)."""

ONE_STEP_ENOUGH, OF_CLEAN = 3.0, 0.25
"""Where the number of classes is not known, the network had robustness to lose if FGSM accuracy was at most so many
times PGD accuracy, or PGD accuracy at least this share of clean accuracy."""

SURE_LOSS, SURE_RISE = 4.0, 3.0
"""Standard deviations, of the loss and of the rise, beyond which neither is an accident of the points or of the run."""

SURE_ON_SAME_POINTS = 2.5, 1.5
"""The same where both measurements are of the same points under the same random starts: accidents of the points are
common to both, and binomial deviations are too large. `benchmarks/criterion_errors.py` prints how often that errs. Of
these, (3, 2) and (2, 1), they are the most careful with which no collapse that lasts stays unconfirmed among the runs
of `cotoolkit bench-alarm` that thresholds may be fitted on."""

SAFE = 1e-4
"""Levels below are taken for it in a ratio: one in ten thousand."""


@dataclass(frozen=True)
class Levels:
    """Of one network on the same points, in [0, 1].

    Attributes:
        pgd: under a multi-step attack.
        fgsm: under one gradient step; None where it was not measured.
        clean: without an attack; None where it was not measured.
    """

    pgd: float
    fgsm: float | None = None
    clean: float | None = None


@dataclass(frozen=True)
class Scatter:
    """Standard deviations of one measurement: of points drawn, and of a run's own restlessness.

    Attributes:
        pgd: of the arcsine of the root of PGD accuracy, which hardly depends on the accuracy.
        ratio: of the logarithm of FGSM accuracy over PGD accuracy.
    """

    pgd: float
    ratio: float


def kept(now: float, had: float) -> float:
    """The share of an accuracy that is left.

    >>> kept(0.03, 0.12)
    0.25
    """
    return now / max(had, SAFE)


def rise(now: Levels, had: Levels) -> float | None:
    """By how much FGSM accuracy over PGD accuracy grew; None where FGSM accuracy is not known.

    >>> rise(Levels(0.05, 0.2), Levels(0.1, 0.1))
    4.0
    """
    if now.fgsm is None or had.fgsm is None:
        return None
    return (max(now.fgsm, SAFE) / max(now.pgd, SAFE)) / (max(had.fgsm, SAFE) / max(had.pgd, SAFE))


def is_lost(now: Levels, had: Levels, left: float = LOST) -> bool:
    """Whether PGD accuracy fell and one step does not see it.

    Args:
        now: of the network asked about.
        had: what it had: the best, or that of its plateau.
        left: the share of PGD accuracy below which it is lost, where FGSM accuracy is known.

    Returns:
        Whether `kept` and `rise` are beyond their thresholds while FGSM or clean accuracy stays, or, where one step is
        far ahead, enough of both. Without FGSM accuracy half of PGD accuracy has to go while clean accuracy stays, or
        nearly all while half as much of it does; the caller makes sure that it went suddenly, since robust overfitting
        can look like that in the end.
    """
    share, grown = kept(now.pgd, had.pgd), rise(now, had)
    clean = None if now.clean is None or had.clean is None else kept(now.clean, had.clean)
    clean_stays = clean is not None and clean >= CLEAN_STAYS
    if grown is None:
        clean_stays |= clean is not None and share < LOST_WHOLE and clean >= CLEAN_STAYS / 2
        return share < LOST_UNSEEN and clean_stays
    fgsm = kept(now.fgsm or 0.0, had.fgsm or 0.0)
    stays = fgsm >= FGSM_STAYS or clean_stays
    if grown >= FAR_AHEAD:
        stays |= fgsm >= FGSM_STAYS / 2 and (clean is None or clean >= CLEAN_STAYS / 2)
    return share < left and grown >= RISE and stays


def had_robustness(had: Levels, classes: int | None) -> bool:
    """Whether there was something to lose.

    Args:
        had: accuracies at their best.
        classes: number of classes; None where it is not known.

    Returns:
        Whether PGD accuracy was well above chance; where chance is not known, whether one step was about as good as
        many, or PGD accuracy a good part of clean accuracy.
    """
    if classes is not None:
        return had.pgd >= ABOVE_CHANCE / classes
    if had.pgd <= SAFE:
        return False
    by_step = had.fgsm is not None and had.fgsm <= ONE_STEP_ENOUGH * had.pgd
    return by_step or (had.clean is not None and had.pgd >= OF_CLEAN * had.clean)


def binomial_spread(had: Levels, points: float) -> Scatter:
    """The spread of one measurement that its number of points explains.

    Args:
        had: accuracies that are taken for the true ones.
        points: how many there are.

    Returns:
        The spread. FGSM and PGD accuracy are taken for independent, which they are not: that of the ratio is too large.
    """
    shares = [max(share, 0.5 / points) for share in (had.pgd, had.fgsm) if share is not None]
    ratio = math.sqrt(sum(max(1 - share, 0.0) / (share * points) for share in shares))
    return Scatter(1 / (2 * math.sqrt(points)), ratio)


def surely_lost(
    now: Levels,
    had: Levels,
    spread: Scatter,
    measurements: float,
    behind: float,
    sure: tuple[float, float] = (SURE_LOSS, SURE_RISE),
) -> bool:
    """Whether a loss is more than an accident.

    Args:
        now: mean accuracies of some measurements.
        had: what the network had.
        spread: of one measurement.
        measurements: how many `now` is the mean of.
        behind: how many measurements stand behind `had`; of more or fewer points, in units of `spread`'s.
        sure: standard deviations, of the loss and of the rise.

    Returns:
        Whether the loss and the rise are beyond so many standard deviations.
    """
    grown = rise(now, had)
    over = math.sqrt(1 / measurements + 1 / behind)
    lost = loss_in_deviations(now.pgd, had.pgd, spread, over) >= sure[0]
    return lost and (grown is None or math.log(grown) >= sure[1] * spread.ratio * over)


def loss_in_deviations(now: float, had: float, spread: Scatter, over: float) -> float:
    """A loss of PGD accuracy, in standard deviations of `over` times one measurement."""
    return (math.asin(math.sqrt(min(had, 1.0))) - math.asin(math.sqrt(min(now, 1.0)))) / (spread.pgd * over)
