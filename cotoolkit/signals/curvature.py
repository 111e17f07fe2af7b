"""Curvature of the loss in the input, by Hessian-vector products."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import signal
from cotoolkit.signals.vectors import lengths

Gradient = Callable[[Tensor], Tensor]
"""From images (B, ...) to the input gradients (B, ...) of each sample's loss, differentiable in the images."""

Product = Callable[[Tensor, bool], Tensor]
"""From vectors (B, ...) of length 1 to Hessian-vector products, and whether it is the last one."""

STEPS = 10
"""Power iterations; the relative error falls with the gap between the two largest eigenvalues to the power 2 STEPS."""


@signal(
    title="top eigenvalue of the input Hessian",
    cost=Cost(1, 1 + STEPS, STEPS),
    at_break="rises",
    source="power iteration as in analyses of CURE, CVPR 2019",
)
def top_hessian_eigenvalue(
    gradient_of: Gradient, images: Tensor, generator: torch.Generator, steps: int = STEPS, h: float | None = None
) -> Tensor:
    """The eigenvalue of largest magnitude of each sample's input Hessian, with its sign, by power iteration.

    Networks of ReLU are piecewise linear: their Hessian comes from the softmax alone, and misses the kinks. With `h`
    products are central differences of gradients, (g(x + hv) - g(x - hv)) / 2h with v of length 1, which count the
    kinks between. What sends v there is no matrix then, and the result no eigenvalue but a mean curvature over 2h.

    >>> draws = torch.Generator().manual_seed(0)
    >>> top_hessian_eigenvalue(lambda x: torch.tensor([3.0, -5.0]) * x, torch.zeros(1, 2), draws, steps=30)
    tensor([-5.])

    Args:
        gradient_of: see `Gradient`; samples must not influence each other (batch norm in eval mode).
        images: (B, ...), where.
        generator: draws the start, on any device.
        steps: Hessian-vector products, at least 1.
        h: l2 distance of the differences, above 0, in pixel units; None differentiates. They take 2 forward and 2
            backward passes a product.

    Returns:
        (B,), the Rayleigh quotient after the last product, in nats per squared pixel unit; 0 where the Hessian sends
        the start to zero.

    Raises:
        ValueError: `h` is not above 0.
    """
    if h is not None and not h > 0:
        raise ValueError(f"h={h}: differences need a distance above 0")
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        product_of = _derivative(gradient_of, images) if h is None else _differences(gradient_of, images, h)
        vector = torch.randn(images.shape, generator=generator, device=generator.device, dtype=torch.float32).to(images)
        eigenvalue = images.new_zeros(len(images))
        for step in range(steps):
            vector = _unit(vector)
            product = product_of(vector, step + 1 == steps)
            eigenvalue = (vector * product).flatten(1).sum(1)
            vector = product
    return eigenvalue


def _derivative(gradient_of: Gradient, images: Tensor) -> Product:
    gradient = gradient_of(images)

    def product(vector: Tensor, last: bool) -> Tensor:
        if not gradient.requires_grad:  # constant in the images: nothing bends
            return torch.zeros_like(vector)
        (found,) = torch.autograd.grad(gradient, images, vector, retain_graph=not last, materialize_grads=True)
        return found

    return product


def _differences(gradient_of: Gradient, images: Tensor, h: float) -> Product:
    def product(vector: Tensor, last: bool) -> Tensor:
        ahead, behind = (gradient_of((images + step * vector).detach().requires_grad_()) for step in (h, -h))
        return (ahead - behind).detach() / (2 * h)

    return product


def _unit(vectors: Tensor) -> Tensor:
    tiny = torch.finfo(vectors.dtype).tiny
    return vectors / lengths(vectors).clamp_min(tiny).view(-1, *[1] * (vectors.dim() - 1))
