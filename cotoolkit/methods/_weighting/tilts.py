"""Other weights for the losses of a batch: what Holistic Robust weights are compared with.

All are (n,) float64 and sum to 1. Weights that should be as uneven as given ones are matched in effective sample size
(ESS), 1 / sum p^2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods._weighting.worst_case import effective_share, remove

HALVINGS = 60
"""How often the search for a temperature halves its range, over a factor of 10^12."""


def uniform(losses: Tensor) -> Tensor:
    """1 / n each."""
    return torch.full_like(losses, 1 / len(losses), dtype=torch.float64)


def permuted(weights: Tensor, keys: Tensor) -> Tensor:
    """The same weights in another order, that of random keys: what they have to do with the losses is lost.

    Args:
        weights: (n,).
        keys: (n,), random.

    Returns:
        (n,).
    """
    return weights[keys.argsort(stable=True)]


def inverse(weights: Tensor, losses: Tensor) -> Tensor:
    """The same weights the other way round: the largest goes to the smallest loss, the earlier of equal ones.

    Args:
        weights: (n,).
        losses: (n,).

    Returns:
        (n,).
    """
    turned = torch.empty_like(weights)
    turned[losses.argsort(stable=True)] = weights.sort(descending=True).values
    return turned


def subset(weights: Tensor, keys: Tensor) -> Tensor:
    """Uniform on a random subset as large as the weights' effective sample size, rounded: a smaller batch.

    Args:
        weights: (n,).
        keys: (n,), random.

    Returns:
        (n,), 0 outside of the subset.
    """
    size = (effective_share(weights) * len(weights)).round().clamp_min(1)
    chosen = (keys.argsort(stable=True).argsort() < size).double()
    return chosen / chosen.sum()


def drop_lowest(losses: Tensor, share: float) -> Tensor:
    """Uniform on what is left without the share of smallest losses.

    Args:
        losses: (n,).
        share: left out, below 1.

    Returns:
        (n,).
    """
    left, _ = remove(uniform(losses), -losses.double(), share)
    return left / left.sum()


def trim_highest(losses: Tensor, share: float) -> Tensor:
    """Uniform on what is left without the share of largest losses: how one guards against poison.

    Args:
        losses: (n,).
        share: left out, below 1.

    Returns:
        (n,).
    """
    return drop_lowest(-losses, share)


def exponential(losses: Tensor, weights: Tensor) -> Tensor:
    """Proportional to exp(loss / temperature), with the ESS of `weights`: the tilt of the other KL, KL(p || q).

    Where too many losses are equally large for so small an ESS: uniform on these.

    Args:
        losses: (n,).
        weights: (n,), those to be as uneven as.

    Returns:
        (n,).
    """
    losses, target = losses.double(), effective_share(weights)
    below = losses - losses.amax()
    spread = (-below).amax().clamp_min(torch.finfo(torch.float64).tiny)
    low, high = losses.new_tensor(-6.0), losses.new_tensor(6.0)  # log10 of temperature / spread
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_even = effective_share((below / (spread * 10**middle)).softmax(0)) > target
        low, high = torch.where(too_even, low, middle), torch.where(too_even, middle, high)
    return (below / (spread * 10**high)).softmax(0)


def cvar(losses: Tensor, weights: Tensor) -> Tensor:
    """Conditional value at risk: uniform on the m largest losses, m the ESS of `weights`; the last one counts in part.

    With a fraction in m its own ESS is up to one sample larger.

    Args:
        losses: (n,).
        weights: (n,), those to be as uneven as.

    Returns:
        (n,).
    """
    size = (effective_share(weights) * len(weights)).clamp_min(1)
    rank = losses.argsort(descending=True, stable=True).argsort()
    return (size - rank).clamp(0, 1) / size
