"""Gradient descent on fresh samples, clean or adversarial, of S networks side by side.

The recipe is a choice [M] that keeps what is recalled of the theory: plain gradient descent from small random weights
with a bias that rises and then stays, and adversarial training that STARTS from the clean-trained weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.network import SymmetricNet, regulariser_gradient
from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld, generators

INITIAL_SCALE = 0.01
"""sigma_0 [M]; only the bias relative to the weights matters while they are small."""


@dataclass(frozen=True)
class BiasSchedule:
    """beta(t) of b_i = beta(t) ||w_i||: the early value, a linear change in the second third, then the late value [M].

    A high early bias lets only those units open that happen to lie near an atom. Without it the network stays in a
    linear regime and learns no atoms. The late bias lies halfway to the small active values.

    Attributes:
        early: beta at the start.
        late: beta from two thirds on.
        steps: of the whole clean training.
    """

    early: float
    late: float
    steps: int

    @classmethod
    def usual(cls, d: int, k: int, steps: int) -> BiasSchedule:
        """Early sqrt(2.8 ln d / d), late 0.47 / sqrt(k) [M].

        Args:
            d: dimension of the input.
            k: sparsity.
            steps: of the whole clean training.

        Returns:
            The schedule.
        """
        return cls(math.sqrt(2.8 * math.log(d) / d), 0.47 / math.sqrt(k), steps)

    def __call__(self, step: int) -> float:
        """The bias at a step; the late value from the schedule's end on."""
        progress = min(max(3 * step / self.steps - 1, 0.0), 1.0)
        return self.early + (self.late - self.early) * progress


@dataclass(frozen=True)
class Descent:
    """How weights are updated.

    Attributes:
        batch: fresh samples a step.
        rate: eta [M]. f is a sum over units, so rates above 1 are stable; 1 led to the same networks in three times the
            steps where we compared.
        decay: lambda of the regulariser [M].
        cubic: whether the regulariser has its cubic term [R-med]; off in all our runs.
        sigma_rho: smoothing noise before the ReLU, in units of ||w_i||.
    """

    batch: int
    rate: float = 3.0
    decay: float = 1e-4
    cubic: bool = False
    sigma_rho: float = 0.0


def initial_weights(seeds: Sequence[int], m: int, d: int, draw: int = 1, device: torch.device | str = "cpu") -> Tensor:
    """w_i ~ N(0, INITIAL_SCALE^2 I).

    Args:
        seeds: one per network.
        m: units.
        d: dimension of the input.
        draw: other numbers give independent weights for the same seeds.
        device: of the weights; they are the same on each.

    Returns:
        (S, m, d).
    """
    rows = [torch.randn(m, d, generator=random, dtype=torch.float32) for random in generators(seeds, "init", draw)]
    return INITIAL_SCALE * torch.stack(rows).to(device)


def train_networks(
    weights: Tensor,
    world: SyntheticWorld,
    randoms: Sequence[torch.Generator],
    *,
    steps: int,
    descent: Descent,
    beta: Callable[[int], float],
    attack: BallAttack | None = None,
    watch: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Train on fresh samples; with an attack, on samples perturbed against the current weights.

    Args:
        weights: to start from, (S, m, d); left as they are.
        world: S worlds.
        randoms: one generator per world, of the samples.
        steps: updates.
        descent: batch, rate and regulariser.
        beta: bias rule, from the number of the step.
        attack: of each batch; None trains clean.
        watch: called before each update and after the last with the number of updates so far and the weights, which
            change in place: a copy is for the watcher to make.

    Returns:
        The trained weights, (S, m, d).
    """
    weights = weights.clone()
    for step in range(steps):
        if watch:
            watch(step, weights)
        batch = world.sample(descent.batch, randoms)
        net = SymmetricNet.ruled(weights, beta(step), descent.sigma_rho)
        x = batch.x if attack is None else batch.x + attack.perturb(net.input_gradient, batch.x, batch.y)
        gradient = net.loss_gradient(x, batch.y)
        weights -= descent.rate * (gradient + regulariser_gradient(weights, descent.decay, cubic=descent.cubic))
    if watch:
        watch(steps, weights)
    return weights


def products(attack: BallAttack | None) -> int:
    """Products of a batch with a weight matrix that one step of `train_networks` takes: a pass forward or back is one.

    Clean 2, FGM 4, PGD with q steps 2 q + 2.
    """
    return 2 + (2 * attack.steps if attack else 0)
