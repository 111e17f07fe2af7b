"""What a protocol finds: an accuracy with its interval, and which points it is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from cotoolkit.evaluation.intervals import wilson


class Accuracy(NamedTuple):
    """An accuracy with its 95 % Wilson interval.

    Attributes:
        value: share of correct points, in [0, 1].
        low: lower end of the interval.
        high: upper end of the interval.
        points: number of points.
    """

    value: float
    low: float
    high: float
    points: int

    @classmethod
    def of(cls, correct: Tensor) -> Accuracy:
        """From a boolean tensor (N,), N >= 1.

        Raises:
            ConfigError: it is empty.
        """
        hits, points = int(correct.sum()), len(correct)
        low, high = wilson(hits, points)
        return cls(hits / points, low, high, points)


class Evaluation(NamedTuple):
    """Outcome of one protocol.

    Attributes:
        accuracy: with its Wilson interval.
        correct: (N,) bool, which points stayed correct throughout.
        gradient_evaluations: input gradients computed, counted per point.
        broken: points whose outputs are nan or infinite, which count as wrong: at the image, or where the last iterate
            alone is scored, there.
        card: the protocol card, with its hash.
    """

    accuracy: Accuracy
    correct: Tensor
    gradient_evaluations: int
    broken: int
    card: dict[str, Any]
