"""The symmetric two-layer ReLU network of the theory, with all its gradients in closed form.

    f(x) = sum_i E_rho[ relu(u_i + rho_i - b_i) - relu(-u_i + rho_i - b_i) ],  u_i = <w_i, x>,  rho_i ~ N(0, s_i^2)

Output weights are fixed to +1 and -1, biases follow a rule and are not trained (Allen-Zhu & Li, arXiv 2005.10190;
recalled [R-high]). Biases and smoothing are given in units of ||w_i||, since a fixed bias cannot follow the weights'
growth [M]. S networks, one per seed, are computed side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SymmetricNet:
    """S networks of m units.

    Attributes:
        weights: (S, m, d).
        bias: b_i >= 0, (S, m).
        smoothing: s_i, the standard deviation of the noise before the ReLU, (S, m); None is none, a hard ReLU.
    """

    weights: Tensor
    bias: Tensor
    smoothing: Tensor | None = None

    @classmethod
    def ruled(cls, weights: Tensor, beta: float, sigma_rho: float = 0.0) -> SymmetricNet:
        """Network with b_i = beta ||w_i|| and s_i = sigma_rho ||w_i|| [M].

        Args:
            weights: (S, m, d).
            beta: bias of a unit in units of its norm.
            sigma_rho: smoothing, likewise; 0 is none.

        Returns:
            The S networks.
        """
        norms = weights.norm(dim=-1)
        return cls(weights, beta * norms, sigma_rho * norms if sigma_rho else None)

    def preactivations(self, x: Tensor) -> Tensor:
        """u_i = <w_i, x>. Shapes: (S, B, d) -> (S, B, m)."""
        return x @ self.weights.mT

    def output(self, preactivations: Tensor) -> Tensor:
        """Output f from the preactivations. Shapes: (S, B, m) -> (S, B)."""
        u, b = preactivations, self.bias.unsqueeze(-2)
        if self.smoothing is None:
            excess: Tensor = u - u.clamp(-b, b)  # the two hard ReLUs are one soft threshold
            return excess.sum(-1)
        s = self.smoothing.unsqueeze(-2)
        up, down = _smooth_relu(u - b, s), _smooth_relu(-u - b, s)
        return (up - down).sum(-1)

    def gates(self, preactivations: Tensor) -> Tensor:
        """G_i = df / du_i, in [0, 1]: the share of time a unit is open. Shapes: (S, B, m) -> (S, B, m)."""
        u, b = preactivations, self.bias.unsqueeze(-2)
        if self.smoothing is None:
            return torch.gt(u.abs(), b, out=torch.empty_like(u))  # several times as fast as casting a bool tensor
        s = self.smoothing.unsqueeze(-2)
        share: Tensor = torch.special.ndtr((u - b) / s) + torch.special.ndtr((-u - b) / s)
        return share

    def __call__(self, x: Tensor) -> Tensor:
        """f(x). Shapes: (S, B, d) -> (S, B)."""
        return self.output(self.preactivations(x))

    def input_gradient(self, x: Tensor) -> Tensor:
        """grad_x f = sum_i G_i w_i. Shapes: (S, B, d) -> (S, B, d)."""
        return self.gates(self.preactivations(x)) @ self.weights

    def output_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f(x) and grad_x f for one product with the weights each."""
        u = self.preactivations(x)
        return self.output(u), self.gates(u) @ self.weights

    def loss_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """Gradient in the weights of the mean logistic loss log(1 + exp(-y f)), biases and smoothing held fixed.

        Args:
            x: samples, (S, B, d).
            y: labels, (S, B).

        Returns:
            (S, m, d).
        """
        u = self.preactivations(x)
        slope = -y * torch.sigmoid(-y * self.output(u)) / y.shape[-1]
        return self.gates(u).mT @ (slope[..., None] * x)


def regulariser_gradient(weights: Tensor, strength: float, *, cubic: bool = False) -> Tensor:
    """Gradient of strength * sum_i Reg(w_i), with Reg(w) = ||w||^2 / 2, plus ||w||^3 / 3 if cubic [R-med].

    Args:
        weights: (S, m, d).
        strength: factor of the sum.
        cubic: whether the cubic term is there.

    Returns:
        (S, m, d).
    """
    factor = 1 + weights.norm(dim=-1, keepdim=True) if cubic else 1
    return strength * factor * weights


def _smooth_relu(t: Tensor, s: Tensor) -> Tensor:
    """E relu(t + rho) = t Phi(t / s) + s phi(t / s) [D]."""
    density = torch.exp(-0.5 * (t / s).square()) / math.sqrt(2 * math.pi)
    smooth: Tensor = t * torch.special.ndtr(t / s) + s * density
    return smooth
