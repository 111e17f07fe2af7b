"""How much two maps of the same image agree: attributions, gradients or perturbations of two models or methods.

Each score compares all entries of one image's map with the other's; map by map, for a batch. Results lie on the device
of the first batch. Maps of the same images share their zeros (a black pixel has no attribution with a black baseline),
which raises the overlap of magnitudes above that of independent maps.
"""

from __future__ import annotations

import torch
from scipy.stats import rankdata
from torch import Tensor

from cotoolkit.core.errors import ConfigError


def map_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine between two batches of maps, in [-1, 1]; nan where a map is zero.

    Independent random maps of n entries have mean 0 and standard deviation 1 / sqrt(n).

    Args:
        first: (B, ...).
        second: the same shape.

    Returns:
        (B,), float64.

    Raises:
        ConfigError: maps of different shapes.
    """
    a, b = _pair(first, second)
    return (_unit(a) * _unit(b)).sum(1).clamp(-1, 1)


def map_rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation between two batches of maps, in [-1, 1]; ties share their mean rank.

    nan where a map is constant. Independent maps: mean 0.

    Args:
        first: (B, ...).
        second: the same shape.

    Returns:
        (B,), float64.

    Raises:
        ConfigError: maps of different shapes.
    """
    a, b = (torch.from_numpy(rankdata(maps.cpu().numpy(), axis=1)) for maps in _pair(first, second))
    return map_cosine(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)).to(first.device)


def top_overlap(first: Tensor, second: Tensor, share: float = 0.1) -> Tensor:
    """Of the entries of largest magnitude in one map, the part that is also among those of the other, in [0, 1].

    Entries that tie for the last places share them.

    Args:
        first: (B, ...).
        second: the same shape.
        share: how many entries count as large, as a share of all, in (0, 1]; at least one. Independent maps without
            common zeros overlap by this much.

    Returns:
        (B,). nan where a map is zero.

    Raises:
        ConfigError: a share outside (0, 1], or maps of different shapes.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"share={share}: the share of entries that count as large lies in (0, 1]")
    a, b = _pair(first, second)
    k = max(1, round(share * a.shape[1]))
    zero = (a == 0).all(1) | (b == 0).all(1)
    return (torch.minimum(_among_largest(a, k), _among_largest(b, k)).sum(1) / k).masked_fill(zero, torch.nan)


def _among_largest(values: Tensor, k: int) -> Tensor:
    """1 for the k entries of largest magnitude of each row, equal shares of what is left for ties at the k-th."""
    sizes = values.abs()
    least = sizes.topk(k, dim=1).values[:, -1:]
    above, tied = (sizes > least).to(sizes), (sizes == least).to(sizes)
    return above + tied * (k - above.sum(1, keepdim=True)) / tied.sum(1, keepdim=True)


def _pair(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    if first.shape != second.shape or first.dim() < 2:
        raise ConfigError(f"maps of shapes {tuple(first.shape)} and {tuple(second.shape)} cannot be compared")
    return first.detach().flatten(1).double(), second.detach().flatten(1).double().to(first.device)


def _unit(vectors: Tensor) -> Tensor:
    """Each row at length 1; nan for zeros. Scaled by the largest entry first: the squares of tiny numbers vanish."""
    vectors = vectors / vectors.abs().amax(1, keepdim=True)
    return vectors / vectors.square().sum(1, keepdim=True).sqrt()
