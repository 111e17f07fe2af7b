"""Integrands of the local regulariser: how much a network changes from the centre of a ball to another point of it.

A `LocalSample` is what the network says at the points of a batch. All integrands take the one at the centre first.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cotoolkit.methods._terms.divergence import kl_divergence
from cotoolkit.methods._terms.misalignment import misalignment

Integrand = Literal["kl", "ce", "linearity", "alignment", "squared"]
"""What is made small in the ball around a centre c (R in the spec is its value at the worst, or a random, point u).

- `kl`: KL(p(c) || p(u)); needs no label.
- `squared`: squared l2 distance of the logits.
- `ce`: the cross-entropy at u, so the attack goes on inside the ball; with steps it is close to multi-step training.
- `linearity`: |l(u) - l(c) - <u - c, grad l(c)>|, local linearity centred at c; second order.
- `alignment`: 1 - cos(grad l(c), grad l(u)), u random; second order. At the clean centre, without a box: GradAlign.
"""

SECOND_ORDER = frozenset({"linearity", "alignment"})
"""Integrands that contain an input gradient, so that the update differentiates one."""


class LocalSample(NamedTuple):
    """What a network says at a batch of points.

    Attributes:
        points: (B, C, H, W).
        logits: (B, classes).
        gradient: (B, C, H, W), of each sample's cross-entropy; None where the integrand needs none.
    """

    points: Tensor
    logits: Tensor
    gradient: Tensor | None = None

    def losses(self, labels: Tensor) -> Tensor:
        """The cross-entropy, (B,)."""
        return F.cross_entropy(self.logits.float(), labels, reduction="none")

    def detached(self) -> LocalSample:
        """The same as constants."""
        gradient = None if self.gradient is None else self.gradient.detach()
        return LocalSample(self.points.detach(), self.logits.detach(), gradient)


def local_term(integrand: Integrand, centre: LocalSample | None, here: LocalSample, labels: Tensor) -> Tensor:
    """The integrand's mean over a batch, a scalar.

    Args:
        integrand: which.
        centre: what the network says at c, its gradient too where the integrand is of second order; None for `ce`.
        here: the same at u; with its gradient for `alignment`.
        labels: (B,).

    Returns:
        A scalar with the graph of its arguments.

    Raises:
        ValueError: a gradient that the integrand needs is missing.
    """
    if centre is None:
        return here.losses(labels).mean()
    if integrand == "kl":
        return kl_divergence(centre.logits, here.logits).mean()
    if integrand == "squared":
        return (here.logits.float() - centre.logits.float()).square().sum(1).mean()
    if centre.gradient is None:
        raise ValueError(f"{integrand} needs the gradient at the centre")
    if integrand == "linearity":
        return linearity_error(
            centre.losses(labels), here.losses(labels), centre.gradient, here.points - centre.points
        ).mean()
    if here.gradient is None:
        raise ValueError("alignment needs the gradient at both points")
    return misalignment(centre.gradient, here.gradient)


def linearity_error(losses: Tensor, moved_losses: Tensor, gradient: Tensor, displacement: Tensor) -> Tensor:
    """|l(u) - l(c) - <u - c, grad l(c)>| of each sample; on a quadratic exactly half the second-order term's size.

    Args:
        losses: (B,), at c.
        moved_losses: (B,), at u.
        gradient: (B, ...), at c.
        displacement: (B, ...), u - c.

    Returns:
        (B,), at least 0.
    """
    expected = (gradient * displacement).flatten(1).sum(1)
    return (moved_losses - losses - expected).abs()


def loss_gradients(logits: list[Tensor], points: list[Tensor], labels: Tensor, *, create_graph: bool) -> list[Tensor]:
    """Per-sample gradients of the cross-entropy at points whose logits have their graph, in one call of autograd.

    Args:
        logits: of each of several batches of points, (B, classes), with their graph.
        points: (B, C, H, W) each, those the logits are at.
        labels: (B,), the same for all.
        create_graph: so that the gradients can be differentiated.

    Returns:
        The gradients (B, C, H, W), one for each batch of points.
    """
    losses = [F.cross_entropy(part.float(), labels, reduction="sum") for part in logits]
    total = torch.stack(losses).sum()
    return list(torch.autograd.grad(total, points, create_graph=create_graph, retain_graph=True))
