"""What a carrier is: the discriminative features that are injected, one vector per class.

A carrier is data about vectors, not the vectors: a frozen, registered, JSON-able dataclass that builds them for a
number of classes and an image shape. Every vector is scaled to norm 1, over all its entries, in the carrier's `norm`,
so that the strength beta of an injection is the norm of what is added, whatever the carrier.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Annotated, Literal

import torch
from pydantic import PlainSerializer, PlainValidator
from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.registry import STRICT, Registered, Registry
from interventions.base import InterventionError


@dataclass(frozen=True, config=STRICT)
class Carrier(Registered, ABC):
    """Base of the carriers.

    Args:
        norm: `linf` gives entries of magnitude at most 1 (exactly 1 for sign patterns), the paper's convention for
            L-inf attacks; `l2` gives Euclidean norm 1. The paper's L2 set is unknown.
    """

    norm: Literal["linf", "l2"] = field(default="linf", kw_only=True)

    def vectors(
        self,
        classes: int | None,
        shape: tuple[int, int, int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """The vectors of all classes, (classes, C, H, W); they are cached and shared: do not write to them.

        Args:
            classes: number of classes; None only for a carrier that fixes it itself.
            shape: (C, H, W).
            dtype: of the result; vectors are built in float64.
            device: of the result.

        Returns:
            The vectors, each of norm 1.

        Raises:
            InterventionError: the number of classes is missing, or the carrier has no vectors for it or for the shape.
        """
        return _placed(self, self.class_count(classes), tuple(shape), dtype, torch.device(device))

    def class_count(self, classes: int | None) -> int:
        """Number of classes, given that the caller said `classes`.

        Raises:
            InterventionError: it is missing, or does not fit the carrier.
        """
        if classes is None:
            raise InterventionError(f"carrier {self.name} needs the number of classes: pass classes=10")
        if classes < 1:
            raise InterventionError(f"carrier {self.name} needs at least one class, not {classes}")
        return classes

    @abstractmethod
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        """Vectors in any scale.

        Args:
            classes: how many.
            shape: (C, H, W).

        Returns:
            (classes, C, H, W), float64, on the CPU, none of them zero.
        """

    def _refuse_beyond(self, capacity: int, classes: int, shape: tuple[int, int, int]) -> None:
        if classes > capacity:
            size = " x ".join(str(length) for length in shape)
            raise InterventionError(f"carrier {self.name} has {capacity} vectors for {size} images, not {classes}")


CARRIERS = Registry[Carrier]("carrier")
"""Every carrier by name."""

CarrierField = Annotated[Carrier, PlainValidator(CARRIERS.parse), PlainSerializer(CARRIERS.dump)]
"""A carrier as a field of a pydantic class: takes an instance, a name or a mapping, and dumps a mapping."""


@functools.lru_cache(maxsize=32)
def _placed(
    carrier: Carrier, classes: int, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):  # a cached inference tensor would break a later backward pass
        vectors = carrier.build(classes, shape)
        order = 2 if carrier.norm == "l2" else torch.inf
        scale: Tensor = torch.linalg.vector_norm(vectors, ord=order, dim=(1, 2, 3), keepdim=True)
        return (vectors / scale).to(dtype).to(device)  # in two steps: not every device has float64
