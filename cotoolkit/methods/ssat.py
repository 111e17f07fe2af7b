"""Single-step training of Kim et al. (FGSM-CKPT): the shortest part of the RS-FGSM step that is misclassified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import PixelLength, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode, attack_mode


@METHODS.register("ssat", "SSAT", "fgsm_ckpt")
@dataclass(frozen=True, config=STRICT)
class SSAT(AttackMethod):
    """Trains on x + (k/c) delta with the smallest k = 1 .. c that is misclassified, delta the step of RS-FGSM.

    Samples that are wrong already are trained on without a perturbation; those that no k fools are trained on the full
    step. Predictions at k < c are made in eval mode. Of k = c nobody has to ask. The whole batch goes through the
    network for each k, where the released code leaves out samples that are decided: the same perturbations, and a cost
    that is known beforehand.

    The default of `already` is the released code's: it calls the attack's logits, at the random start, those of the
    clean image, which costs nothing.

    >>> SSAT(c=4).cost_per_step(), SSAT(already="clean").cost_per_step()
    (Cost(forward=5, backward=2, double_backward=0), Cost(forward=5, backward=2, double_backward=0))

    Args:
        c: number of checkpoints on the way, at least 1; 1 looks at none between the image and the full step.
        already: where a sample is asked whether it is wrong already: "start", at x + eta as the attack sees it
            (released code), or "clean", at x in eval mode (1 forward more).
        alpha: step in pixel units; None means 1.25 epsilon.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    c: Annotated[Whole, Ge(1)] = 3
    already: Literal["start", "clean"] = "start"
    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=4, backward=2)
    source: ClassVar[str] = "Kim, Lee & Lee, AAAI 2021, arXiv 2010.01799; Harry24k/catastrophic-overfitting"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = (
        "δ of RS-FGSM times the least k/c, k = 1 .. c, that is misclassified, 0 if x + η is;  CE(x + δ)"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "c": "code: 3",
        "already": "code: at the random start; asking at the clean image is ours",
        "alpha": "code: 10/255 at 8/255",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=self.c + 1 + (self.already == "clean"), backward=2)

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        found = attacks.rs_fgsm(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )
        part = found.losses.new_ones(len(batch.labels))
        for k in range(self.c - 1, 0, -1):
            wrong = self._wrong(model, batch.images + k / self.c * found.delta, batch.labels)
            part = torch.where(wrong, k / self.c, part)
        if self.already == "start":
            wrong = found.logits.argmax(1) != batch.labels
        else:
            wrong = self._wrong(model, batch.images, batch.labels)
        part = torch.where(wrong, 0.0, part)
        return found._replace(delta=part.view(-1, *[1] * (found.delta.ndim - 1)) * found.delta)

    @staticmethod
    def _wrong(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad(), attack_mode(model, "eval"):
            predictions: Tensor = model(images).argmax(1)
        return predictions != labels
