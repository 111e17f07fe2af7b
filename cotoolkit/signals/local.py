"""How linear the loss is inside the ball: signals that take extra passes through the network.

All are per-sample values (B,). Gradients are those of the summed cross-entropy, so each sample has its own.
"""

from __future__ import annotations

from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import signal
from cotoolkit.signals.vectors import lengths, paired_cosines


@signal(
    title="gradient alignment",
    unit="cosine",
    cost=Cost(2, 2),
    at_break="falls",
    source="Andriushchenko & Flammarion, NeurIPS 2020",
)
def gradient_alignment(clean_gradient: Tensor, noisy_gradient: Tensor) -> Tensor:
    """Cosine between the input gradients at x and at x + noise.

    1 where the loss is linear inside the ball; near 0 after catastrophic overfitting.

    >>> import torch
    >>> gradient_alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    tensor([0.])

    Args:
        clean_gradient: (B, ...), at x.
        noisy_gradient: (B, ...), at x + noise.

    Returns:
        (B,), in [-1, 1]; nan where one of the two is zero.
    """
    return paired_cosines(clean_gradient, noisy_gradient)


@signal(
    title="Taylor residual",
    unit="squared nats",
    log=True,
    cost=Cost(2, 1),
    at_break="rises",
    source="local linearity: Qin et al., NeurIPS 2019; squared at random pairs in ELLE's code, ICLR 2024",
)
def taylor_residual(losses: Tensor, moved_losses: Tensor, gradient: Tensor, displacement: Tensor) -> Tensor:
    """(L(x') - L(x) - <x' - x, g(x)>)^2: what the first-order expansion misses; 0 where the loss is linear.

    >>> import torch
    >>> gradient, step = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])  # from 1, a loss of 3 is expected
    >>> taylor_residual(torch.tensor([1.0]), torch.tensor([5.0]), gradient, step)
    tensor([4.])

    Args:
        losses: (B,), at x.
        moved_losses: (B,), at x'.
        gradient: (B, ...), at x.
        displacement: (B, ...), x' - x.

    Returns:
        (B,), at least 0, in squared units of the loss.
    """
    expected = (gradient * displacement).flatten(1).sum(1)
    return (moved_losses - losses - expected).square()


@signal(
    title="linearisation error",
    unit="ratio",
    log=True,
    cost=Cost(2, 1),
    at_break="rises",
    source="C. Gomes, false_sense_of_security; its Table 3: 0.30 and 0.43 healthy, 3.4 after a breakpoint",
)
def linearisation_error(losses: Tensor, moved_losses: Tensor, gradient: Tensor, displacement: Tensor) -> Tensor:
    """|L(x) + <x' - x, g(x)> - L(x')| / |L(x')|: what the first-order expansion misses, as a share of the loss.

    Their code sums <x' - x, g(x)> over the batch; here each sample has its own.

    >>> import torch
    >>> gradient, step = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])  # from 1, a loss of 3 is expected
    >>> linearisation_error(torch.tensor([1.0]), torch.tensor([4.0]), gradient, step)
    tensor([0.2500])

    Args:
        losses: (B,), at x.
        moved_losses: (B,), at x', a random corner x +- epsilon of the ball.
        gradient: (B, ...), at x.
        displacement: (B, ...), x' - x.

    Returns:
        (B,), at least 0; nan or infinite where L(x') is 0.
    """
    expected = losses + (gradient * displacement).flatten(1).sum(1)
    return (expected - moved_losses).abs() / moved_losses.abs()


@signal(
    title="bilinear error",
    unit="squared nats",
    log=True,
    cost=Cost(3, 0),
    at_break="rises",
    source="ELLE: Abad Rocamora et al., ICLR 2024 (read in its code)",
)
def bilinear_error(first_losses: Tensor, second_losses: Tensor, mixed_losses: Tensor, share: Tensor) -> Tensor:
    """(L(x_c) - (1 - a) L(x_a) - a L(x_b))^2 with x_c = (1 - a) x_a + a x_b: how far the loss is from its chord.

    >>> import torch
    >>> at_a, at_b, share = torch.tensor([1.0]), torch.tensor([5.0]), torch.tensor([0.25])  # the chord is at 2
    >>> bilinear_error(at_a, at_b, torch.tensor([4.0]), share)
    tensor([4.])

    Args:
        first_losses: (B,), at x_a.
        second_losses: (B,), at x_b.
        mixed_losses: (B,), at x_c.
        share: (B,), a in [0, 1].

    Returns:
        (B,), at least 0, in squared units of the loss.
    """
    return (mixed_losses - (1 - share) * first_losses - share * second_losses).square()


@signal(
    title="input curvature",
    unit="l2 norm",
    log=True,
    cost=Cost(2, 2),
    at_break="rises",
    source="CURE: Moosavi-Dezfooli et al., CVPR 2019",
)
def input_curvature(gradient: Tensor, moved_gradient: Tensor) -> Tensor:
    """|g(x + h z) - g(x)|_2 with z = sign g / |sign g|_2: a finite difference of the gradient.

    Divided by h it estimates the length of the Hessian's product with z. CURE's code takes h = 3.

    >>> import torch
    >>> input_curvature(torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 4.0]]))
    tensor([5.])

    Args:
        gradient: (B, ...), at x.
        moved_gradient: (B, ...), at x + h z.

    Returns:
        (B,), l2 lengths, in the unit of the gradients.
    """
    return lengths(moved_gradient - gradient)
