"""LLR: the loss between two random points of the ball is kept close to its Taylor expansion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.switch import Switch
from cotoolkit.methods._settings.published import check_published, published_value
from cotoolkit.methods._terms.local_terms import linearity_error, loss_gradients
from cotoolkit.methods._terms.penalised import PenalisedAttack
from cotoolkit.methods._terms.random_points import Noise, random_points
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField, RunSettings
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.models.modes import BatchNormMode, attack_mode

LLR_WEIGHTS: Mapping[float, float] = {
    2: 200.0,
    8: 200.0,
    10: 500.0,
    12: 500.0,
    14: 1000.0,
    16: 500.0,
    18: 1000.0,
    20: 500.0,
    22: 2000.0,
    24: 5000.0,
    26: 2000.0,
}
"""Weights of ELLE's authors for CIFAR-10 by radius in steps of 1/255."""


@METHODS.register("llr", "LLR")
@dataclass(frozen=True, config=STRICT)
class LLR(PenalisedAttack):
    """FGSM plus weight * (l(v) - l(u) - <v - u, grad l(u)>)^2 at two random points of the ball, as ELLE's authors do.

    The paper's own method is none of a single step: it looks for the point of the ball with the largest error by
    several steps. `local_ball` with the integrand `linearity` does that.

    The released code takes the gradient of the batch's mean loss, so each sample's expansion has 1/B of its slope: what
    it makes small is close to (l(v) - l(u))^2. The default is the formula; `slope="mean_loss"` is the code.

    >>> LLR().cost_per_step()
    Cost(forward=4, backward=5, double_backward=1)

    Args:
        inner: the attack trained on.
        weight: of the error; None means the authors' for the batch's radius, with straight lines between.
        schedule: "adaptive" as in the authors' runs: the weight starts at 0, is switched on where the error leaps, and
            fades, see `elle_a`; or "constant".
        slope: the gradient in the expansion: "sample", of each sample's loss, or "mean_loss".
        noise: whether u and v may leave the pixel box ("ball") or not ("ball_and_box").
        bn_mode: BatchNorm in the passes at u and v, see `models.modes.BatchNormMode`.
    """

    inner: InnerField = FGSM()
    weight: NonNegative | None = None
    schedule: Literal["adaptive", "constant"] = "adaptive"
    slope: Literal["sample", "mean_loss"] = "sample"
    noise: Noise = "ball"
    bn_mode: BatchNormMode = "train"

    # Backward: the attack, the gradient at u, and the update, which flows back through all three, doubly at u.
    cost: ClassVar[Cost] = Cost(forward=4, backward=5, double_backward=1)
    source: ClassVar[str] = "Qin et al., NeurIPS 2019, eq. 5, in the single-step form of ELLE's code (ICLR 2024)"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ of the inner attack;  CE(x + δ) + λ mean (CE(v) - CE(u) - ⟨v - u, g(u)⟩)², u, v ~ U(x ± ε), "
        "λ switched as ELLE-A's"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ELLE's code: FGSM",
        "weight": "ELLE's code: 200 up to 8/255, then unevenly up to 5000 at 24/255; straight lines between are ours",
        "schedule": "ELLE's code: adaptive in all runs",
        "slope": "ELLE's paper: of each sample; its code: of the mean loss",
        "noise": "ELLE's code: not clipped to the box",
        "bn_mode": "ELLE's code: in train mode",
    }
    bf16: ClassVar[bool] = False  # a squared difference of nearly equal losses, times hundreds

    @override
    def check_config(self, config: RunSettings) -> None:
        super().check_config(config)
        check_published(config.threat, self, weight=LLR_WEIGHTS)

    @override
    def cost_per_step(self) -> Cost:
        inner = self.inner.cost_per_step()
        return Cost(inner.forward + 2, inner.backward + 3, inner.double_backward + 1)

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        switched = Switch.memory() if self.schedule == "adaptive" else {}
        return super().memory(model, data, draws) | switched

    @override
    def error(self, model: nn.Module, batch: Batch) -> Tensor:
        here, there = (random_points(batch, self.noise) for _ in range(2))
        here.requires_grad_()
        with attack_mode(model, self.bn_mode):
            logits = [model(here), model(there)]
            (gradient,) = loss_gradients(logits[:1], [here], batch.labels, create_graph=True)
        if self.slope == "mean_loss":
            gradient = gradient / len(here)
        losses = [F.cross_entropy(part.float(), batch.labels, reduction="none") for part in logits]
        return linearity_error(losses[0], losses[1], gradient, there - here.detach()).square().mean()

    @override
    def weight_of(self, batch: Batch, error: Tensor) -> Tensor:
        weight = published_value(LLR_WEIGHTS, batch.threat.epsilon) if self.weight is None else self.weight
        if self.schedule == "constant":
            return error.new_tensor(weight)
        before = batch.memory["switch/weight"]
        Switch(weight).turned(batch.memory, error)
        return before
