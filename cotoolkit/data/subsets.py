"""Parts of a set: a draw in which every class keeps its share, its complement, and random subsets."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.core.seeding import generator as seeded


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
    _, places, counts = labels.unique(return_inverse=True, return_counts=True)
    scaled = counts * size  # in whole numbers: remainders must compare exactly
    quota = scaled // len(labels)
    by_remainder = torch.argsort(scaled % len(labels), descending=True, stable=True)
    quota[by_remainder[: size - int(quota.sum())]] += 1

    picked = []
    for place, wanted in enumerate(quota.tolist()):
        members = torch.nonzero(places == place).flatten()
        picked.append(members[torch.randperm(len(members), generator=generator, device=generator.device)[:wanted]])
    return torch.cat(picked).sort().values


def remaining(size: int, taken: Tensor) -> Tensor:
    """The indices from 0 to `size` - 1 that were not taken.

    Args:
        size: of the set.
        taken: (n,) int64.

    Returns:
        (size - n,) int64, ascending.
    """
    left = torch.ones(size, dtype=torch.bool)
    left[taken] = False
    return torch.nonzero(left).flatten()


def random_subset(count: int, number: int, share: float, seed: int) -> Tensor:
    """Which of `count` images belong to a random subset, floor(share * count) of them.

    With a share of one half, subsets 2 k and 2 k + 1 are complements (of an odd count, the even one is smaller by 1):
    after every pair of them each image has been in exactly one.

    Args:
        count: images.
        number: which subset, from 0.
        share: of the images, in (0, 1).
        seed: of the cut.

    Returns:
        (count,) bool.
    """
    halves = share == 0.5
    order = torch.randperm(count, generator=seeded(seed, "subset", number // 2 if halves else number), device="cpu")
    inside = torch.zeros(count, dtype=torch.bool)
    inside[order[: int(share * count)]] = True
    return ~inside if halves and number % 2 else inside
