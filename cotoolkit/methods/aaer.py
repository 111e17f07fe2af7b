"""AAER training: single-step training that holds back abnormal adversarial examples, whose loss the attack lowered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import NonNegative
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods._settings.published import check_published, published_value
from cotoolkit.methods.base import METHODS, Cost, Family, Method, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import BatchNormMode

Start = Literal["rs", "n"]
"""The attack: RS-FGSM with a step of 1.25 epsilon, or N-FGSM with k = 2."""

LAMBDA2: dict[str, dict[float, float]] = {
    "rs": {8: 2.5, 12: 5.0, 16: 7.0, 32: 5.75},
    "n": {8: 1.5, 12: 5.0, 16: 8.5, 32: 2.75},
}
LAMBDA3: dict[str, dict[float, float]] = {
    "rs": {8: 1.5, 12: 2.75, 16: 3.25, 32: 1.5},
    "n": {8: 0.15, 12: 0.55, 16: 1.5, 32: 0.75},
}
"""The authors' weights for CIFAR-10, by start and radius in steps of 1/255."""


@METHODS.register("aaer", "AAER")
@dataclass(frozen=True, config=STRICT)
class AAER(Method):
    """CE(x + delta) + lambda1 r (lambda2 F + lambda3 max(0, V_abnormal - V_normal)), r the abnormal share of the batch.

    Abnormal are samples whose cross-entropy at x + delta is below that at the attack's start. F is their mean fall, V
    the mean squared change of the logits. A batch of one kind only has no regulariser. The logits at the start and
    V_normal are constants.

    In the released code F is a constant too, so that lambda2 changes the reported loss and not the training. `fall`
    says which: "constant" (released), by which the published weights were found, or "trained", F with its gradient.

    Measures: `abnormal`, r; `abnormal_fall`, F; `abnormal_change` and `normal_change`, V; nan where there is no such
    sample. Not for bfloat16: losses before and after that are near zero differ by less than it can tell.

    >>> METHODS.parse({"name": "aaer", "start": "rs", "lambda2": 2}).lambda2
    2.0

    Args:
        start: which attack, see `Start`.
        lambda1: weight of the whole regulariser.
        lambda2: weight of the fall; None means `LAMBDA2` at the batch's radius.
        lambda3: weight of the change of logits; None means `LAMBDA3` at the batch's radius.
        fall: whether the fall has a gradient: "constant" or "trained".
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    start: Start = "n"
    lambda1: NonNegative = 1.0
    lambda2: NonNegative | None = None
    lambda3: NonNegative | None = None
    fall: Literal["constant", "trained"] = "constant"
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Lin, Yu & Liu, NeurIPS 2023, arXiv 2404.08154; tmllab/2023_NeurIPS_AAER"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ as RS- or N-FGSM;  CE(x + δ) + λ₁ r (λ₂ mean fall of CE + λ₃ max(0, V_abn - V_norm)), r = share of CE falls"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "start": "code: both; which one by default is ours",
        "lambda1": "code: 1",
        "lambda2": "code: CIFAR-10 at 8, 12, 16 and 32/255; straight lines between are ours",
        "lambda3": "code: CIFAR-10 at 8, 12, 16 and 32/255; straight lines between are ours",
        "fall": "code: constant",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }
    bf16: ClassVar[bool] = False

    @override
    def check_config(self, config: RunSettings) -> None:
        check_published(config.threat, self, lambda2=LAMBDA2[self.start], lambda3=LAMBDA3[self.start])

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        require_one_process(self.name, "it takes the abnormal share of the whole batch")
        found = adversarial_pass(model, batch, self._attack(model, batch))
        after = F.cross_entropy(found.logits.float(), batch.labels, reduction="none")
        abnormal = found.attacked.losses > after.detach()
        change = (found.logits - found.attacked.logits).square().sum(1)
        share, none = abnormal.float().mean(), after.new_zeros(())
        fall = _mean_over(found.attacked.losses - (after.detach() if self.fall == "constant" else after), abnormal)
        changes = _mean_over(change, abnormal), _mean_over(change, ~abnormal).detach()
        weights = self._weights(batch.threat.epsilon)
        penalty = self.lambda1 * share * (weights[0] * fall + weights[1] * (changes[0] - changes[1]).clamp_min(0))
        update(found.losses.mean() + torch.where(abnormal.any() & ~abnormal.all(), penalty, none))

        seen = {"abnormal_fall": (fall, abnormal), "abnormal_change": (changes[0], abnormal)}
        seen["normal_change"] = (changes[1], ~abnormal)
        measures = {name: torch.where(of.any(), value.detach(), torch.nan) for name, (value, of) in seen.items()}
        return found.record(None, {"abnormal": share, **measures})

    def _weights(self, epsilon: float) -> tuple[float, float]:
        """The second and the third lambda at a radius."""
        return (
            published_value(LAMBDA2[self.start], epsilon) if self.lambda2 is None else self.lambda2,
            published_value(LAMBDA3[self.start], epsilon) if self.lambda3 is None else self.lambda3,
        )

    def _attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        attack = attacks.rs_fgsm if self.start == "rs" else attacks.n_fgsm
        return attack(model, batch.images, batch.labels, batch.threat, generator=batch.generator, bn_mode=self.bn_mode)


def _mean_over(values: Tensor, members: Tensor) -> Tensor:
    """Mean of the values (B,) of some samples; 0 where there are none."""
    return (values * members).sum() / members.sum().clamp_min(1)
