"""A carrier of vectors that somebody gives."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from interventions.base import InterventionError
from interventions.carriers.base import CARRIERS, Carrier


def _nested(value: Any) -> Any:
    """Nested lists of a tensor, array or nested sequence of (classes, C, H, W) numbers, checked as a whole."""
    try:
        vectors = torch.as_tensor(value, dtype=torch.float64, device="cpu").detach()
    except (TypeError, ValueError):
        raise ValueError("vectors must be numbers, and all of the same shape") from None
    if vectors.ndim != 4 or not vectors.numel():
        raise ValueError(f"vectors must be (classes, C, H, W), not {tuple(vectors.shape)}")
    if not vectors.isfinite().all() or not vectors.flatten(1).any(dim=1).all():
        raise ValueError("vectors must be finite and none of them zero")
    return vectors.tolist()


Vectors = Annotated[tuple[tuple[tuple[tuple[float, ...], ...], ...], ...], BeforeValidator(_nested)]
"""Type of the vectors: (classes, C, H, W) as nested tuples, so that the carrier stays JSON-able.

Tensors and arrays are taken as well.
"""


@CARRIERS.register("given")
@dataclass(frozen=True, config=STRICT, repr=False)
class Given(Carrier):
    """Your own vectors, one per class: (classes, C, H, W) as tensor, array or nested lists, none of them zero.

    Scaled to norm 1 like all others. It fixes the number of classes and the image shape. The numbers are part of the
    configuration; a large set is better written as a carrier class of your own.

    Args:
        values: the vectors.

    Raises:
        InterventionError: when built for images of another shape, or for another number of classes.
    """

    values: Vectors

    def __repr__(self) -> str:
        values = self.values
        size = (len(values[0]), len(values[0][0]), len(values[0][0][0]))
        return f"Given({len(values)} vectors of {size}, norm={self.norm!r})"

    @override
    def class_count(self, classes: int | None) -> int:
        if classes not in (None, len(self.values)):
            raise InterventionError(f"carrier given has {len(self.values)} vectors, the data {classes} classes")
        return len(self.values)

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        vectors = torch.tensor(self.values, dtype=torch.float64, device="cpu")
        if vectors.shape[1:] != shape:
            raise InterventionError(f"carrier given has vectors of {tuple(vectors.shape[1:])}, the images are {shape}")
        return vectors
