"""ATAS: a bank of perturbations, and steps that are shorter for images with large gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import torch
from annotated_types import Ge, Gt
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import Number, PixelLength, Share, Whole, format_number
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.bank import drawn_anew, undrawn_bank
from cotoolkit.methods._memory.stages import planned_epochs
from cotoolkit.methods.base import METHODS, Cost, Family, Method, RunSettings
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update, train_on
from cotoolkit.models.modes import BatchNormMode, attack_mode

PUBLISHED_RADIUS = 8 / 255
"""Of which relative lengths are multiples."""

LARGEST_PUBLISHED_RADIUS = 16
"""The last radius at which the authors ran them, in steps of 1/255."""


@METHODS.register("atas", "ATAS")
@dataclass(frozen=True, config=STRICT)
class ATAS(Method):
    """FGSM from the image's perturbation of the epoch before, with a step of the image's own length.

    delta <- P(delta + a_i sign g), a_i = gain / (1 + sqrt(v_i) / c), clipped to [smallest, largest], with v_i the
    running mean of the squared l2 norm of g_i. As in the released code g_i is the gradient of the *mean* loss of the
    batch, so that v and the step depend on the batch size; c was set at 128. In the first `warmup` epochs all steps are
    as long as the radius, and v stays 0. Every `reset` epochs (in epoch 9, 19, ... from 0, but not in the last one) the
    bank is drawn anew, uniform in the ball, and v stays.

    The authors ran one set of lengths at 8, 12 and 16/255, which `limits="absolute"` does; "relative" multiplies gain,
    smallest and largest by epsilon / (8/255), as SORA's reimplementation does. Both agree at 8/255. The code keeps the
    bank in the frame of the padded image; here pixels of the padding have no perturbation to remember.

    Measures: `mean_step`, of the batch, in pixel units.

    >>> ATAS().cost_per_step()
    Cost(forward=2, backward=2, double_backward=0)

    Args:
        gain: length of a step where the gradient is 0.
        smallest: length of a step, at least.
        largest: length of a step, at most.
        limits: unit of the lengths: "absolute", or "relative" to the radius.
        c: norm of the gradient that halves the step.
        decay: of the running mean v, in [0, 1].
        warmup: epochs of constant steps.
        reset: epochs from one bank to the next.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`. The authors attack in eval mode.
    """

    gain: PixelLength = 16 / 255
    smallest: PixelLength = 4 / 255
    largest: PixelLength = 14 / 255
    limits: Literal["absolute", "relative"] = "absolute"
    c: Annotated[Number, Gt(0)] = 0.01
    decay: Share = 0.5
    warmup: Annotated[Whole, Ge(0)] = 5
    reset: Annotated[Whole, Ge(1)] = 10
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Huang et al., IEEE TIP 2023, arXiv 2206.02417; defaults of HuangZhiChao95/ATAS for CIFAR"
    family: ClassVar[Family] = "perturbation bank"
    formula: ClassVar[str] = (
        "δ ← P(δ + a sign g(x + δ)), a = clip(γ / (1 + √v / c)), v ← β v + (1 - β) ‖g‖², of each image;  CE(x + δ)"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "gain": "code: 16/255, written into it",
        "smallest": "code: 4/255",
        "largest": "code: 14/255 on CIFAR, 8/255 on ImageNet",
        "limits": "code: the same lengths at 8, 12 and 16/255; relative: SecondOrderAT/SORA",
        "c": "code: 0.01 on CIFAR, 0.1 on ImageNet",
        "decay": "code: 0.5",
        "warmup": "code: 5 epochs",
        "reset": "code: 10 epochs",
        "bn_mode": "ours: as every method here; the code attacks in eval mode",
    }

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(f"smallest={self.smallest:g} is above largest={self.largest:g}")
        return self

    @override
    def check_config(self, config: RunSettings) -> None:
        if config.threat.norm != "linf" and self.limits == "absolute":
            raise ConfigError(
                f"{self.name}: its lengths are of linf steps; for {config.threat.norm} set limits=relative"
            )
        defaults = (ATAS.gain, ATAS.smallest, ATAS.largest)
        if self.limits == "absolute" and (self.gain, self.smallest, self.largest) == defaults:
            radius = config.threat.epsilon
            if round(255 * radius, 4) > LARGEST_PUBLISHED_RADIUS:
                raise ConfigError(
                    f"{self.name}: its published lengths end at the radius {LARGEST_PUBLISHED_RADIUS}/255; for "
                    f"{format_number(radius)} ({255 * radius:.3g}/255) set limits=relative"
                )

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return {"delta": undrawn_bank(data), "squares": torch.zeros(data.images, dtype=torch.float32)}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        threat = batch.threat
        self._renew(batch)
        start = threat.project(batch.images, batch.recalled("delta"))
        with attack_mode(model, self.bn_mode):
            found = input_gradient(model, batch.images + start, batch.labels)
        lengths = self._lengths(batch, found.gradient)
        moved = start + lengths.view(-1, 1, 1, 1) * threat.steepest(found.gradient)
        attacked = AttackResult(threat.project(batch.images, moved), *found, start)
        record = train_on(model, batch, attacked, update)
        batch.remember("delta", attacked.delta)
        return replace(record, measures={"mean_step": lengths.mean()})

    def _renew(self, batch: Batch) -> None:
        """Draw the bank anew where it is due."""
        due = (batch.epoch + 1) % self.reset == 0 and batch.epoch + 1 != planned_epochs(batch)
        bank = drawn_anew(batch, due=due and batch.iteration % batch.epoch_length == 0)
        if bank is not None:
            batch.memory["delta"] = replace(batch.threat, box="none").random_start(bank, batch.generator)

    def _lengths(self, batch: Batch, gradient: Tensor) -> Tensor:
        """The steps of a batch, (B,); its gradients join the running mean."""
        radius = batch.threat.epsilon
        if batch.epoch < self.warmup:
            return gradient.new_full((len(gradient),), radius)
        assert batch.indices is not None
        norms = gradient.flatten(1).norm(dim=1) / len(gradient)
        squares = self.decay * batch.memory["squares"][batch.indices] + (1 - self.decay) * norms.square()
        batch.memory["squares"][batch.indices] = squares.to(batch.memory["squares"])
        unit = 1.0 if self.limits == "absolute" else radius / PUBLISHED_RADIUS
        lengths: Tensor = unit * self.gain / (1 + squares.sqrt() / self.c)
        return lengths.clamp(unit * self.smallest, unit * self.largest)
