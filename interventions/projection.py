"""The span of a carrier: reading it off images and perturbations, and removing it from them."""

from __future__ import annotations

import functools

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention, check_floating, check_same_image
from interventions.carriers import Carrier, CarrierField

ENTRY_ERROR = 1e-5
"""Relative error of a vector's entries that makes no direction of its own: 84 rounding errors of float32, in which most
vectors were once stored or computed."""


def span_basis(vectors: Tensor) -> Tensor:
    """Orthonormal basis of the span of the vectors, as many as their numerical rank.

    From a singular value decomposition in float64 of the vectors at length 1, so that a long one hides no short one.
    Errors of relative size e in n such vectors move no singular value by more than e sqrt(n) (Weyl), so what lies below
    that counts as zero, with e = `ENTRY_ERROR` or, if larger, the rounding error of the vectors' dtype. The mistakes
    are not alike: one direction too many takes something arbitrary out of every image, one too few leaves at most that
    small share of the vectors. Vectors that repeat or negate each other add nothing: the paper's ten have rank 5.

    Shapes: (n, ...) -> (rank, ...), float64, on the CPU.
    """
    from scipy.linalg import svd

    flat = vectors.detach().to("cpu").double().flatten(1)
    matrix = flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    # By QR iterations: torch's divide and conquer gives up, on some processors, where many singular values are equal.
    _, values, directions = svd(matrix.numpy(), full_matrices=False, lapack_driver="gesvd")
    tolerance = max(ENTRY_ERROR, torch.finfo(vectors.dtype).eps) * len(matrix) ** 0.5
    return torch.from_numpy(directions[values > tolerance]).reshape(-1, *vectors.shape[1:])


def feature_coefficients(images: Tensor, vectors: Tensor) -> Tensor:
    """Coefficient <x, v_j> / ||v_j||^2 of each image along each vector.

    For perturbations, -coefficient / epsilon along the vector of the own class is 1 where a perturbation of L-inf norm
    epsilon does nothing but cancel a sign feature.

    Args:
        images: (B, C, H, W), floating, or perturbations of that shape.
        vectors: (n, C, H, W), on the same device.

    Returns:
        (B, n); half precision is computed, and returned, in float32.

    Raises:
        InterventionError: the images are not floating, or the vectors of another shape.
    """
    check_floating(images, "images")
    check_same_image(images, vectors, "vectors")
    flat = vectors.flatten(1).to(_precision(images))
    return images.flatten(1).to(flat.dtype) @ flat.mT / flat.square().sum(dim=1)


def feature_share(delta: Tensor, vectors: Tensor) -> Tensor:
    """Share of the energy of each perturbation that lies in the span of the vectors, in [0, 1].

    Random signs give rank / d: 5 / 3072 for the paper's ten vectors. A zero perturbation gives nan.

    Args:
        delta: (B, C, H, W), floating: perturbations.
        vectors: (n, C, H, W).

    Returns:
        (B,), in [0, 1]; half precision is computed, and returned, in float32.

    Raises:
        InterventionError: the perturbations are not floating, or the vectors of another shape.
    """
    check_floating(delta, "perturbations")
    check_same_image(delta, vectors, "vectors")
    flat = delta.flatten(1).to(_precision(delta))
    flat = flat / flat.abs().amax(dim=1, keepdim=True)  # the squares of tiny entries would vanish
    inside = flat @ span_basis(vectors).to(flat.dtype).to(flat.device).flatten(1).mT
    share = inside.square().sum(dim=1) / flat.square().sum(dim=1)
    return share.clamp(max=1)  # by rounding alone it is more


def remove_span(images: Tensor, basis: Tensor) -> Tensor:
    """Images minus their projection on an orthonormal basis; half precision is computed in float32.

    Args:
        images: (B, C, H, W), floating.
        basis: (r, C, H, W), orthonormal.

    Returns:
        (B, C, H, W), in the dtype of the images.

    Raises:
        InterventionError: the images are not floating, or the basis of another shape.
    """
    check_floating(images, "images")
    check_same_image(images, basis, "directions of the basis")
    directions = basis.flatten(1)
    flat = images.flatten(1).to(directions.dtype)
    return (flat - flat @ directions.mT @ directions).reshape(images.shape).to(images.dtype)


@INTERVENTIONS.register("project")
@dataclass(frozen=True, config=STRICT)
class Project(Intervention):
    """Remove the span of a carrier: x - P_V x, with as many directions as the carrier has rank.

    The orthogonal variant as intended (known from the released code, which removes more: see `ReleasedProject`). With
    the paper's ten vectors five directions and 3.8 % of CIFAR-10's pixel energy; the constant image is kept. Needs the
    number of classes but no labels.

    Args:
        carrier: whose span is removed.
    """

    carrier: CarrierField

    @override
    def class_count(self, classes: int | None) -> int:
        return self.carrier.class_count(classes)

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        basis = _span(self.carrier, self.class_count(classes), _shape(images), _precision(images), images.device)
        return remove_span(images, basis), labels


@INTERVENTIONS.register("released_project")
@dataclass(frozen=True, config=STRICT)
class ReleasedProject(Intervention):
    """The projection as the paper's released code computes it: a fault, kept for comparison.

    All n columns of Q from the float32 QR of the d x n matrix of vectors are removed, whatever its rank. With the
    paper's ten vectors of rank 5 the other five directions are round-off, differ between LAPACK builds, and may take
    most of an image with them. Known from the released code; which directions the paper's machine removed is unknown.

    Args:
        carrier: whose directions are removed.
    """

    carrier: CarrierField

    @override
    def class_count(self, classes: int | None) -> int:
        return self.carrier.class_count(classes)

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        vectors = self.carrier.vectors(classes, _shape(images))
        columns, _ = torch.linalg.qr(vectors.flatten(1).mT)
        basis = columns.mT.reshape(vectors.shape)
        return remove_span(images, basis.to(_precision(images)).to(images.device)), labels


@functools.lru_cache(maxsize=32)
def _span(
    carrier: Carrier, classes: int, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):  # a cached inference tensor would break a later backward pass
        return span_basis(carrier.vectors(classes, shape, torch.float64)).to(dtype).to(device)


def _shape(images: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = images.shape
    return channels, height, width


def _precision(images: Tensor) -> torch.dtype:
    return torch.promote_types(images.dtype, torch.float32)
