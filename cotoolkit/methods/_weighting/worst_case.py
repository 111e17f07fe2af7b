"""Worst-case weights of a batch's losses, without a solver: the inner problem of Holistic Robust (HR) training.

The adversary may replace a share `alpha` of the sample by points of the worst possible loss, the *atom*, and may tilt
it within a Kullback-Leibler (KL) radius `r`, the KL divergence taken from the empirical side. Of Bennouna, Lucas & Van
Parys (ICML 2023) the abstract and the code were read; the closed forms are derived, see docs/holistic_robust.md.

Two orders of the two steps exist. The released code calls them by names that invite confusion, since its option "HR"
is not the default of HR training:

    here          released code   the data model
    lp_then_kl    "HD"            clean law -> i.i.d. sample -> a share of the sample is poisoned (the paper's)
    kl_then_lp    "HR"            clean law -> corrupted law -> i.i.d. sample
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import parse_number, real_array

Order = Literal["lp_then_kl", "kl_then_lp"]
"""Which of the two steps the adversary takes first; see the module."""

POINTS, ROUNDS = 16, 13
"""Points and rounds of the search for the root, in the logarithm of u: 15^13 parts of the bracket, each 1e-13 wide."""

LOWEST = -160.0
"""Logarithm of the least u looked at. Below it the atoms under the worst loss have no weight in float64."""

ROUNDING = 1e-6
"""Losses clipped in single precision may lie above their bound by this share of it."""


class WorstCase(NamedTuple):
    """The adversary's answer to losses (..., n).

    Attributes:
        weights: (..., n) float64, at least 0, of the sample's losses.
        atom: (...), weight of the worst possible loss. The weights and it sum to 1.
        bound: (...), that loss, W.
        value: (...), the worst case V: sum of weights * losses, plus atom * bound.
    """

    weights: Tensor
    atom: Tensor
    bound: Tensor
    value: Tensor

    def folded(self, losses: Any) -> Tensor:
        """Weights (..., n) with the atom's put on the largest loss, in equal parts where several are largest."""
        known = torch.as_tensor(losses)
        largest = known == known.amax(-1, keepdim=True)
        return self.weights + self.atom.unsqueeze(-1) * largest / largest.sum(-1, keepdim=True)


def worst_case(
    losses: Any, r: float, alpha: float = 0.0, bound: float | None = None, order: Order = "lp_then_kl"
) -> WorstCase:
    """Worst expected loss over the laws near an empirical one, and the law that attains it.

    The value is monotone in each loss, in r, in alpha and in the bound. By Danskin's theorem its gradient in the losses
    is `weights`: they are constants in a training loss. Among equal losses the earlier ones are replaced first.

    Args:
        losses: (..., n), n >= 1, a tensor or what makes an array; each row is a problem of its own. Solved in float64,
            on the tensor's device.
        r: KL radius in nats, at least 0.
        alpha: share that may be replaced by the worst loss, at least 0.
        bound: the worst loss that is possible, W; None takes the largest of the row.
        order: which step comes first.

    Returns:
        The law that attains the worst case, row by row, and the worst case's value.

    Raises:
        ConfigError: no losses, losses in a column, losses that are not finite or above the bound, a negative radius or
            share, or an unknown order.
    """
    if not isinstance(losses, Tensor) or losses.is_complex():
        losses = torch.from_numpy(real_array(losses, "losses", finite=False))
    if losses.ndim == 0 or losses.numel() == 0 or (losses.ndim == 2 and losses.shape[1] == 1 < len(losses)):
        raise ConfigError(f"losses of shape {tuple(losses.shape)}: give (..., n) with n at least 1, all in one row")
    if not losses.isfinite().all():
        raise ConfigError("losses must be finite: cap or drop the others before weighing")
    if order not in get_args(Order):
        raise ConfigError(f"unknown order {order!r}: choose from {' and '.join(get_args(Order))}")
    try:
        r, alpha, bound = parse_number(r), parse_number(alpha), parse_number(bound)
        possible = r >= 0 and alpha >= 0
    except (ValueError, TypeError):
        possible = False
    if not possible:
        raise ConfigError(f"r={r}, alpha={alpha}, bound={bound}: give a finite radius and a share, neither below 0")
    if bound is not None and losses.max() > bound + ROUNDING * abs(bound):
        raise ConfigError(f"a loss of {losses.max():.4g} is above the bound {bound:g}: clip the losses or raise it")
    return solve(losses, r, alpha, bound, order)


def solve(losses: Tensor, r: float, alpha: float, bound: float | None, order: Order) -> WorstCase:
    """The worst case of `worst_case` for arguments known to be right, without waiting for the device.

    Losses that are not finite give weights or a value that are not; nothing is raised.

    Args:
        losses: (..., n).
        r: KL radius in nats.
        alpha: share that may be replaced.
        bound: the worst loss; None for the largest of the row.
        order: which step comes first.

    Returns:
        The law that attains the worst case, row by row, and the worst case's value.
    """
    losses = losses.detach().double()
    worst = losses.amax(-1) if bound is None else torch.full_like(losses[..., 0], bound)
    # Losses clipped at the bound in their own, narrower precision may lie a rounding above it.
    gaps = (worst.unsqueeze(-1) - losses).clamp_min(0)
    if alpha >= 1:
        weights, atom = torch.zeros_like(losses), torch.ones_like(worst)
    elif order == "kl_then_lp" and alpha > 0 and r > 0:
        weights, atom = _kl_then_lp(gaps, r, alpha)
    else:
        weights, atom = remove(torch.full_like(losses, 1 / losses.shape[-1]), gaps, alpha)
        if r > 0:
            weights, atom = _tilt(weights, atom, gaps, r)
    return WorstCase(weights, atom, worst, (weights * losses).sum(-1) + atom * worst)


def effective_share(weights: Tensor) -> Tensor:
    """Effective sample size over n: 1 / (n sum p^2), (..., n) -> (...). In [1 / n, 1] where weights sum to 1."""
    return weights.sum(-1).square() / (weights.shape[-1] * weights.square().sum(-1))


def remove(weights: Tensor, gaps: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """Take mass from the atoms with the largest gaps, the earlier of equal ones first.

    Args:
        weights: (..., n), at least 0.
        gaps: (..., n).
        mass: to be taken, at most all there is.

    Returns:
        The weights (..., n) left, and the mass (...) taken.
    """
    order = gaps.argsort(dim=-1, descending=True, stable=True)
    ordered = weights.gather(-1, order)
    before = ordered.cumsum(-1) - ordered
    taken = torch.minimum((mass - before).clamp_min(0), ordered)
    return weights - torch.zeros_like(weights).scatter(-1, order, taken), taken.sum(-1)


def _tilt(q: Tensor, q0: Tensor, gaps: Tensor, r: float) -> tuple[Tensor, Tensor]:
    """The KL step: the law p with KL(q || p) <= r that has the largest loss.

    With x_j = eta - l_j it is p_j = lambda q_j / x_j. Scaled by the largest gap D of an atom with mass, x = D (u + z).

    Args:
        q: (..., n), masses, 0 included.
        q0: (...), mass at the worst loss.
        gaps: (..., n), worst loss minus loss.
        r: radius, above 0.

    Returns:
        p (..., n) and p0 (...).
    """
    spread = (gaps * (q > 0)).amax(-1)  # nan stays nan
    flat = spread == 0  # all mass sits at the worst loss
    z = torch.where(q > 0, gaps / torch.where(flat, 1.0, spread).unsqueeze(-1), 1.0)
    masses, places, first = q.unsqueeze(-2), z.unsqueeze(-2), q0.unsqueeze(-1)
    u, none = _root(lambda u: _divergence(masses, first, places, u.unsqueeze(-1)) - r, q0, r)
    phantom = none & (q0 == 0) & ~((q > 0) & (z == 0)).any(-1)
    p, p0 = q / (u.unsqueeze(-1) + z), q0 / u
    total = torch.where(phantom, _inverse_scale(q, u.unsqueeze(-1) + z, r), p.sum(-1) + p0)
    p, p0 = p / total.unsqueeze(-1), p0 / total
    p0 = torch.where(phantom, (1 - p.sum(-1)).clamp_min(0), p0)
    return torch.where(flat.unsqueeze(-1), q, p), torch.where(flat, q0, p0)


def _kl_then_lp(gaps: Tensor, r: float, alpha: float) -> tuple[Tensor, Tensor]:
    """The KL step from the uniform law, then the replacement; 0 < alpha < 1 and r > 0.

    V' = min over c <= W <= eta of alpha (W - c) + eta - exp(-r) * geometric mean of (eta - max(l, c)). For given eta
    the best c has a closed form, so that eta alone is searched for. With c = W - D y, the atoms are at min(z, y).

    Returns:
        p (..., n) and p0 (...).
    """
    n = gaps.shape[-1]
    spread = gaps.amax(-1)
    flat = spread == 0
    z = gaps / torch.where(flat, 1.0, spread).unsqueeze(-1)
    ordered = z.sort(dim=-1, descending=True).values
    q, zero = torch.full_like(z, 1 / n), torch.zeros_like(spread)

    def divergence(u: Tensor) -> Tensor:
        level = _level(ordered.unsqueeze(-2), u, r, alpha)
        places = torch.minimum(z.unsqueeze(-2), level.unsqueeze(-1))
        return _divergence(q.unsqueeze(-2), zero.unsqueeze(-1), places, u.unsqueeze(-1)) - r

    u, none = _root(divergence, zero, r)
    phantom = none & ~(z == 0).any(-1)
    level = _level(ordered.unsqueeze(-2), u.unsqueeze(-1), r, alpha)
    x = u.unsqueeze(-1) + torch.minimum(z, level)
    p = q / x
    p = p / torch.where(phantom, _inverse_scale(q, x, r), p.sum(-1)).unsqueeze(-1)
    leaked = torch.where(phantom, (1 - p.sum(-1)).clamp_min(0), 0.0)
    p, moved = remove(p, gaps, alpha)
    full = _saturated((gaps > 0).double().mean(-1), r, alpha) | flat
    return torch.where(full.unsqueeze(-1), 0.0, p), torch.where(full, 1.0, moved + leaked)


def _level(ordered: Tensor, u: Tensor, r: float, alpha: float) -> Tensor:
    """The least y at which the mass of the atoms beyond it, of z > y, is at most alpha after the KL step.

    Where k atoms are beyond, their mass is k/n exp(-r) G / (u + y), and the geometric mean G is a power of u + y times
    what does not depend on y: an equation for y, whose root counts if it lies between the atoms k and k + 1.

    Args:
        ordered: (..., 1, n), z in falling order.
        u: (..., P).
        r: radius.
        alpha: mass.

    Returns:
        (..., P), at least 0.
    """
    n = ordered.shape[-1]
    logs = (u.unsqueeze(-1) + ordered).log() / n
    beyond = logs.sum(-1, keepdim=True) - logs.cumsum(-1)  # of the atoms after the first k
    share = torch.arange(1, n + 1, device=ordered.device, dtype=ordered.dtype) / n
    exponent = (share[:-1].log() + beyond[..., :-1] - r - math.log(alpha)) / (1 - share[:-1])
    root = exponent.clamp_max(700).exp() - u.unsqueeze(-1)
    last = torch.full_like(logs[..., :1], torch.inf if math.exp(-r) > alpha else -torch.inf)
    root = torch.cat([root, last], -1)
    following = torch.cat([ordered[..., 1:], torch.zeros_like(ordered[..., :1])], -1)
    return torch.where(root > following, torch.minimum(root, ordered), 0.0).amax(-1)


def _saturated(below: Tensor, r: float, alpha: float) -> Tensor:
    """Whether the KL step can leave at most alpha below the worst loss, of a share `below`: then all can be moved."""
    above = 1 - below
    kl = torch.xlogy(below, below / alpha) + torch.xlogy(above, above / (1 - alpha))
    return (below <= alpha) | (kl <= r)


def _divergence(q: Tensor, q0: Tensor, z: Tensor, u: Tensor) -> Tensor:
    """KL(q || p) of p ~ q / (u + z), log geometric less log harmonic mean of u + z, to 1e-15.

    q0 is the mass of the atom at z = 0. All broadcast over the last dimension, which is summed.
    """
    t = z / u
    return (q * t.log1p()).sum(-1) + ((q / (1 + t)).sum(-1) + q0).log()


def _root(excess: Callable[[Tensor], Tensor], like: Tensor, r: float) -> tuple[Tensor, Tensor]:
    """Where a function of u changes from positive to negative, u in (0, inf).

    Kantorovich's inequality bounds the root from above, whatever the losses.

    Args:
        excess: from (..., P) to (..., P).
        like: (...), for shape and device.
        r: radius.

    Returns:
        u (...), and whether there is none because the function is negative throughout.
    """
    top = -r - math.log(4) if r > 30 else math.log(0.5 * math.expm1(-0.5 * math.log(-math.expm1(-r))))
    width = max(top - LOWEST, 1.0)
    low = torch.full_like(like, LOWEST)
    steps = torch.linspace(0, 1, POINTS, dtype=like.dtype, device=like.device)
    none = torch.zeros_like(like, dtype=torch.bool)
    for search in range(ROUNDS):
        positive = excess((low.unsqueeze(-1) + width * steps).exp()) > 0
        if search == 0:
            none = ~positive[..., 0]
        width /= POINTS - 1
        low = low + width * (positive.sum(-1) - 1).clamp(0, POINTS - 2).float()  # not of the default type
    return (low + width / 2).exp(), none


def _inverse_scale(q: Tensor, x: Tensor, r: float) -> Tensor:
    """1 / lambda where eta is the worst loss: exp(r) / geometric mean of x."""
    return (r - torch.xlogy(q, x).sum(-1)).exp()
