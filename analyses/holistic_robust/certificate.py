"""A bound on the expected loss of a fixed model, from held-out losses, with an explicit constant; and how to report it.

Derived, not the paper's: of the paper's own certificate, on the training data and with an unknown O(1), only the
abstract could be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from analyses.holistic_robust.gaps import implied_radius, losses_of_points
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import probability, share_array, whole_number
from cotoolkit.methods._weighting.worst_case import worst_case

CAVEAT = (
    "the inflated loss was computed with attack {attack}, hence is a lower estimate; the bound is a certificate only "
    "if the inner maximum is exact or over-estimated (verifier)"
)


def certificate_radius(points: int, delta: float, models: int = 1) -> float:
    """The KL radius log((m + 1) / delta) / m, at which held-out losses certify their true mean.

    The worst case within it is below the mean with probability at most delta:
    Pr(V_{0,r} < mu) <= (m + 1) exp(-m r), by the wealth of a uniform mixture of bets and Markov's inequality.

    >>> round(certificate_radius(10_000, 0.05), 5)
    0.00122

    Args:
        points: m, independent of training and of every choice made in it.
        delta: error probability, in (0, 1).
        models: certified together; they share delta.

    Returns:
        r, in nats.

    Raises:
        ConfigError: no point, no model, or another delta.
    """
    try:
        points, models = whole_number(points, "points", 1), whole_number(models, "models", 1)
        delta = probability(delta, "delta")
    except ConfigError as error:
        raise ConfigError(f"give at least one point and model, 0 < delta < 1: {error}") from None
    return math.log((points + 1) * models / delta) / points


class Certificate(NamedTuple):
    """A bound on an expected loss.

    Attributes:
        value: the bound.
        mean: of the losses it comes from.
        radius: KL radius r.
        points: how many losses, m.
        delta: error probability, shared by all models.
    """

    value: float
    mean: float
    radius: float
    points: int
    delta: float


def certify(losses: ArrayLike, delta: float, bound: float, *, alpha: float = 0.0, models: int = 1) -> Certificate:
    """Bound the expected loss of a fixed model.

    Args:
        losses: (m,) on held-out points, at most `bound`; a list, an array, a tensor or a column.
        delta: error probability.
        bound: the largest loss there is.
        alpha: share of the points that may have been poisoned, in [0, 1].
        models: certified together.

    Returns:
        The bound, and what it comes from.

    Raises:
        ConfigError: losses of another shape, not finite or above the bound, or a number out of its range.
    """
    found = torch.from_numpy(losses_of_points(losses))
    share_array(alpha, "alpha", 0)
    if bound is None:
        raise ConfigError("bound: give the largest loss there is, a finite number")
    r = certificate_radius(len(found), delta, models)
    value = worst_case(found, r, alpha, bound).value.item()
    return Certificate(value, found.mean().item(), r, len(found), delta)


Law = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

LAWS: dict[str, tuple[float, Law]] = {
    "Bernoulli(0.1)": (0.1, lambda draws, shape: (draws.random(shape) < 0.1).astype(float)),
    "Bernoulli(0.5)": (0.5, lambda draws, shape: (draws.random(shape) < 0.5).astype(float)),
    "Beta(0.5, 2)": (0.2, lambda draws, shape: draws.beta(0.5, 2.0, shape)),
}
"""Laws on [0, 1] by name: their mean, and how to draw from them."""


def simulated_coverage(
    repetitions: int, points: Sequence[int] = (50, 500), deltas: Sequence[float] = (0.05, 0.2), seed: int = 0
) -> pd.DataFrame:
    """How often the bound is violated in simulation; it is where the implied radius of the true mean exceeds r.

    Returns:
        Columns law, points, delta, r, violated (with the radius of `certificate_radius`), bare_r, bare_violated (with
        log(1 / delta) / m, which proves nothing), repetitions.
    """
    draws = np.random.default_rng(seed)
    rows = []
    for name, (mean, law) in LAWS.items():
        for m in points:
            needed = implied_radius(law(draws, (repetitions, m)), np.full(repetitions, mean), 1.0)
            for delta in deltas:
                r, bare = certificate_radius(m, delta), math.log(1 / delta) / m
                shares = float((needed > r).mean()), float((needed > bare).mean())
                rows.append((name, m, delta, r, shares[0], bare, shares[1], repetitions))
    columns = ["law", "points", "delta", "r", "violated", "bare_r", "bare_violated", "repetitions"]
    return pd.DataFrame(rows, columns=columns)


def by_size(error: float = 0.5, points: Sequence[int] = (1_000, 10_000, 50_000), delta: float = 0.05) -> pd.DataFrame:
    """What a certificate for the 0/1 loss costs: radius and bound by number of held-out points.

    Args:
        error: observed error rate, rounded to whole errors of the points.
        points: numbers of points.
        delta: error probability.

    Returns:
        Columns points, delta, r, observed error, bound.

    Raises:
        ConfigError: a number out of its range.
    """
    share_array(error, "error", 0)
    rows = []
    for m in points:
        hits = round(error * m)
        r = certificate_radius(m, delta)
        # Two levels of the loss: a law of two atoms, whatever m is.
        found = worst_case(torch.cat([torch.ones(hits), torch.zeros(m - hits)]), r, bound=1.0)
        rows.append((m, delta, r, hits / m, found.value.item()))
    return pd.DataFrame(rows, columns=["points", "delta", "r", "observed error", "bound"])


def reported(
    certificate: Certificate,
    *,
    loss: str,
    threat: str,
    attack: str,
    alpha: float,
    bound: float,
    train_mean: float,
    nominal: float,
    test_mean: float,
    training_r: float,
    training_points: int,
) -> str:
    """Everything that a number of this kind has to be reported with, in words.

    Args:
        certificate: on held-out points.
        loss: which loss, clipped where.
        threat: radius and norm.
        attack: that computed the inflated losses.
        alpha: tolerated share of poison.
        bound: W.
        train_mean: plain robust mean on training data.
        nominal: worst case over all training losses with the training radius.
        test_mean: mean on test data.
        training_r: that radius.
        training_points: n.
    """
    return (
        f"Loss: {loss}, W = {bound:g}. Threat: {threat}. Plain mean on {training_points} training points: "
        f"{train_mean:.3g}; worst case over them with the training radius r = {training_r:g}, alpha = {alpha:g} "
        f"(nominal): {nominal:.3g}; certificate from {certificate.points} held-out points (r = "
        f"{certificate.radius:.4g}, delta = {certificate.delta:g}, their mean {certificate.mean:.3g}): "
        f"{certificate.value:.3g}; mean on test data: {test_mean:.3g}. Mind: {CAVEAT.format(attack=attack)}."
    )
