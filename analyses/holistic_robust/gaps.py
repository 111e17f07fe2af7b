"""The diagnostics G1 to G8 of robust overfitting, as functions of stored per-sample losses.

The losses are of one fixed model, on fixed images without augmentation, in eval mode, under one attack. Cross-entropy
has no largest value: what needs a bound W takes losses clipped at it.

G1 to G3 are `gap` of the robust losses, the clean losses and the gradient norms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import mark_array, parse_number, real_array
from cotoolkit.methods._weighting.worst_case import ROUNDING, worst_case

CLIP = 10.0
"""Where cross-entropy is clipped, in nats (ours)."""

OTHER_CLIP = 5.0
"""A second value, to see what the first one decides (ours)."""

REACH, HALVINGS = 60.0, 90
"""Of the search for the multiplier: the logarithm of its distance from the bound, and how often the range is halved."""


def losses_of_points(losses: ArrayLike, finite: bool = True) -> np.ndarray:
    """Losses as an array, from a list, an array, a tensor or a column.

    Args:
        losses: (n,), n at least 1.
        finite: whether they have to be.

    Returns:
        (n,) float64.

    Raises:
        ConfigError: another shape, no losses, or losses that are not finite.
    """
    found = real_array(losses, "losses", 1, finite=finite)
    if len(found) == 0:
        raise ConfigError("losses: give at least one")
    return found


def gap(train: ArrayLike, test: ArrayLike) -> float:
    """G1 to G3: mean on test data minus the mean on training data; positive where the model is better on the latter.

    >>> gap([0.5, 0.5], [1.0, 2.0])
    1.0
    """
    return float(losses_of_points(test, finite=False).mean() - losses_of_points(train, finite=False).mean())


def best_minus_last(survived: ArrayLike) -> float:
    """G4: robust accuracy at the best look of a course of training minus that at the last.

    The best look at some images is too good on these images. So it is chosen on every second image and measured on the
    others, and the other way round; this is the mean of both. Without overfitting it is about 0, and may lie below.

    >>> best_minus_last([[0, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    0.5

    Args:
        survived: (looks, images) bool or {0, 1}, whether an image is classified right under attack.

    Returns:
        The difference, in [-1, 1].

    Raises:
        ConfigError: other values, no look, or fewer than two images.
    """
    marks = mark_array(survived, "survived", 2)
    if marks.shape[0] < 1 or marks.shape[1] < 2:
        raise ConfigError(f"survived: give a row per look, of two images or more, not shape {marks.shape}")
    halves = marks[::-1, ::2].mean(1), marks[::-1, 1::2].mean(1)  # from the last look back, which wins a tie
    lost = [measured[chosen.argmax()] - measured[0] for chosen, measured in (halves, halves[::-1])]
    return float(np.mean(lost))


def implied_radius(train: ArrayLike, mean: ArrayLike, bound: float) -> np.ndarray:
    """G5: the least KL radius r, in nats, whose worst case over the training losses reaches a mean, that on test data.

    r_req = max over eta >= W of (1/n) sum log(eta - l_i) - log(eta - mean): 0 where the mean does not exceed that of
    the losses, else infinite where it reaches the bound. The same affine map of losses, mean and bound changes nothing,
    so it does not grow merely because adversarial losses are larger. For 0/1 losses and W = 1 it is the KL divergence
    of the two error rates:

    >>> float(implied_radius([1] * 1 + [0] * 9, 0.55, 1.0).round(4))
    0.4534

    Args:
        train: (..., n), at most `bound`.
        mean: (...).
        bound: W.

    Returns:
        (...).

    Raises:
        ConfigError: no losses, a loss that is not finite or above the bound, shapes that do not fit, or a bound that is
            no finite number.
    """
    bound = _bound(bound)
    losses, wanted = real_array(train, "losses", finite=False), real_array(mean, "mean", finite=False)
    if losses.ndim == 0 or losses.size == 0 or wanted.shape != losses.shape[:-1]:
        raise ConfigError(f"losses {losses.shape} and means {wanted.shape}: give (..., n), n at least 1, and (...)")
    if not np.isfinite(losses).all() or losses.max() > bound + ROUNDING * abs(bound):
        raise ConfigError(f"losses must be finite and at most the bound {bound:g}: clip them")
    gaps, left = np.maximum(bound - losses, 0.0), bound - wanted
    spread = np.where(gaps.max(-1) > 0, gaps.max(-1), 1.0)
    z, target = gaps / spread[..., None], left / spread
    low, high = np.full(z.shape[:-1], -REACH), np.full(z.shape[:-1], REACH)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            u = np.exp(middle)
            # Whether the worst case at u exceeds the mean: mean(1 / x) > 1 / (eta - mean), accurate for large u.
            above = ((target[..., None] - z) / (u[..., None] + z)).mean(-1) > 0
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        u = np.exp((low + high) / 2)
        found = np.log1p((z - target[..., None]) / (u + target)[..., None]).mean(-1)
    found = np.where(left <= 0, np.inf, np.maximum(found, 0.0))
    return np.asarray(np.where(wanted <= losses.mean(-1), 0.0, found))


def _bound(bound: float) -> float:
    if bound is None:
        raise ConfigError("bound: give the largest loss there is, a finite number")
    try:
        return float(parse_number(bound))
    except ValueError as error:
        raise ConfigError(f"bound: {error}") from None


def nominal_margin(train: ArrayLike, test: ArrayLike, r: float, alpha: float, bound: float) -> float:
    """G6: the worst case over all training losses, with the radius of the training, minus the mean on test data.

    Negative where the nominal bound does not hold. All losses are clipped at the bound.

    Raises:
        ConfigError: no losses, or a number out of its range.
    """
    bound = _bound(bound)
    clipped = torch.from_numpy(np.minimum(losses_of_points(train, finite=False), bound))
    value = worst_case(clipped, r, alpha, bound).value.item()
    return value - float(np.minimum(losses_of_points(test, finite=False), bound).mean())


def dispersion(robust: ArrayLike, clean: ArrayLike) -> float:
    """G7: standard deviation of the robust losses over that of the clean ones; nan where the latter do not vary.

    >>> dispersion([0, 4], [1, 3])
    2.0
    """
    above, spread = (float(losses_of_points(losses, finite=False).std()) for losses in (robust, clean))
    return above / spread if spread > 0 else float("nan")


class HalvesGap(NamedTuple):
    """G8: what chance alone does to a mean over held-out images.

    Attributes:
        difference: of the means over two disjoint halves.
        expected: its standard deviation, sqrt(2 variance / images in a half).
    """

    difference: float
    expected: float


def halves_gap(losses: ArrayLike, seed: int = 0) -> HalvesGap:
    """G8: the losses on held-out images, cut in two at random; at least 4 of them.

    Args:
        losses: (n,).
        seed: of the cut.

    Returns:
        The difference, and its standard deviation.

    Raises:
        ConfigError: fewer losses, or another shape.
    """
    known = losses_of_points(losses, finite=False)
    if len(known) < 4:
        raise ConfigError(f"{len(known)} losses: give at least 4 to cut them in two")
    shuffled = np.random.default_rng(seed).permutation(known)
    size = len(shuffled) // 2
    difference = shuffled[:size].mean() - shuffled[size : 2 * size].mean()
    return HalvesGap(float(difference), float(np.sqrt(2 * shuffled.var(ddof=1) / size)))
