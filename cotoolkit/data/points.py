"""Images and labels as a network sees them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Points(NamedTuple):
    """Images as a run's model sees them, after its intervention.

    Attributes:
        images: (N, C, H, W) float32.
        labels: (N,) int64.
        classes: number of classes.
    """

    images: Tensor
    labels: Tensor
    classes: int

    def first(self, count: int) -> Points:
        """The first `count` of them."""
        return self._replace(images=self.images[:count], labels=self.labels[:count])
