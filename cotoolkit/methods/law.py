"""LAW: a Lipschitz penalty on logits and features, and an average of the weights that moves while the attack bites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.averaging import AVERAGED, averaged, first_average, move_average
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods._terms.guided import corner_attack
from cotoolkit.methods._terms.penultimate import penultimate
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField, Method, RunSettings
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass

MOVES = "average_moves"
"""In the memory: how often the average has moved."""


@METHODS.register("law", "LAW", "fgsm_law")
@dataclass(frozen=True, config=STRICT)
class LAW(Method):
    """CE(x') + weight * (MSE of outputs + MSE of features) / (MSE of x' and x + floor), around any attack.

    The means are over samples and entries, features are what the last linear layer sees. In the released code outputs
    and features go through a softmax first, in the formula they do not; `of` says which. As its weight goes with the
    code, so does the default.

    After the update a running average of weights and buffers moves towards the network, if of the samples that the
    network gets right in the update's passes, attacked over clean, there are fewer than `gate`. Its decay grows as
    (n + 1) / (n + 10) with the moves n that it has made, up to `decay`. It is evaluated beside the network.

    The authors' attack is one step of the radius's length from a random corner of half of it (their code takes the
    cross-entropy of probabilities for it; here it is that of the logits). They also smooth labels, to 0.7 on the true
    class. FGSM-FEAT has the same penalty and average, a weight that grows and another attack.

    Measures: `error`, the penalty before its weight, and `moved`, whether the average did.

    >>> LAW(inner="n_fgsm").cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        inner: the attack trained on; None means the authors'.
        weight: of the penalty.
        floor: added to the mean squared perturbation.
        of: "softmax" as in the code, or "raw".
        decay: of the average, at most; below 1.
        gate: attacked over clean accuracy below which the average moves.
    """

    inner: InnerField | None = None
    weight: NonNegative = 12.0
    floor: Annotated[NonNegative, Gt(0)] = 0.125
    of: Literal["softmax", "raw"] = "softmax"
    decay: Share = 0.999
    gate: NonNegative = 0.82

    cost: ClassVar[Cost] = Cost(forward=3, backward=3)
    source: ClassVar[str] = (
        "Jia et al., TIFS 2024, arXiv 2308.11443; defaults of github.com/jiaxiaojunQAQ/FGSM-LAW, FGSM_LAW_CIFAR_10.py"
    )
    family: ClassVar[Family] = "wrapper"
    formula: ClassVar[str] = (
        "δ of the inner attack;  CE(x + δ) + λ (MSE(f(x + δ), f(x)) + MSE(h(x + δ), h(x))) / (MSE(x + δ, x) + 0.125), "
        "h the features; averaged weights"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "code: one step of ε from ±ε/2",
        "weight": "code: 12 for CIFAR-10 (42 for CIFAR-100, 38 for Tiny-ImageNet)",
        "floor": "code: 0.125",
        "of": "code: after a softmax",
        "decay": "code: 0.999",
        "gate": "code: 0.82 for CIFAR-10 (0.55 for CIFAR-100 and Tiny-ImageNet)",
    }
    averages_weights: ClassVar[bool] = True

    @override
    def cost_per_step(self) -> Cost:
        inner = self.cost._replace(forward=2, backward=2) if self.inner is None else self.inner.cost_per_step()
        return inner._replace(forward=inner.forward + 1, backward=inner.backward + 1)

    @override
    def check_config(self, config: RunSettings) -> None:
        if self.inner is not None:
            self.inner.check_config(config)

    @override
    def check_data(self, images: int) -> None:
        if self.inner is not None:
            self.inner.check_data(images)

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        inner = {} if self.inner is None else self.inner.memory(model, data, draws)
        return inner | first_average(model) | {MOVES: torch.zeros((), dtype=torch.int64)}

    @override
    def averages(self, memory: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {AVERAGED: averaged(memory)}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        require_one_process(self.name, "it divides by the mean distance of the whole batch")
        attacked = self._attack(model, batch)
        with penultimate(model) as last:
            clean = model(batch.images)
            features = last.features
            found = adversarial_pass(model, batch, attacked)
            error = self._distance(clean, found.logits) + self._distance(features, last.features)
        error = error / (attacked.delta.square().mean() + self.floor)
        update(found.losses.mean() + self.weight * error)
        hits = [(logits.argmax(1) == batch.labels).sum() for logits in (found.logits, clean)]
        moved = bool(hits[0] < self.gate * hits[1])
        if moved:
            self._move(model, batch.memory)
        return found.record(measures={"error": error.detach(), "moved": error.new_tensor(float(moved))})

    def _attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        if self.inner is None:
            return corner_attack(model, batch, share=0.5, bn_mode="train")
        return self.inner.attack(model, batch)

    def _distance(self, first: Tensor, second: Tensor) -> Tensor:
        first, second = first.float(), second.float()
        if self.of == "softmax":
            first, second = first.softmax(1), second.softmax(1)
        return (first - second).square().mean()

    def _move(self, model: nn.Module, memory: dict[str, Tensor]) -> None:
        moves = int(memory[MOVES])
        move_average(memory, model, 1 - min(self.decay, (moves + 1) / (moves + 10)))
        memory[MOVES] += 1
