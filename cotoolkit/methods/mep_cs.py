"""FGSM-MEP with ConvergeSmooth: the clean loss may not leave a band around its mean over the epoch before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Number, PixelLength, Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.bank import advance, momentum_bank, of_unit_mass, recalled_start
from cotoolkit.methods._memory.convergence import Band, band_memory
from cotoolkit.methods._memory.prior import prior_pass
from cotoolkit.methods._memory.stages import Drops
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update


@METHODS.register("mep_cs", "MEP-CS")
@dataclass(frozen=True, config=STRICT)
class MEPCS(Method):
    """ConvergeSmooth on the bank of `fgsm_mep`: where the reference loss L leaves its band, it joins as +L or -L.

    Attack and bank are those of `fgsm_mep`; its penalty on the logits is off by default here, as in the released code:
    the band takes its place. Band, stages, targets, measures and the pass that a step costs where L is out of its band
    are as in `rs_cs`.

    >>> MEPCS().cost_per_step(), MEPCS(reference="start").cost_per_step()
    (Cost(forward=3, backward=2, double_backward=0), Cost(forward=2, backward=2, double_backward=0))

    Args:
        alpha: step in pixel units; None means the radius.
        decay: of the gradients' average.
        reset: epochs from one bank to the next.
        reference: where L is taken: at the "clean" image, or at the bank's "start", which costs no pass.
        gamma: half the width of the band.
        ratio: of gamma to the least half width, at which a band is that follows the last change of L.
        stride: epochs without a band at both ends of a stage.
        drops: shares of training at which the learning rate drops, ascending; see `rs_cs`.
        weight: of L outside of its band.
        consistency: weight of the mean squared distance of the logits at adversary and start.
        smoothing: mass that each label gives to the other classes.
    """

    alpha: PixelLength | None = None
    decay: NonNegative = 0.3
    reset: Annotated[Whole, Ge(1)] = 40
    reference: Literal["clean", "start"] = "clean"
    gamma: NonNegative = 0.03
    ratio: Annotated[Number, Ge(1)] = 1.0
    stride: NonNegative = 1.0
    drops: Drops = ()
    weight: NonNegative = 1.0
    consistency: NonNegative = 0.0
    smoothing: Share = 0.4

    cost: ClassVar[Cost] = Cost(forward=3, backward=2)
    source: ClassVar[str] = (
        "Zhao et al., ICCV 2023, arXiv 2308.12857; FGSM_MEP_CS.py of Mengnan-Zhao-Happy/ConvergeSmooth"
    )
    family: ClassVar[Family] = "perturbation bank"
    formula: ClassVar[str] = "δ and b as FGSM-MEP;  CE(x + δ) ± w CE(x) where |CE(x) - last epoch's mean| > γ"
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "code: the radius",
        "decay": "code: 0.3",
        "reset": "code: 40 epochs of 110",
        "reference": "code: clean; start: its --initialize",
        "gamma": "code: 0.03",
        "ratio": "code: 1, which keeps the width fixed",
        "stride": "code: 1 epoch",
        "drops": "FastAT Benchmark: one stage; code: 100/110 and 105/110, where its rate drops",
        "weight": "code: 1",
        "consistency": "code: off; 10 with --reg-single. Its other term, --reg-multi, is of signs and has no gradient",
        "smoothing": "code: 0.6 stays on the label",
    }
    costs_more: ClassVar[str] = "1 backward where the reference loss is out of its band"

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=2 + (self.reference == "clean"), backward=2 + (self.consistency > 0))

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return momentum_bank(data) | band_memory()

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        at_start = self.reference == "start"
        start = recalled_start(batch, self.reset)
        prior = prior_pass(model, batch, start, smoothing=self.smoothing, keep=at_start or self.consistency > 0)
        delta = prior.stepped(self.alpha).delta
        band = Band(self.gamma, self.ratio, self.stride, self.drops, self.weight)
        record = band.train(model, prior, delta, update, self.consistency, at_start=at_start)
        advance(batch, start, of_unit_mass(prior.gradient), self.alpha, self.decay)
        return record
