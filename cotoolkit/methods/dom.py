"""Dropping over-memorised samples from the loss, a comparator of BAT-style training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._weighting.suspicion import effective_size, suspicion
from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.methods.pgd import PGD
from cotoolkit.models.modes import attack_mode


@METHODS.register("dom", "DOM-RE")
@dataclass(frozen=True, config=STRICT)
class DOM(AroundMethod):
    """Samples whose clean image is fitted too well are dropped: sum over CE(f(x), y) >= threshold, divided by B.

    It acts on the well fitted samples, where BAT-style acts on the confidently wrong ones. The thresholds and the
    division by the full batch are the defaults of the released code; the rest of its recipe is not copied.

    The clean loss is that of training, with the statistics of the batch. An attack that starts at the image and sees
    the network so (`bn_mode="train"`) gives it for free; otherwise it is 1 forward more.

    Measures: `dropped`, share of the batch that is below the threshold, also before `start`; `dropped_suspicious`,
    share of these whose attacked image is taken for another class, which BAT-style would flag; `effective_size`.

    >>> DOM(inner="n_fgsm").cost_per_step()  # the clean loss does not come for free
    Cost(forward=3, backward=2, double_backward=0)

    Args:
        inner: the attack trained on.
        threshold: of the clean cross-entropy; None means the published 2.0 for single-step and 1.5 for PGD training.
        start: share of training before which nothing is dropped.
    """

    inner: InnerField = FGSM()
    threshold: NonNegative | None = None
    start: Share = 0.5

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Lin et al., ICLR 2024, arXiv 2310.08847; defaults of the authors' code"
    family: ClassVar[Family] = "sample weighting"
    formula: ClassVar[str] = "δ of the inner attack;  (1/B) Σ CE(x + δ) over CE(x) ≥ threshold"
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "paper: FGSM-like and PGD training",
        "threshold": "code: 2.0 single-step, 1.5 PGD",
        "start": "code: from half of training on",
    }

    @property
    def _attack_has_clean_loss(self) -> bool:
        """Whether the attack's first gradient is at the image, in the mode that the losses are compared in."""
        inner = self.inner
        if not isinstance(inner, FGSM | PGD) or (isinstance(inner, PGD) and inner.random_start):
            return False
        return inner.bn_mode == "train"

    @override
    def cost_per_step(self) -> Cost:
        inner = self.inner.cost_per_step()
        return inner._replace(forward=inner.forward + (not self._attack_has_clean_loss))

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        attacked = self.inner.attack(model, batch)
        dropped = self._clean_losses(model, batch, attacked) < self._limit
        found = adversarial_pass(model, batch, attacked)
        weights = torch.ones_like(found.losses)
        factors = None
        if batch.progress >= self.start:
            weights = (~dropped).to(weights)
            factors = weights / len(weights)
        update(found.losses.mean() if factors is None else (factors * found.losses).sum())
        suspicious = suspicion(found.logits, batch.labels).flagged
        measures = {
            "dropped": dropped.float().mean(),
            "dropped_suspicious": (suspicious & dropped).float().sum() / dropped.sum(),
            "effective_size": effective_size(weights),
        }
        return found.record(factors, measures)

    @property
    def _limit(self) -> float:
        if self.threshold is not None:
            return self.threshold
        return 1.5 if isinstance(self.inner, PGD) else 2.0

    def _clean_losses(self, model: nn.Module, batch: Batch, attacked: AttackResult) -> Tensor:
        if self._attack_has_clean_loss:
            return attacked.losses
        with torch.no_grad(), attack_mode(model, "train"):
            return F.cross_entropy(model(batch.images).float(), batch.labels, reduction="none")
