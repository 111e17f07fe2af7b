"""FGSM-RS with ConvergeSmooth: the clean loss may not leave a band around its mean over the epoch before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Number, PixelLength, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.convergence import Band, band_memory
from cotoolkit.methods._memory.prior import prior_pass
from cotoolkit.methods._memory.stages import Drops
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update


@METHODS.register("rs_cs", "RS-CS")
@dataclass(frozen=True, config=STRICT)
class RSCS(Method):
    """ConvergeSmooth on a random start: where the reference loss L leaves its band, it joins the loss, as +L or -L.

    delta = eta + alpha sign g(x + eta), of the labels' cross-entropy. Loss: CE(x + delta), + weight * L if L exceeds
    its mean over the epoch before by more than the band, - weight * L if it falls short of it by more. Both are of the
    smoothed labels; if a wrapper gave the batch other targets, those win.

    There is no band in the first epochs of a stage of the learning rate, nor in the last ones: only where
    start + stride < epoch < end - stride. A method is not told its run's schedule, so that a stage is what `drops`
    says, in shares of training; by default all of it is one stage, as in FastAT Benchmark, which fits a cyclic rate.
    With `schedule.kind=multistep`, give its milestones: the authors' are 100/110 and 105/110.

    L is meant to be the loss of clean images: the code's settings call it benign, and FGSM_MEP_CS.py takes it so. But
    FGSM_RS_CS.py overwrites the images by their random starts first, and so repeats a pass that it had made already;
    `reference="start"` is that, at no pass at all. (The paper's text could not be read for this.) Its adversaries are
    clipped to the box but not to the ball, and reach 2 epsilon; `projected` clips.

    Measures: `reference_loss`, L; `out_of_band`, 1 above, -1 below, 0 inside. A step costs 1 backward pass more where
    that is not 0, which cannot be declared before it is known.

    >>> RSCS().cost_per_step(), RSCS(reference="start").cost_per_step()
    (Cost(forward=3, backward=2, double_backward=0), Cost(forward=2, backward=2, double_backward=0))

    Args:
        alpha: step in pixel units; None means the radius.
        projected: clip to the ball.
        reference: where L is taken: at the "clean" image or at the random "start".
        gamma: half the width of the band.
        ratio: of gamma to the least half width, at which a band is that follows the last change of L.
        stride: epochs without a band at both ends of a stage.
        drops: shares of training at which the learning rate drops, ascending.
        weight: of L outside of its band.
        consistency: weight of the mean squared distance of the logits at adversary and start.
        smoothing: mass that each label gives to the other classes.
    """

    alpha: PixelLength | None = None
    projected: bool = False
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
        "Zhao et al., ICCV 2023, arXiv 2308.12857; FGSM_RS_CS.py of Mengnan-Zhao-Happy/ConvergeSmooth"
    )
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ = η + α sign g(x + η), η ~ U(-ε, ε), no P;  CE(x + δ) ± w CE(x) where |CE(x) - last epoch's mean| > γ"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "code: the radius",
        "projected": "code: box alone",
        "reference": "FGSM_MEP_CS.py: clean; FGSM_RS_CS.py: the random start",
        "gamma": "code: 0.03",
        "ratio": "code: 1, which keeps the width fixed",
        "stride": "code: 1 epoch",
        "drops": "FastAT Benchmark: one stage; code: 100/110 and 105/110, where its rate drops",
        "weight": "code: 1",
        "consistency": "code: off; 7 with --reg-single. Its other term, --reg-multi, is of signs and has no gradient",
        "smoothing": "code: 0.6 stays on the label",
    }
    costs_more: ClassVar[str] = "1 backward where the reference loss is out of its band"

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=2 + (self.reference == "clean"), backward=2 + (self.consistency > 0))

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return band_memory()

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        images, threat, at_start = batch.images, batch.threat, self.reference == "start"
        start = threat.random_start(images, batch.generator)
        keep = at_start or self.consistency > 0
        prior = prior_pass(model, batch, start, smoothing=self.smoothing, along="labels", keep=keep)
        alpha = threat.epsilon if self.alpha is None else self.alpha
        ball = threat if self.projected else threat.resized(threat.epsilon + alpha)
        delta = ball.project(images, start + alpha * threat.steepest(prior.gradient))
        band = Band(self.gamma, self.ratio, self.stride, self.drops, self.weight)
        return band.train(model, prior, delta, update, self.consistency, at_start=at_start)
