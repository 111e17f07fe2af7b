"""Classifiers of low complexity, which the theory says no training can make robust: P14.

All are linear in what they learn, so that clean training is convex; all are trained by the same procedure, clean and
then with FGM from the clean weights. Derivatives are automatic here. What stands for a class is our choice [M]:

    linear        f = <w, x>
    quadratic     all polynomials of degree 2
    cubic         all of degree 2, and the cubes of the true dictionary's coefficients: help that no learner has
    random_gates  sum_i <v_i, x> G_i(x), gates of a random network: its neural tangent kernel in the hidden weights
    random_relu   sum_i a_i [relu(u_i - b_i) - relu(-u_i - b_i)], u_i = <w_i, x>, random w_i: random features
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld

RATE = 0.1
"""Adam's first step size; it falls linearly to 0 within each stage [M]."""


NAMES = ("linear", "quadratic", "cubic", "random_gates", "random_relu")
"""Of the classes."""


@dataclass(frozen=True)
class Baseline:
    """A score that is linear in its parameters.

    Attributes:
        score: parameters and inputs (S, B, d) -> f, (S, B).
        parameters: each (S, ...).
    """

    score: Callable[[Sequence[Tensor], Tensor], Tensor]
    parameters: tuple[Tensor, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """f(x). Shapes: (S, B, d) -> (S, B)."""
        return self.score(self.parameters, x)

    def output_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f(x), (S, B), and grad_x f, (S, B, d)."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            output = self(x)
            (gradient,) = torch.autograd.grad(output.sum(), x)
        return output.detach(), gradient

    def input_gradient(self, x: Tensor) -> Tensor:
        """grad_x f. Shapes: (S, B, d) -> (S, B, d)."""
        return self.output_and_gradient(x)[1]


def untrained_baselines(world: SyntheticWorld, initial: Tensor) -> dict[str, Baseline]:
    """All classes, untrained (f = 0).

    Args:
        world: for the sizes and, of `cubic`, the dictionary.
        initial: weights of the random network whose gates and features the last two use, (S, m, d).

    Returns:
        By name.
    """
    seeds, d = world.signs.shape
    m = initial.shape[1]
    new = initial.new_zeros
    # Of norm 1, for features not to be tiny; the bias leaves about half of the gates open. The high bias that the
    # network starts from would leave these models, which cannot move their gates, nearly blind.
    unit = SymmetricNet.ruled(initial / initial.norm(dim=-1, keepdim=True), beta=d**-0.5)

    def linear(p: Sequence[Tensor], x: Tensor) -> Tensor:
        return (x @ p[0][..., None]).squeeze(-1)

    def quadratic(p: Sequence[Tensor], x: Tensor) -> Tensor:
        return linear(p, x) + ((x @ p[1]) * x).sum(-1)

    def cubic(p: Sequence[Tensor], x: Tensor) -> Tensor:
        return quadratic(p, x) + ((x @ world.dictionary).pow(3) @ p[2][..., None]).squeeze(-1)

    def random_gates(p: Sequence[Tensor], x: Tensor) -> Tensor:
        with torch.no_grad():  # gates are flat almost everywhere
            gates = unit.gates(unit.preactivations(x))
        return ((x @ p[0].mT) * gates).sum(-1)

    def random_relu(p: Sequence[Tensor], x: Tensor) -> Tensor:
        u, b = unit.preactivations(x), unit.bias.unsqueeze(-2)
        return ((u - u.clamp(-b, b)) @ p[0][..., None]).squeeze(-1)

    vector, matrix = new(seeds, d), new(seeds, d, d)
    return {
        "linear": Baseline(linear, (vector,)),
        "quadratic": Baseline(quadratic, (vector, matrix)),
        "cubic": Baseline(cubic, (vector, matrix, vector)),
        "random_gates": Baseline(random_gates, (new(seeds, m, d),)),
        "random_relu": Baseline(random_relu, (new(seeds, m),)),
    }


def train_baselines(
    models: Mapping[str, Baseline],
    world: SyntheticWorld,
    randoms: Sequence[torch.Generator],
    *,
    steps: int,
    batch: int,
    attack: BallAttack | None = None,
) -> dict[str, Baseline]:
    """Minimise each model's mean logistic loss on fresh samples by Adam, from the parameters it has.

    All models see the same samples; with an attack, each sees them perturbed against itself.

    Args:
        models: by name.
        world: S worlds.
        randoms: one generator per world, of the samples.
        steps: updates.
        batch: samples a step.
        attack: of each batch; None trains clean.

    Returns:
        The trained models; the given ones stay as they are.
    """
    learners = {
        name: Baseline(model.score, tuple(part.clone().requires_grad_() for part in model.parameters))
        for name, model in models.items()
    }
    # Models share no parameter, and Adam treats each number alone: one optimiser trains them as if each had its own.
    optimiser = torch.optim.Adam([part for learner in learners.values() for part in learner.parameters], lr=RATE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        optimiser.zero_grad()
        samples = world.sample(batch, randoms)
        for learner in learners.values():
            x, y = samples.x, samples.y
            if attack is not None:
                fixed = Baseline(learner.score, tuple(part.detach() for part in learner.parameters))
                x = x + attack.perturb(fixed.input_gradient, x, y)
            with torch.enable_grad():
                loss = softplus(-y * learner(x)).mean(-1).sum()  # over seeds, which share no parameter either
            loss.backward()
        optimiser.step()
    return {
        name: Baseline(learner.score, tuple(part.detach() for part in learner.parameters))
        for name, learner in learners.items()
    }
