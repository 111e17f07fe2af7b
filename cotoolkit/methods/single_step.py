"""Clean training and adversarial training with the sign-step family: FGSM, RS-FGSM, N-FGSM and multi-step PGD."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch.nn.functional as F
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import AttackResult, BatchNormMode
from cotoolkit.core.numbers import NonNegative
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Batch, Cost, Method, StepRecord, Update


@METHODS.register("standard", "clean")
@dataclass(frozen=True, config=STRICT)
class Standard(Method):
    """Training on the images as they are."""

    cost: ClassVar[Cost] = Cost(forward=1, backward=1)
    source: ClassVar[str] = "-"

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        logits = model(batch.images)
        losses = F.cross_entropy(logits.float(), batch.labels, reduction="none")
        update(losses.mean())
        return StepRecord(losses.detach(), logits.detach())


@METHODS.register("fgsm", "FGSM")
@dataclass(frozen=True, config=STRICT)
class FGSM(AttackMethod):
    """One full sign step from the image: delta = alpha * sign(g(x)). With an l2 threat, FGM.

    Args:
        alpha: step in pixel units; None means epsilon.
        bn_mode: BatchNorm during the attack, see `attacks.BatchNormMode`.
    """

    alpha: NonNegative | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Goodfellow et al., ICLR 2015"

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.fgsm(model, batch.images, batch.labels, batch.threat, alpha=self.alpha, bn_mode=self.bn_mode)


@METHODS.register("rs_fgsm", "RS-FGSM", "fgsm_rs")
@dataclass(frozen=True, config=STRICT)
class RSFGSM(AttackMethod):
    """FGSM from a uniform start in the ball, projected back: delta = P(eta + alpha * sign(g(x + eta))).

    Args:
        alpha: step in pixel units; None means 1.25 epsilon.
        bn_mode: BatchNorm during the attack, see `attacks.BatchNormMode`.
    """

    alpha: NonNegative | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Wong et al., ICLR 2020"

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.rs_fgsm(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )


@METHODS.register("n_fgsm", "N-FGSM")
@dataclass(frozen=True, config=STRICT)
class NFGSM(AttackMethod):
    """FGSM from a large uniform start, without projecting back: delta = eta + alpha * sign(g(x + eta)).

    Args:
        k: the start is uniform in k times the ball. The paper uses 2, and 3 or 4 at some large radii.
        alpha: step in pixel units; None means epsilon.
        bn_mode: BatchNorm during the attack, see `attacks.BatchNormMode`.
    """

    k: NonNegative = 2.0
    alpha: NonNegative | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "de Jorge et al., NeurIPS 2022, alg. 1"

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.n_fgsm(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator,
            k=self.k,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )


@METHODS.register("pgd", "PGD")
@dataclass(frozen=True, config=STRICT)
class PGD(AttackMethod):
    """Multi-step adversarial training, the control that does not overfit catastrophically.

    Args:
        steps: gradient steps of the attack.
        alpha: step in pixel units; None means 2.5 epsilon / steps (2/255 at 8/255 and 10 steps).
        random_start: uniform in the ball; otherwise the image.
        bn_mode: BatchNorm during the attack, see `attacks.BatchNormMode`.
    """

    steps: Annotated[int, Ge(1)] = 10
    alpha: NonNegative | None = None
    random_start: bool = True
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=11, backward=11)
    source: ClassVar[str] = "Madry et al., ICLR 2018"

    @override
    def passes(self) -> Cost:
        return Cost(forward=self.steps + 1, backward=self.steps + 1)

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.pgd(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator if self.random_start else None,
            steps=self.steps,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )
