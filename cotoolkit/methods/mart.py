"""MART: misclassified images weigh more in the divergence, and the runner-up class is pushed down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.core.numbers import NonNegative, PixelLength, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._terms.divergence import kl_divergence
from cotoolkit.methods._terms.random_points import gaussian_start
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import BatchNormMode


@METHODS.register("mart", "MART")
@dataclass(frozen=True, config=STRICT)
class MART(Method):
    """BCE(f(x'), y) + beta * mean (1 - p_y(x)) KL(p(x) || p(x')), with x' found by PGD.

    BCE is the cross-entropy minus log(1 - p of the strongest other class), both at x'. The update's gradient flows
    through the weights 1 - p_y(x) too, as in the authors' code.

    Measures: `base`, the mean of BCE, and `global_term`, the weighted divergence before beta.

    >>> MART(steps=1).cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        beta: weight of the divergence.
        steps: of the attack.
        alpha: step in pixel units; None means the authors' 0.007 at 0.031, in proportion.
        start_scale: standard deviation of the Gaussian start, in pixel units.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`. The authors attack in eval mode.
    """

    beta: NonNegative = 5.0
    steps: Annotated[Whole, Ge(1)] = 10
    alpha: PixelLength | None = None
    start_scale: PixelLength = 0.001
    bn_mode: BatchNormMode = "eval"

    cost: ClassVar[Cost] = Cost(forward=12, backward=12)
    source: ClassVar[str] = "Wang et al., ICLR 2020, eq. 11; defaults of github.com/YisenWang/MART, train_resnet.py"
    family: ClassVar[Family] = "multi-step"
    formula: ClassVar[str] = (
        "δ ← P(δ + α sign g(x + δ)), steps times, from N(0, 0.001²);  "
        "CE(x + δ) - log(1 - max_{k≠y} p_k(x + δ)) + β (1 - p_y(x)) KL(p(x) ‖ p(x + δ))"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "beta": "code: 5 (6 in the loss's own default)",
        "steps": "code: 10",
        "alpha": "code: 0.007 at 0.031",
        "start_scale": "code: 0.001",
        "bn_mode": "code: eval",
    }

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=self.steps + 2, backward=self.steps + 2)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        images, labels = batch.images, batch.labels
        attacked = attacks.pgd(
            model,
            images,
            labels,
            batch.threat,
            start=gaussian_start(images, self.start_scale, batch.generator),
            steps=self.steps,
            alpha=batch.threat.epsilon * 7 / 31 if self.alpha is None else self.alpha,
            bn_mode=self.bn_mode,
        )
        clean = model(images)
        found = adversarial_pass(model, batch, attacked)
        true = clean.float().softmax(1).gather(1, labels[:, None]).squeeze(1)
        base = (found.losses + runner_up_loss(found.logits, labels)).mean()
        term = ((1 - true) * kl_divergence(clean, found.logits)).mean()
        update(base + self.beta * term)
        return found.record(measures={"base": base.detach(), "global_term": term.detach()})


def runner_up_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """-log(1.0001 - p) of the strongest class that is not the label's; the authors' 1.0001 bounds it by 9.3.

    Args:
        logits: (B, classes).
        labels: (B,).

    Returns:
        (B,).
    """
    probabilities = logits.float().softmax(1)
    others = probabilities.scatter(1, labels[:, None], -1.0)
    return -torch.log(1.0001 - others.amax(1))
