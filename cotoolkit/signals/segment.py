"""What happens between an image and its FGSM example: signals of the segment x + k delta, k from 0 to 1.

Both take which points are classified correctly along the segment: (K, B) bool, the first row at the image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import SHARE, signal


@signal(
    title="boundary distortion",
    unit=SHARE,
    cost=Cost(101, 0),
    at_break="rises",
    source="Kim et al., AAAI 2021 (read in its notebook: 100 fractions; any distortion above 0 counts)",
)
def boundary_distortion(correct: Tensor) -> Tensor:
    """1 where both ends of the segment are correct and something between them is wrong, else 0.

    >>> boundary_distortion(torch.tensor([[True, True], [False, True], [True, True]]))
    tensor([1., 0.])

    Args:
        correct: (K, B) bool, rows from the image to the full step, K >= 3.

    Returns:
        (B,); nan where an end is wrong: there a wrong middle is no distortion.
    """
    ends = correct[0] & correct[-1]
    distorted = ~correct[1:-1].all(0)
    return distorted.float().masked_fill(~ends, torch.nan)


@signal(
    title="smallest fraction that fools",
    unit=SHARE,
    cost=Cost(3, 0),
    at_break="falls",
    source="Kim et al., AAAI 2021: a mean below 1 signals distortion (c = 3)",
)
def smallest_fooling_fraction(correct: Tensor) -> Tensor:
    """The smallest k / c with x + (k / c) delta misclassified, and 1 where no fraction is.

    >>> smallest_fooling_fraction(torch.tensor([[True, True], [False, True], [True, True]]))
    tensor([0.5000, 1.0000])

    Args:
        correct: (c + 1, B) bool, row k at the fraction k / c.

    Returns:
        (B,), multiples of 1 / c in (0, 1]; nan where the image itself is misclassified.
    """
    steps = len(correct) - 1
    wrong = ~correct[1:]
    first = torch.where(wrong.any(0), wrong.float().argmax(0) + 1, steps)
    return (first / steps).masked_fill(~correct[0], torch.nan)
