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

from cotoolkit.methods._terms.worst_case import worst_case

CLIP = 10.0
"""Where cross-entropy is clipped, in nats (ours)."""

OTHER_CLIP = 5.0
"""A second value, to see what the first one decides (ours)."""

REACH, HALVINGS = 60.0, 90
"""Of the search for the multiplier: the logarithm of its distance from the bound, and how often the range is halved."""


def gap(train: ArrayLike, test: ArrayLike) -> float:
    """G1 to G3: mean on test data less the mean on training data; positive where the model is better on the latter.

    >>> gap([0.5, 0.5], [1.0, 2.0])
    1.0
    """
    return float(np.asarray(test, dtype=float).mean() - np.asarray(train, dtype=float).mean())


def best_minus_last(accuracies: ArrayLike) -> float:
    """G4: the best robust accuracy over the course of training less the final one; at least 0.

    >>> best_minus_last([0.25, 0.75, 0.5])
    0.25
    """
    course = np.asarray(accuracies, dtype=float)
    return float(course.max() - course[-1])


def implied_radius(train: ArrayLike, mean: ArrayLike, bound: float) -> np.ndarray:
    """G5: the least KL radius r, in nats, whose worst case over the training losses reaches a mean, that on test data.

    r_req = max over eta >= W of (1/n) sum log(eta - l_i) - log(eta - mean): 0 where the mean does not exceed that of
    the losses, infinite where it reaches the bound. The same affine map of losses, mean and bound changes nothing, so
    it does not grow merely because adversarial losses are larger. For 0/1 losses and W = 1 it is the KL divergence of
    the two error rates:

    >>> float(implied_radius([1] * 1 + [0] * 9, 0.55, 1.0).round(4))
    0.4534

    Args:
        train: (..., n), at most `bound`.
        mean: (...).
        bound: W.

    Returns:
        (...).

    Raises:
        ValueError: a loss is above the bound or not finite.
    """
    losses, wanted = np.asarray(train, dtype=float), np.asarray(mean, dtype=float)
    if not np.isfinite(losses).all() or losses.max() > bound:
        raise ValueError(f"losses must be finite and at most the bound {bound:g}: clip them")
    gaps, left = bound - losses, bound - wanted
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
    found = np.where(wanted <= losses.mean(-1), 0.0, np.maximum(found, 0.0))
    return np.asarray(np.where(left <= 0, np.inf, found))


def nominal_margin(train: ArrayLike, test: ArrayLike, r: float, alpha: float, bound: float) -> float:
    """G6: the worst case over all training losses, with the radius of the training, less the mean on test data.

    Negative where the nominal bound does not hold. All losses are clipped at the bound.
    """
    clipped = torch.as_tensor(np.minimum(np.asarray(train, dtype=float), bound))
    value = worst_case(clipped, r, alpha, bound).value.item()
    return value - float(np.minimum(test, bound).mean())


def dispersion(robust: ArrayLike, clean: ArrayLike) -> float:
    """G7: standard deviation of the robust losses over that of the clean ones; nan where the latter do not vary.

    >>> dispersion([0, 4], [1, 3])
    2.0
    """
    spread = float(np.asarray(clean, dtype=float).std())
    return float(np.asarray(robust, dtype=float).std()) / spread if spread > 0 else float("nan")


class HalvesGap(NamedTuple):
    """G8: what chance alone does to a mean over held-out images.

    Attributes:
        difference: of the means over two disjoint halves.
        expected: its standard deviation, sqrt(2 variance / images in a half).
    """

    difference: float
    expected: float


def halves_gap(losses: ArrayLike, seed: int = 0) -> HalvesGap:
    """G8: the losses on held-out images, cut in two at random; at least 4 of them."""
    shuffled = np.random.default_rng(seed).permutation(np.asarray(losses, dtype=float))
    size = len(shuffled) // 2
    difference = shuffled[:size].mean() - shuffled[size : 2 * size].mean()
    return HalvesGap(float(difference), float(np.sqrt(2 * shuffled.var(ddof=1) / size)))
