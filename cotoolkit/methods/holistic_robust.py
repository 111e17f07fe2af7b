"""Holistic Robust (HR) training: worst-case weights over the losses of any inner attack.

Of the paper the abstract was read, of its code everything; see docs/holistic_robust.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._weighting.whole_batch import WholeBatch
from cotoolkit.methods._weighting.worst_case import Order, solve
from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass


@METHODS.register("holistic_robust", "HR")
@dataclass(frozen=True, config=STRICT)
class HolisticRobust(AroundMethod):
    """Training on the worst case, over laws near the batch's, of the expected adversarial loss.

    loss = V = sum_i p_i l_i + p_0 W with the worst-case weights p of `worst_case`, constants for the gradient. With
    r = alpha = 0 and no bound it is the inner method, bit for bit. Under several processes the weights are those of the
    whole batch. The logged train_loss stays the plain mean; losses that are not finite end the run as diverged.

    Measures: `worst_case_value`, V; `plain_mean`, of the losses weighed; `max_weight`, the largest weight of a sample,
    with the atom's share; `ess`, the effective sample size over n; `atom_weight`, p_0; `abnormal_weight`, weight on the
    samples whose loss the attack lowered; `abnormal_share`, how many these are.

    >>> HolisticRobust(inner="pgd", alpha="1/10").cost_per_step() == METHODS.parse("pgd").cost_per_step()  # free
    True

    Args:
        inner: the attack.
        r: radius of the KL divergence, in nats: statistical error. The released scripts use 0.1 and 0.2.
        alpha: share of the batch, in [0, 1], that is taken for corrupted, and replaced by the worst loss.
        bound: the worst loss, W; losses are clipped there, and a clipped sample gives no gradient. None: the largest
            loss of the batch, as in the released code; its gradient then carries p_0.
        order: "lp_then_kl" is the paper's model of the data, "HD" in the released code; "kl_then_lp" is its "HR".
    """

    inner: InnerField = FGSM()
    r: NonNegative = 0.1
    alpha: Share = 0.0
    bound: NonNegative | None = None
    order: Order = "lp_then_kl"

    cost: ClassVar[Cost] = FGSM.cost
    source: ClassVar[str] = "Bennouna, Lucas & Van Parys, ICML 2023; weights in closed form, docs/holistic_robust.md"
    family: ClassVar[Family] = "sample weighting"
    formula: ClassVar[str] = (
        "δ of the inner attack;  max over p with KL(p ‖ p̂) ≤ r, and a share α replaced, of Σ pᵢ CE(xᵢ + δᵢ)"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours: the paper trains on PGD",
        "r": "code: 0.1 and 0.2",
        "alpha": "ours: no corruption",
        "bound": "code: the largest loss of the batch",
        "order": "paper: the model of its data",
    }

    @override
    def cost_per_step(self) -> Cost:
        return self.inner.cost_per_step()

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        found = adversarial_pass(model, batch, self.inner.attack(model, batch))
        losses = found.losses if self.bound is None else found.losses.clamp_max(self.bound)
        whole = WholeBatch.of(losses, found)
        worst = solve(whole.weighed, self.r, self.alpha, self.bound, self.order)
        weights = worst.folded(whole.weighed) if self.bound is None else worst.weights
        own = whole.of_this_process(weights)
        if self.r == 0 and self.alpha == 0:
            update(losses.mean())
            return found.record(measures=whole.measures(weights, worst))
        outside = 0.0 if self.bound is None else (worst.atom * worst.bound).to(losses)
        update((own * losses).sum() + outside)
        return found.record(own, whole.measures(weights, worst))
