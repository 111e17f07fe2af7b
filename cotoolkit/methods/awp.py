"""Adversarial weight perturbation around any method."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import AdversarialPass, StepRecord, Update, train_on
from cotoolkit.methods.trades import TRADES
from cotoolkit.methods.wrapper import Wrapper
from cotoolkit.models.modes import attack_mode

TINY = 1e-20
"""Added to the norm of a gradient, as in the authors' code."""

Gradients = dict[str, Tensor]
"""Of a loss, by the names of the parameters that it reaches."""


@METHODS.register("awp", "AWP")
@dataclass(frozen=True, config=STRICT)
class AWP(Wrapper):
    """Train at weights moved uphill: each weight tensor w by gamma |w| g / |g|, with g its gradient of the inner loss.

    Tensors of one dimension stay where they are, as in the authors' code. The gradient is taken at the moved weights
    and the update made from where they were: what is left of the move after a step is its effect on the gradient,
    bit for bit. (The authors step from the moved weights, which decays the move too, and subtract it.)

    An inner method that is an attack alone attacks the weights before the move, as in the paper, and g costs 1 forward
    and 1 backward. Any other step is taken twice, which doubles the cost: first on copies of the memory and of the
    random numbers to find g, which leaves no trace in BatchNorm's statistics, then at the moved weights, its attack
    included. (The paper's TRADES-AWP attacks before the move.) So put AWP inside other wrappers: `label_smoothing` or
    `ema` around `awp` makes one attack, and costs less.

    The record is of the moved weights, but for the attack of an attack alone. Measure: `awp_gain`, by how much the
    cross-entropy is larger there.

    >>> AWP(inner="n_fgsm").cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        inner: any method.
        gamma: size of the move, relative to the weights; None means the published 0.01, or 0.005 around TRADES.
        start: share of training before which nothing is moved. The cost is that from there on.
    """

    gamma: NonNegative | None = None
    start: Share = 0.0

    cost: ClassVar[Cost] = Cost(forward=3, backward=3)
    source: ClassVar[str] = "Wu et al., NeurIPS 2020, alg. 1; csdongxian/AWP, AT_AWP/utils_awp.py"
    family: ClassVar[Family] = "wrapper"
    formula: ClassVar[str] = (
        "δ of the inner method;  its loss at w + v,  v = γ |w| g / |g| by tensor, g = ∇ of the loss at w"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours; paper: PGD and TRADES",
        "gamma": "code: 0.01 for AT, 0.005 for TRADES",
        "start": "code: from the start for AT, after 10 of 200 epochs for TRADES",
    }

    @property
    def _attacks_once(self) -> bool:
        return isinstance(self.inner, AttackMethod) and type(self.inner).step is AttackMethod.step

    @override
    def cost_per_step(self) -> Cost:
        inner = self.inner.cost_per_step()
        if self._attacks_once:
            return inner._replace(forward=inner.forward + 1, backward=inner.backward + 1)
        return Cost(*(2 * passes for passes in inner))

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        if batch.progress < self.start:
            return self.inner.step(model, batch, update)
        if self._attacks_once:
            record, before = self._around_an_attack(model, batch, update)
        else:
            record, before = self._around_a_step(model, batch, update)
        return replace(record, measures={**record.measures, "awp_gain": record.losses.mean() - before})

    def _around_an_attack(self, model: nn.Module, batch: Batch, update: Update) -> tuple[StepRecord, Tensor]:
        assert isinstance(self.inner, AttackMethod)
        attacked = self.inner.attack(model, batch)
        with _rewound(batch.generator), attack_mode(model, "train"):
            found = AdversarialPass.at(batch, attacked, batch.images, model(batch.images + attacked.delta))
            gradients = weight_gradients(model, found.losses.mean())
        with _moved(model, self._moves(model, gradients), update) as moved_update:
            return train_on(model, batch, attacked, moved_update), found.raised.mean()

    def _around_a_step(self, model: nn.Module, batch: Batch, update: Update) -> tuple[StepRecord, Tensor]:
        found: list[Gradients] = []
        memory = {name: tensor.clone() for name, tensor in batch.memory.items()}
        with _rewound(batch.generator), attack_mode(model, "train"):
            rehearsal = replace(batch, memory=memory, trace=False)
            first = self.inner.step(model, rehearsal, lambda loss: found.append(weight_gradients(model, loss)))
        total: Gradients = {}
        for gradients in found:  # several, if the method updates several times in a step
            total = {**total, **{name: total.get(name, 0) + gradient for name, gradient in gradients.items()}}
        with _moved(model, self._moves(model, total), update, len(found)) as moved_update:
            return self.inner.step(model, batch, moved_update), first.losses.mean()

    @property
    def _published_gamma(self) -> float:
        inner: Method = self.inner
        while isinstance(inner, Wrapper):
            inner = inner.inner
        return 0.005 if isinstance(inner, TRADES) else 0.01

    @torch.no_grad()
    def _moves(self, model: nn.Module, gradients: Gradients) -> Gradients:
        """The move of each parameter that is moved."""
        gamma = self._published_gamma if self.gamma is None else self.gamma
        return {
            name: gamma * parameter.norm() / (gradients[name].norm() + TINY) * gradients[name]
            for name, parameter in model.named_parameters()
            if name in gradients and "weight" in name and parameter.ndim > 1
        }


def weight_gradients(model: nn.Module, loss: Tensor) -> Gradients:
    """One backward pass of a loss, which leaves no gradient in the network's parameters.

    Args:
        model: whose parameters it reaches.
        loss: a scalar with its graph.

    Returns:
        Gradients by the names of the parameters.
    """
    model.zero_grad()
    loss.backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


@contextlib.contextmanager
def _moved(model: nn.Module, moves: Gradients, update: Update, updates: int = 1) -> Iterator[Update]:
    """Move the weights for the passes of a step.

    Args:
        model: whose weights are moved.
        moves: by parameter.
        update: the trainer's.
        updates: that the step makes; after the last one the weights stay as it left them.

    Yields:
        The update for the step: it takes the gradient at the moved weights, puts them back, and steps from there.
    """
    moved = {name: parameter for name, parameter in model.named_parameters() if name in moves}
    kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def move() -> None:
        kept.update({name: parameter.clone() for name, parameter in moved.items()})
        for name, parameter in moved.items():
            parameter.add_(moves[name])

    @torch.no_grad()
    def put_back() -> None:
        for name, tensor in kept.items():
            moved[name].copy_(tensor)
        kept.clear()

    left = updates

    def moved_update(loss: Tensor) -> None:
        nonlocal left
        gradients = weight_gradients(model, loss)
        put_back()
        parameters = dict(model.named_parameters())
        # Linear in the parameters, so that its gradient is `gradients`, to the bit, wherever they are.
        update(torch.stack([(parameters[name] * gradient).sum() for name, gradient in gradients.items()]).sum())
        left -= 1
        if left > 0:
            move()

    move()
    try:
        yield moved_update
    finally:
        put_back()


@contextlib.contextmanager
def _rewound(draws: torch.Generator) -> Iterator[None]:
    """Put a generator and torch's global ones back to where they were before the block."""
    state = draws.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        yield
    draws.set_state(state)
