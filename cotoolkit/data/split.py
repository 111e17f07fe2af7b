"""Draw part of a set so that every class keeps its share."""

from __future__ import annotations

import torch
from torch import Tensor


def stratified(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Indices of `size` random images, in data set order, with the class shares of the whole set.

    Each class gives its proportional number of images rounded down; the classes that lost most by the rounding give one
    more (largest remainder; ties go to the lower label). On a balanced set the class counts differ by at most 1.

    Args:
        labels: (N,) int64 on the CPU.
        size: from 0 to N.
        generator: CPU generator.

    Returns:
        (size,) int64, ascending, without repeats.
    """
    counts = torch.bincount(labels)
    scaled = counts * size  # in whole numbers: remainders must compare exactly
    quota = scaled // len(labels)
    by_remainder = torch.argsort(scaled % len(labels), descending=True, stable=True)
    quota[by_remainder[: size - int(quota.sum())]] += 1

    picked = []
    for label, wanted in enumerate(quota.tolist()):
        members = torch.nonzero(labels == label).flatten()
        picked.append(members[torch.randperm(len(members), generator=generator)[:wanted]])
    return torch.cat(picked).sort().values


def rest(size: int, taken: Tensor) -> Tensor:
    """The indices from 0 to size - 1 that are not in `taken`, ascending."""
    left = torch.ones(size, dtype=torch.bool)
    left[taken] = False
    return torch.nonzero(left).flatten()
