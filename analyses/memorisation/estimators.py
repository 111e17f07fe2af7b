"""Memorisation and influence from networks trained on random subsets (Feldman & Zhang, NeurIPS 2020).

Network k saw the training images that row k of a mask marks. An image's memorisation is how much more often networks
that saw it get it right than networks that did not; its influence on a test image is the same for that one. Both are
estimates at the size of the subsets: with halves, memorisation is higher than at the whole set.

"Right" is any event: the clean prediction holds, or it holds under a strong attack (`mem_rob`, `infl_rob`; ours).
Estimates can be slightly negative by noise and stay so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import mark_array, probability, share_array, whole_number

Floats = NDArray[np.float64]


class Memorisation(NamedTuple):
    """Estimates for N training images.

    Attributes:
        values: (N,), in [-1, 1]; nan where all models, or none, saw the image.
        errors: (N,), standard errors, of two independent arms of models, from the sample variance of each (n - 1); nan
            where an arm has fewer than two models. Where each arm is unanimous it is 0, which is no certainty: see
            `worst_error` for the largest error of an estimate from so many models.
        seen: (N,), share of the models that saw the image and get it right.
        unseen: (N,), of those that did not see it.
    """

    values: Floats
    errors: Floats
    seen: Floats
    unseen: Floats


def memorisation(mask: ArrayLike, correct: ArrayLike) -> Memorisation:
    """mem[i] = P(right on i | saw i) - P(right on i | did not), over models.

    Args:
        mask: (K, N) bool or {0, 1}, which images each model saw.
        correct: (K, N) bool or in [0, 1], which training images, seen or not, it gets right.

    Returns:
        The estimates.

    Raises:
        ConfigError: other values, or shapes that do not fit.
    """
    saw, right = _checked(mask, correct)
    if saw.shape != right.shape:
        raise ConfigError(f"mask {saw.shape} and correctness {right.shape} must have one shape")
    (seen, of_seen), (unseen, of_unseen) = _mean_of_arm(saw, right), _mean_of_arm(1 - saw, right)
    return Memorisation(seen - unseen, np.sqrt(of_seen + of_unseen), seen, unseen)


def _mean_of_arm(members: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Mean over the models of an arm, (N,), and its squared standard error; nan of no models, the latter of one too."""
    count = members.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = (members * right).sum(0) / count
        squared: Floats = (members * (right - mean) ** 2).sum(0) / (count - 1) / count
    return mean, squared


def influence(mask: ArrayLike, correct: ArrayLike) -> Floats:
    """infl[i, j] = P(right on test image j | saw i) - P(right on j | did not), as one matrix product for each arm.

    Below about 1,000 models single pairs are mostly noise: use sums over groups.

    Args:
        mask: (K, N) bool or {0, 1}, which training images each model saw.
        correct: (K, M) bool or in [0, 1], which test images it gets right.

    Returns:
        (N, M), in [-1, 1]; rows of nan where all models, or none, saw the image.

    Raises:
        ConfigError: other values, or shapes that do not fit.
    """
    return _differences(*_checked(mask, correct))


def _differences(saw: Floats, right: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = saw.T @ right / saw.sum(0)[:, None] - (1 - saw).T @ right / (1 - saw).sum(0)[:, None]
    return found


def group_influence(mask: ArrayLike, correct: ArrayLike, members: ArrayLike) -> Floats:
    """How much seeing one image of a group adds to the number of right test images: mean over i of sum_j infl[i, j].

    Complementary halves are not independent, so models are taken two by two, and each pair gives a jackknife value:
    their mean is the estimate, and a t interval of them its interval. A member that all models saw, or none, once some
    pair is left out has no estimate there, and does not count.

    Args:
        mask: (K, N) bool or {0, 1}, K even, models 2 k and 2 k + 1 belonging together.
        correct: (K, M) bool or in [0, 1], for the test images of interest.
        members: (N,) bool or {0, 1}, the group.

    Returns:
        (K / 2,); nan for a group without members that count.

    Raises:
        ConfigError: other values, shapes that do not fit, or a model without its partner.
    """
    saw, right = _checked(mask, correct)
    chosen, pairs = mark_array(members, "members", 1), len(saw) // 2
    if len(chosen) != saw.shape[1]:
        raise ConfigError(f"members {chosen.shape} must have an entry for each of the mask's {saw.shape[1]} images")
    if len(saw) % 2:
        raise ConfigError(f"{len(saw)} models: give pairs of complementary halves, an even number of rows")
    left = saw.sum(0) - saw.reshape(pairs, 2, -1).sum(1)  # models that saw each image, but for one pair
    chosen = chosen & ((left > 0) & (left < len(saw) - 2)).all(0)
    if not chosen.any():
        return np.full(pairs, np.nan)
    totals = right.sum(1, keepdims=True)

    def value(kept: NDArray[np.bool_]) -> float:
        return float(_differences(saw[kept][:, chosen], totals[kept]).mean())

    everything = np.ones(len(saw), dtype=bool)
    whole, without = value(everything), []
    for pair in range(pairs):
        kept = everything.copy()
        kept[2 * pair : 2 * pair + 2] = False
        without.append(value(kept))
    return pairs * whole - (pairs - 1) * np.array(without)


def worst_error(models: int, share: float) -> float:
    """Largest standard error of an estimate from so many models on that share: both shares of right ones 1/2.

    Errors that are themselves estimated from the models (`Memorisation.errors`) can lie a little above it.

    >>> round(worst_error(64, 0.5), 3), round(worst_error(64, 0.7), 3)
    (0.125, 0.136)

    Args:
        models: 1 or more.
        share: of the images that each saw, between 0 and 1.

    Returns:
        The error, of a difference of shares.

    Raises:
        ConfigError: other numbers.
    """
    models, share = whole_number(models, "models", 1), probability(share, "share")
    return float(0.5 * np.sqrt(1 / (models * share) + 1 / (models * (1 - share))))


def _checked(mask: ArrayLike, correct: ArrayLike) -> tuple[Floats, Floats]:
    saw, right = mark_array(mask, "mask", 2).astype(float), share_array(correct, "correctness", 2)
    if len(saw) != len(right) or len(saw) == 0:
        raise ConfigError(f"mask {saw.shape} and correctness {right.shape} must have a row for each model")
    return saw, right
