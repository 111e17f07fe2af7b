"""Perturbations inside a ball: FGM, PGD, the universal dense direction and random directions.

Attacks see a model through its input gradient alone. For a score f and the logistic loss, grad_x loss is a negative
multiple of y grad_x f, so the direction of ascent needs no loss. The perturbation is a constant of the update that
follows [R-med].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld

Norm = Literal["l2", "linf"]
Gradient = Callable[[Tensor], Tensor]
"""Inputs (S, B, d) -> grad_x f, (S, B, d)."""


class Scorer(Protocol):
    """A binary classifier sign(f(x)) that an attack can differentiate."""

    def __call__(self, x: Tensor) -> Tensor:
        """f(x). Shapes: (S, B, d) -> (S, B)."""

    def input_gradient(self, x: Tensor) -> Tensor:
        """grad_x f. Shapes: (S, B, d) -> (S, B, d)."""

    def output_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f(x), (S, B), and grad_x f, (S, B, d)."""


@dataclass(frozen=True)
class BallAttack:
    """Projected gradient ascent on the loss, from the sample itself; one step is FGM (FGSM for linf).

    Steps have length 2.5 radius / steps, and never more than the radius [M].

    Attributes:
        norm: of the ball.
        radius: of the ball.
        steps: of the ascent.
    """

    norm: Norm
    radius: float
    steps: int = 1

    def perturb(self, gradient: Gradient, x: Tensor, y: Tensor) -> Tensor:
        """Perturbations in the ball.

        Args:
            gradient: of the score in the inputs.
            x: samples, (S, B, d).
            y: labels, (S, B).

        Returns:
            (S, B, d).
        """
        length = self.radius * min(1.0, 2.5 / self.steps)
        delta = torch.zeros_like(x)
        for _ in range(self.steps):
            delta = self._project(delta + length * ascent(gradient(x + delta), y, self.norm))
        return delta

    def survivors(self, model: Scorer, x: Tensor, y: Tensor) -> Tensor:
        """Which samples no step of the attack, nor the start, gets misclassified.

        Args:
            model: what is attacked.
            x: samples, (S, B, d).
            y: labels, (S, B).

        Returns:
            Truth values, (S, B).
        """
        right = torch.ones_like(y, dtype=torch.bool)

        def watched(points: Tensor) -> Tensor:
            nonlocal right
            output, gradient = model.output_and_gradient(points)
            right = right & (output * y > 0)
            return gradient

        delta = self.perturb(watched, x, y)
        return right & (model(x + delta) * y > 0)

    def _project(self, delta: Tensor) -> Tensor:
        if self.norm == "linf":
            return delta.clamp(-self.radius, self.radius)
        norms = delta.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(delta.dtype).tiny)
        shrinking: Tensor = self.radius / norms
        return delta * shrinking.clamp_max(1)


def ascent(gradient: Tensor, y: Tensor, norm: Norm) -> Tensor:
    """Where the loss rises fastest.

    Args:
        gradient: grad_x f, (S, B, d).
        y: labels, (S, B).
        norm: in which a step has length 1.

    Returns:
        Of unit norm, or 0 where the gradient is; (S, B, d).
    """
    if norm == "linf":
        return -y[..., None] * gradient.sign()
    norms = gradient.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
    unit: Tensor = gradient / norms
    return -y[..., None] * unit


def universal_direction(world: SyntheticWorld, y: Tensor) -> Tensor:
    """-y D_w: one direction for all samples of a label, which needs no model [R-high].

    Args:
        world: S worlds.
        y: labels, (S, B).

    Returns:
        Unit vectors, (S, B, d).
    """
    toward: Tensor = world.dense_direction[:, None, :]
    return -y[..., None] * toward


def random_direction(d: int, y: Tensor, randoms: Sequence[torch.Generator], *, each: bool = False) -> Tensor:
    """-y times a random unit vector.

    Args:
        d: dimension.
        y: labels, (S, B).
        randoms: one generator per world.
        each: draw one vector for each sample, not one for all.

    Returns:
        Unit vectors, (S, B, d).
    """
    rows = y.shape[-1] if each else 1
    draws = torch.stack([torch.randn(rows, d, generator=random, dtype=y.dtype, device=y.device) for random in randoms])
    unit: Tensor = draws / draws.norm(dim=-1, keepdim=True)
    return -y[..., None] * unit
