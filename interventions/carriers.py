"""Carriers: the discriminative features that are injected, one vector per class.

A carrier is data about vectors, not the vectors: a frozen, registered, JSON-able dataclass that builds them for a
number of classes and an image shape. Every vector is scaled to norm 1, over all its entries, in the carrier's `norm`,
so that the strength beta of an injection is the norm of what is added, whatever the carrier.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, PlainSerializer, PlainValidator
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.registry import STRICT, Registered, Registry
from interventions.base import InterventionError
from interventions.patterns import patterns, released_row_patterns, zigzag


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
        """The vectors of all classes, (classes, C, H, W). They are cached and shared: do not write to them.

        Args:
            classes: number of classes; None only for a carrier that fixes it itself.
            shape: (C, H, W).
            dtype: of the result; vectors are built in float64.
            device: of the result.

        Raises:
            InterventionError: the number of classes is missing, or the carrier has no vectors for it or for the shape.
        """
        return _placed(self, self.class_count(classes), tuple(shape), dtype, torch.device(device))

    def class_count(self, classes: int | None) -> int:
        """Number of classes, given that the caller said `classes`."""
        if classes is None:
            raise InterventionError(f"carrier {self.name} needs the number of classes: pass classes=10")
        if classes < 1:
            raise InterventionError(f"carrier {self.name} needs at least one class, not {classes}")
        return classes

    @abstractmethod
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        """Vectors in any scale: (classes, C, H, W), float64, on the CPU, none of them zero."""

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


@dataclass(frozen=True, config=STRICT)
class FrequencyCarrier(Carrier):
    """Base of the carriers made of one DCT frequency per vector, the same for every colour channel.

    Args:
        wave: `sign` gives the binary patterns +1 / -1 of the paper; `cosine` the smooth DCT basis vectors themselves,
            of the same L-inf norm: the control for the sharp edges.
        band: `low` takes the frequencies from the lowest on, as the paper does; `high` from the highest down: the
            control for where in the spectrum the feature lies.
    """

    wave: Literal["sign", "cosine"] = field(default="sign", kw_only=True)
    band: Literal["low", "high"] = field(default="low", kw_only=True)

    def _patterns(self, order: list[tuple[int, int]], count: int, shape: tuple[int, int, int]) -> Tensor:
        frequencies = (order if self.band == "low" else order[::-1])[:count]
        planes = patterns(frequencies, *shape[1:], binary=self.wave == "sign")
        return planes[:, None].expand(-1, shape[0], -1, -1)


@CARRIERS.register("paired", "sign_dct")
@dataclass(frozen=True, config=STRICT)
class Paired(FrequencyCarrier):
    """The paper's features: each frequency serves two classes, with opposite signs.

    With n classes, the first ceil(n / 2) get v = sign(IDCT2(e_pq)) for the frequencies (0,1), (1,0), (1,1), (2,1),
    (1,2), p vertical; the others get -v in the same order. For 10 classes that is the set of the paper's Figure 1
    (known): v_{c+5} = -v_c, rank 5, the five orthogonal where the image sides are multiples of 4. For more classes the
    zig-zag order continues (ours); up to 2 (H W - 1) classes.

    >>> Paired().vectors(4, (1, 2, 2)).flatten(1)
    tensor([[ 1., -1.,  1., -1.],
            [ 1.,  1., -1., -1.],
            [-1.,  1., -1.,  1.],
            [-1., -1.,  1.,  1.]])
    """

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        first = [(0, 1), (1, 0), (1, 1), (2, 1), (1, 2)]
        all_frequencies = zigzag(*shape[1:])
        order = [pq for pq in first if pq in all_frequencies] + [pq for pq in all_frequencies if pq not in first]
        self._refuse_beyond(2 * len(order), classes, shape)
        half = self._patterns(order, (classes + 1) // 2, shape)
        return torch.cat([half, -half])[:classes]


@CARRIERS.register("zigzag")
@dataclass(frozen=True, config=STRICT)
class ZigZag(FrequencyCarrier):
    """One frequency per class, in zig-zag order without (0, 0); up to H W - 1 classes, all different.

    What the released code's builder for any number of classes means to do (known from that code; see `ReleasedRows`
    for what it does). The patterns are not orthogonal: on 32 x 32 the largest |cosine| is 0.375 for 10 classes and 0.5
    for 100. Not the set of `Paired`, even for 10 classes.
    """

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        order = zigzag(*shape[1:])
        self._refuse_beyond(len(order), classes, shape)
        return self._patterns(order, classes, shape)


@CARRIERS.register("released_rows")
@dataclass(frozen=True, config=STRICT)
class ReleasedRows(Carrier):
    """The released code's builder for any number of classes: a fault, kept for comparison.

    The frequency (p, q) is used as a list of two row indices and fills rows p and q of the spectrum completely (known
    from the released code, which never calls it). Classes share vectors: of 10 only 6 differ, of 100 only 55.
    """

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        channels, height, width = shape
        order = [pq for pq in zigzag(height, width) if max(pq) < height]  # q is used as a row, too
        self._refuse_beyond(len(order), classes, shape)
        planes = released_row_patterns(order[:classes], height, width)
        return planes[:, None].expand(-1, channels, -1, -1)


@CARRIERS.register("random_orthonormal")
@dataclass(frozen=True, config=STRICT)
class RandomOrthonormal(Carrier):
    """Uniformly random mutually orthogonal directions, colour channels included; up to C H W classes.

    Orthonormal with `norm="l2"`. With `norm="linf"` orthogonal, with a largest entry of 1: they look like Gaussian
    noise and carry about 1 / 16 of the energy of a sign pattern on 3 x 32 x 32. A control of ours.

    Args:
        seed: of a CPU generator of its own.
    """

    seed: int = 0

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        channels, height, width = shape
        self._refuse_beyond(channels * height * width, classes, shape)
        generator = torch.Generator().manual_seed(self.seed)
        gauss = torch.randn(channels * height * width, classes, dtype=torch.float64, generator=generator, device="cpu")
        directions: Tensor
        triangle: Tensor
        directions, triangle = torch.linalg.qr(gauss)
        # With a positive diagonal of R the factorisation is unique, and Q uniform (Mezzadri 2007).
        return (directions * triangle.diagonal().sign()).mT.reshape(classes, *shape)


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
"""(classes, C, H, W) as nested tuples, so that the carrier stays JSON-able; taken from tensors and arrays as well."""


@CARRIERS.register("given")
@dataclass(frozen=True, config=STRICT, repr=False)
class Given(Carrier):
    """Your own vectors, one per class: (classes, C, H, W) as tensor, array or nested lists, none of them zero.

    Scaled to norm 1 like all others. It fixes the number of classes and the image shape. The numbers are part of the
    configuration; a large set is better written as a carrier class of your own.
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
