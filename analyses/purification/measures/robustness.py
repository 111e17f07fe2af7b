"""Accuracy under perturbations, and what the perturbations are made of: D11 and D12.

A moved input x + r v has the preactivations u + r W v, so one product per direction serves every radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analyses.purification.synthetic_world.ball_attack import (
    BallAttack,
    Norm,
    Scorer,
    ascent,
    random_direction,
    universal_direction,
)
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SyntheticBatch, SyntheticWorld

PGD_STEPS = 10
"""Of every PGD used to judge robustness [M]."""

MULTIPLES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Radii of the curves, in units of the training radius [M]."""

BLOCK = 500
"""Points judged at a time, which bounds the memory."""


@dataclass(frozen=True)
class JudgedPoints:
    """Points to judge networks on, with everything about them that depends on no network.

    Attributes:
        batch: fresh samples.
        directions: by name, unit directions for each point, (S, 1 or n, d): `universal`, `random`, `random_each`.
    """

    batch: SyntheticBatch
    directions: dict[str, Tensor]

    @classmethod
    def draw(cls, world: SyntheticWorld, n: int, randoms: Sequence[torch.Generator]) -> JudgedPoints:
        """Draw fresh points, one random direction for all, and one for each.

        Args:
            world: S worlds.
            n: points of each.
            randoms: one generator per world.

        Returns:
            The points.
        """
        batch = world.sample(n, randoms)
        d = world.coding.d
        return cls(
            batch,
            {
                "universal": universal_direction(world, batch.y),
                "random": random_direction(d, batch.y, randoms),
                "random_each": random_direction(d, batch.y, randoms, each=True),
            },
        )

    def blocks(self) -> list[JudgedPoints]:
        """The same points, at most BLOCK at a time."""
        n = self.batch.y.shape[-1]
        pieces = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
        return [
            JudgedPoints(
                SyntheticBatch(self.batch.x[:, piece], self.batch.z[:, piece], self.batch.y[:, piece]),
                {name: direction[:, piece] for name, direction in self.directions.items()},
            )
            for piece in pieces
        ]


def accuracy(net: Scorer, probe: JudgedPoints) -> Tensor:
    """Accuracy on the points as they are.

    Args:
        net: what judges them.
        probe: the points.

    Returns:
        Share of right points, (S,).
    """
    return _mean([net(part.batch.x) * part.batch.y > 0 for part in probe.blocks()])


def moved_accuracy(net: Scorer, probe: JudgedPoints, direction: str, radius: float) -> Tensor:
    """Accuracy under a perturbation along one of the probe's directions.

    Args:
        net: what judges the points.
        probe: the points.
        direction: its name.
        radius: l2 length of the perturbation.

    Returns:
        Share of right points, (S,).
    """
    return _mean(
        [net(part.batch.x + radius * part.directions[direction]) * part.batch.y > 0 for part in probe.blocks()]
    )


def fgm_accuracy(net: Scorer, probe: JudgedPoints, radius: float, norm: Norm = "l2") -> Tensor:
    """Accuracy under one step of the whole radius.

    Args:
        net: what judges the points.
        probe: the points.
        radius: of the ball.
        norm: of the ball.

    Returns:
        Share of right points, (S,).
    """
    right = []
    for part in probe.blocks():
        x, y = part.batch.x, part.batch.y
        delta = BallAttack(norm, radius).perturb(net.input_gradient, x, y)
        right.append(net(x + delta) * y > 0)
    return _mean(right)


def pgd_accuracy(net: Scorer, probe: JudgedPoints, radius: float, norm: Norm = "l2") -> Tensor:
    """Share of points that no step of PGD gets misclassified.

    Args:
        net: what judges the points.
        probe: the points.
        radius: of the ball.
        norm: of the ball.

    Returns:
        Share of right points, (S,).
    """
    attack = BallAttack(norm, radius, PGD_STEPS)
    return _mean([attack.survivors(net, part.batch.x, part.batch.y) for part in probe.blocks()])


def curves(net: SymmetricNet, probe: JudgedPoints, radii: Sequence[float]) -> dict[str, Tensor]:
    """Accuracy over l2 radii, under `fgm`, `pgd` and the probe's directions.

    Args:
        net: S networks.
        probe: the points.
        radii: R of them.

    Returns:
        By attack, shares of right points, (S, R) each.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in ("fgm", *probe.directions)}
    for part in probe.blocks():
        x, y = part.batch.x, part.batch.y
        u = net.preactivations(x)
        fgm = ascent(net.gates(u) @ net.weights, y, "l2")
        for name, direction in {"fgm": fgm, **part.directions}.items():
            shift = net.preactivations(direction)
            found[name].append(torch.stack([net.output(u + r * shift) * y > 0 for r in radii], dim=1))
    # Without a radius every attack leaves the points as they are, and PGD would be the dearest way to find out.
    pgd = torch.stack([pgd_accuracy(net, probe, r) if r else accuracy(net, probe) for r in radii], dim=1)
    return {"pgd": pgd, **{name: _mean(right) for name, right in found.items()}}


def half_radius(net: SymmetricNet, probe: JudgedPoints, high: float) -> Tensor:
    """The l2 radius at which FGM leaves half of the points right, by 12 bisections.

    Args:
        net: S networks.
        probe: the points.
        high: the search starts with [0, high].

    Returns:
        The radius, (S,).
    """
    low = torch.zeros_like(net.weights[:, 0, 0])
    top = torch.full_like(low, high)
    moves = []
    for part in probe.blocks():
        u = net.preactivations(part.batch.x)
        moves.append((u, net.preactivations(ascent(net.gates(u) @ net.weights, part.batch.y, "l2")), part.batch.y))
    for _ in range(12):
        middle = (low + top) / 2
        right = _mean([net.output(u + middle[:, None, None] * shift) * y > 0 for u, shift, y in moves])
        low, top = torch.where(right > 0.5, middle, low), torch.where(right > 0.5, top, middle)
    return (low + top) / 2


def contents(delta: Tensor, batch: SyntheticBatch, world: SyntheticWorld) -> dict[str, Tensor]:
    """What perturbations are made of; D12. Samples with no perturbation are left out.

    Args:
        delta: perturbations, (S, n, d).
        batch: the samples they belong to.
        world: of the samples.

    Returns:
        (S,) each: universal_cosine, the mean cosine with -y D_w, and active_energy, the mean share of ||delta||^2 on
        atoms that are active in the sample.
    """
    energy = delta.square().sum(-1)
    some = energy > 0
    active = torch.where(batch.z != 0, (delta @ world.dictionary).square(), 0.0).sum(-1) / energy
    cosine = torch.cosine_similarity(delta, universal_direction(world, batch.y), dim=-1)
    return {
        "universal_cosine": torch.where(some, cosine, torch.nan).nanmean(-1),
        "active_energy": torch.where(some, active, torch.nan).nanmean(-1),
    }


def _mean(right: Sequence[Tensor]) -> Tensor:
    """Share of right points in blocks (S, ..., B), over the last dimension."""
    return torch.cat(list(right), dim=-1).float().mean(-1)
