"""FGSM-MEP: FGSM from a bank that follows each image's gradients, averaged over epochs, as released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, PixelLength, Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.bank import advance, momentum_bank, of_unit_mass, recalled_start
from cotoolkit.methods._memory.prior import prior_pass, train_near_prior
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update


@METHODS.register("fgsm_mep", "FGSM-MEP")
@dataclass(frozen=True, config=STRICT)
class FGSMMEP(Method):
    """What the released FGSM_MEP.py does: FGSM from the bank's b, and a penalty on how far the logits move from there.

    delta = P(b + alpha sign g(x + b)); m <- decay m + g / |g|_1, with the l1 norm of the whole batch's gradients; then
    b <- P(b + alpha sign m). Loss: CE(x + delta) + weight * MSE(f(x + delta), f(x + b)), whose gradient flows through
    both. FastAT Benchmark calls this method PGI. The paper's family, of which the momentum is one member and in which
    signs are averaged instead, is `fgsm_pgi`.

    Unlike the code, the bank is cropped and flipped as the images are, and the start is clipped to the box. The first
    bank has every entry at plus or minus epsilon; it begins anew, and m from 0, every `reset` epochs. Attack and update
    see the targets that smoothing makes; if a wrapper gave the batch others, those win.

    >>> FGSMMEP().cost_per_step(), FGSMMEP(weight=0).cost_per_step()
    (Cost(forward=2, backward=3, double_backward=0), Cost(forward=2, backward=2, double_backward=0))

    Args:
        alpha: step in pixel units; None means the radius.
        decay: of the gradients' average m.
        weight: of the distance of the logits.
        reset: epochs from one bank to the next.
        smoothing: mass that each label gives to the other classes.
    """

    alpha: PixelLength | None = None
    decay: NonNegative = 0.3
    weight: NonNegative = 10.0
    reset: Annotated[Whole, Ge(1)] = 40
    smoothing: Share = 0.4

    cost: ClassVar[Cost] = Cost(forward=2, backward=3)
    source: ClassVar[str] = "Jia et al., ECCV 2022; FGSM_MEP.py of jiaxiaojunQAQ/FGSM-PGI"
    family: ClassVar[Family] = "perturbation bank"
    formula: ClassVar[str] = (
        "δ = P(b + α sign g(x + b)), m ← μ m + g / ‖g‖₁, b ← P(b + α sign m);  CE(x + δ) + λ MSE(f(x + δ), f(x + b))"
    )
    constants: ClassVar[Mapping[str, str]] = {
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
        return momentum_bank(data)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        start = recalled_start(batch, self.reset)
        prior = prior_pass(model, batch, start, smoothing=self.smoothing, keep=self.weight > 0)
        record = train_near_prior(model, prior, prior.stepped(self.alpha), update, self.weight)
        advance(batch, start, of_unit_mass(prior.gradient), self.alpha, self.decay)
        return record
