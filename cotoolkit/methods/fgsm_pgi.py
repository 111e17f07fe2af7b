"""FGSM-PGI: FGSM from perturbations of earlier batches or epochs, and a penalty that keeps the logits near theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, PixelLength, Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.bank import advance, momentum_bank, recalled_start, undrawn_bank
from cotoolkit.methods._memory.carried import carried, carry, nothing_carried
from cotoolkit.methods._memory.prior import prior_pass, train_near_prior
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update


@METHODS.register("fgsm_pgi", "FGSM-PGI")
@dataclass(frozen=True, config=STRICT)
class FGSMPGI(Method):
    """The paper's family of prior-guided starts b: delta = P(b + alpha sign g(x + b)), with the penalty of `fgsm_mep`.

    b is what an earlier step left:

    - "batch" (FGSM-BP): delta of the batch before, from the i-th image to the i-th.
    - "epoch" (FGSM-EP): delta of the same image in the epoch before.
    - "momentum" (MEP): m <- decay m + sign g; b <- P(b + alpha sign m), of the same image.

    The paper's text could not be read for this: the three starts are known from its abstract, its code and those who
    build on it, and the average of signs is our reconstruction of its momentum. The released code averages gradients
    over the l1 norm of their batch instead, and that is `fgsm_mep`, which is to be named where its results are meant.

    The bank is cropped and flipped as the images are. Its first entries are random corners of the ball, as in the code;
    nothing is carried to the first batch. Targets are as in `fgsm_mep`: those of a wrapper win.

    >>> FGSMPGI(initialisation="epoch").cost_per_step()
    Cost(forward=2, backward=3, double_backward=0)

    Args:
        initialisation: what b is.
        alpha: step in pixel units; None means the radius.
        decay: of the average m.
        weight: of the mean squared distance of the logits at the adversary and at the start.
        reset: epochs after which the bank begins anew at random corners; what goes from batch to batch does not.
        smoothing: mass that each label gives to the other classes.
    """

    initialisation: Literal["batch", "epoch", "momentum"] = "momentum"
    alpha: PixelLength | None = None
    decay: NonNegative = 0.3
    weight: NonNegative = 10.0
    reset: Annotated[Whole, Ge(1)] = 40
    smoothing: Share = 0.4

    cost: ClassVar[Cost] = Cost(forward=2, backward=3)
    source: ClassVar[str] = "Jia et al., ECCV 2022, arXiv 2207.08859, partly reconstructed; jiaxiaojunQAQ/FGSM-PGI"
    family: ClassVar[Family] = "perturbation bank"
    formula: ClassVar[str] = (
        "δ = P(b + α sign g(x + b)), b of the batch or epoch before, or b ← P(b + α sign m), m ← μ m + sign g;  "
        "CE(x + δ) + λ MSE(f(x + δ), f(x + b))"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "initialisation": "code: the momentum of epochs, which the authors find best",
        "alpha": "code: the radius",
        "decay": "code: 0.3",
        "weight": "code: 10",
        "reset": "code: 40 epochs of 110 on CIFAR-10, 10 on CIFAR-100",
        "smoothing": "code: 0.6 stays on the label",
    }

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=2, backward=2 + (self.weight > 0))

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        match self.initialisation:
            case "batch":
                return nothing_carried(data)
            case "epoch":
                return {"delta": undrawn_bank(data)}
            case "momentum":
                return momentum_bank(data)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        if self.initialisation == "batch":
            start = batch.threat.project(batch.images, carried(batch))
        else:
            start = recalled_start(batch, self.reset)
        prior = prior_pass(model, batch, start, smoothing=self.smoothing, keep=self.weight > 0)
        attacked = prior.stepped(self.alpha)
        record = train_near_prior(model, prior, attacked, update, self.weight)
        match self.initialisation:
            case "batch":
                carry(batch, attacked.delta)
            case "epoch":
                batch.remember("delta", attacked.delta)
            case "momentum":
                advance(batch, start, batch.threat.steepest(prior.gradient), self.alpha, self.decay)
        return record
