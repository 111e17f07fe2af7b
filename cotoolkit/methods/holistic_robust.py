"""Holistic Robust (HR) training: worst-case weights over any inner attack, and the controls its effect is read against.

Of the paper the abstract was read, of its code everything; see docs/holistic_robust.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from annotated_types import Lt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from typing_extensions import override

from cotoolkit.attacks.gradient import attack_mode
from cotoolkit.core.distributed import all_gather, rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import NonNegative
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._terms import tilts
from cotoolkit.methods._terms.worst_case import Order, WorstCase, effective_share, solve
from cotoolkit.methods.base import (
    METHODS,
    AdversarialPass,
    Batch,
    Cost,
    InnerField,
    Method,
    StepRecord,
    Update,
    adversarial_pass,
)
from cotoolkit.methods.single_step import FGSM, PGD

Share = Annotated[NonNegative, Lt(1)]

SOURCE = "Bennouna, Lucas & Van Parys, ICML 2023"


@METHODS.register("holistic_robust", "HR")
@dataclass(frozen=True, config=STRICT)
class HolisticRobust(Method):
    """Training on the worst case, over laws near the batch's, of the expected adversarial loss.

    loss = V = sum_i p_i l_i + p_0 W with the worst-case weights p of `worst_case`, constants for the gradient. With
    r = alpha = 0 and no bound it is the inner method, bit for bit. Under several processes the weights are those of the
    whole batch. The logged train_loss stays the plain mean; losses that are not finite end the run as diverged.

    Measures: `worst_case_value`, V; `plain_mean`, of the losses weighed; `max_weight`, the largest weight of a sample,
    with the atom's share; `ess`, the effective sample size over n; `atom_weight`, p_0; `abnormal_weight`, weight on the
    samples whose loss the attack lowered; `abnormal_share`, how many these are.

    Args:
        inner: the attack.
        r: radius of the KL divergence, in nats: statistical error. The released scripts use 0.1 and 0.2.
        alpha: share of the batch that is taken for corrupted, and replaced by the worst loss.
        bound: the worst loss, W; losses are clipped there, and a clipped sample gives no gradient. None: the largest
            loss of the batch, as in the released code; its gradient then carries p_0.
        order: "lp_then_kl" is the paper's model of the data, "HD" in the released code; "kl_then_lp" is its "HR".
    """

    inner: InnerField = FGSM()
    r: NonNegative = 0.1
    alpha: NonNegative = 0.0
    bound: NonNegative | None = None
    order: Order = "lp_then_kl"

    cost: ClassVar[Cost] = FGSM.cost
    source: ClassVar[str] = f"{SOURCE}; weights in closed form"

    @override
    def passes(self) -> Cost:
        return self.inner.passes()

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        found = adversarial_pass(model, batch, self.inner.attack(model, batch))
        losses = found.losses if self.bound is None else found.losses.clamp_max(self.bound)
        whole = _Whole.of(losses, found)
        worst = solve(whole.weighed, self.r, self.alpha, self.bound, self.order)
        weights = worst.folded(whole.weighed) if self.bound is None else worst.weights
        own = whole.of_this_process(weights)
        if self.r == 0 and self.alpha == 0:
            update(losses.mean())
            return found.record(measures=whole.measures(weights, worst))
        outside = 0.0 if self.bound is None else (worst.atom * worst.bound).to(losses)
        update((own * losses).sum() + outside)
        return found.record(own, whole.measures(weights, worst))


Tilt = Literal[
    "permuted", "norm_matched", "small_batch", "inverse", "oracle", "drop", "trim", "exponential", "cvar"
]  # as `HolisticControl` explains


@METHODS.register("hr_control")
@dataclass(frozen=True, config=STRICT)
class HolisticControl(Method):
    """Training with weights that share one thing with Holistic Robust ones and lack another; in one process.

    - permuted: the same weights, given to random samples: as few effective samples, and no link to the losses.
    - norm_matched: uniform weights, the gradient rescaled to the length that HR's has here: as long a step.
    - small_batch: uniform on a random part of the batch, as large as HR's effective sample size.
    - inverse: the same weights, the largest for the smallest loss.
    - oracle: HR's weights for the losses at the examples of a stronger attack; gradients at the inner ones.
    - drop: the lowest alpha is left out and its mass spread evenly: HR's replacement without the atom.
    - trim: the highest alpha is left out, the opposite of HR's replacement: robust statistics against poison.
    - exponential: proportional to exp(loss / temperature), as few effective samples.
    - cvar: uniform on the largest losses, as few effective samples.

    Measures: those of `HolisticRobust`, of the weights used; V and p_0 are those that HR would have here. And
    `gradient_scale`, of norm_matched.

    Args:
        weights: which.
        inner: the attack.
        r: radius of the HR that is matched.
        alpha: its share, and the share of drop and trim.
        order: its order.
        oracle: the stronger attack.
    """

    weights: Tilt = "permuted"
    inner: InnerField = FGSM()
    r: NonNegative = 0.1
    alpha: Share = 0.0
    order: Order = "lp_then_kl"
    oracle: InnerField = PGD()

    cost: ClassVar[Cost] = FGSM.cost
    source: ClassVar[str] = "ours: controls of Holistic Robust training"

    @override
    def passes(self) -> Cost:
        forward, backward, double = self.inner.passes()
        if self.weights == "norm_matched":
            return Cost(forward, backward + 2, double)  # the lengths of two gradients
        if self.weights == "oracle":
            stronger = self.oracle.passes()
            return Cost(forward + stronger.forward, backward + stronger.backward - 1, double)
        return self.inner.passes()

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        if rank_and_world()[1] > 1:
            raise ConfigError("hr_control trains in one process; holistic_robust in several, too")
        attacked = self.inner.attack(model, batch)
        weighed = self._oracle_losses(model, batch) if self.weights == "oracle" else None
        found = adversarial_pass(model, batch, attacked)
        whole = _Whole.of(found.losses if weighed is None else weighed, found)
        worst = solve(whole.weighed, self.r, self.alpha, None, self.order)
        holistic = worst.folded(whole.weighed)
        keys = torch.rand(len(holistic), generator=batch.generator, device=batch.generator.device).to(holistic.device)
        weights = self._tilted(holistic, whole.weighed, keys)
        scale = torch.tensor(torch.nan)
        factors = weights.to(found.losses)
        if self.weights == "norm_matched":
            parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
            lengths = [_length(found.losses @ w.to(found.losses), parameters) for w in (holistic, weights)]
            scale = lengths[0] / lengths[1].clamp_min(torch.finfo(lengths[1].dtype).tiny)
            factors = scale * factors
        update((factors * found.losses).sum())
        return found.record(factors, {**whole.measures(weights, worst), "gradient_scale": scale})

    def _tilted(self, holistic: Tensor, losses: Tensor, keys: Tensor) -> Tensor:
        choices = {
            "permuted": lambda: tilts.permuted(holistic, keys),
            "norm_matched": lambda: tilts.uniform(losses),
            "small_batch": lambda: tilts.subset(holistic, keys),
            "inverse": lambda: tilts.inverse(holistic, losses),
            "oracle": lambda: holistic,
            "drop": lambda: tilts.drop_lowest(losses, self.alpha),
            "trim": lambda: tilts.trim_highest(losses, self.alpha),
            "exponential": lambda: tilts.exponential(losses, holistic),
            "cvar": lambda: tilts.cvar(losses, holistic),
        }
        return choices[self.weights]()

    def _oracle_losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """Losses (B,) at the stronger attack's examples, normalised as the update will be."""
        images = batch.images + self.oracle.attack(model, batch).delta
        with torch.no_grad(), attack_mode(model, "train"):
            return cross_entropy(model(images).float(), batch.labels, reduction="none")


class _Whole(NamedTuple):
    """The losses of the whole batch, that of all processes.

    Attributes:
        weighed: (n,), the losses that decide the weights.
        abnormal: (n,) bool, samples whose loss the attack lowered.
        own: where those of this process stand.
    """

    weighed: Tensor
    abnormal: Tensor
    own: slice

    @classmethod
    def of(cls, weighed: Tensor, found: AdversarialPass) -> _Whole:
        """Gather what this process knows."""
        abnormal = (found.losses.detach() < found.attacked.losses).to(weighed)
        (losses, flags), own = all_gather(torch.stack([weighed.detach(), abnormal]))
        return cls(losses, flags.bool(), own)

    def of_this_process(self, weights: Tensor) -> Tensor:
        """This process's weights, so that the mean over processes of its gradients is the weighted sum over all."""
        return weights[self.own].to(self.weighed) * rank_and_world()[1]

    def measures(self, weights: Tensor, worst: WorstCase) -> Mapping[str, Tensor]:
        """What the step has to say of its weights."""
        abnormal = self.abnormal.double()
        return {
            "worst_case_value": worst.value,
            "plain_mean": self.weighed.double().mean(),
            "max_weight": weights.amax(),
            "ess": effective_share(weights),
            "atom_weight": worst.atom,
            "abnormal_weight": (weights * abnormal).sum() / weights.sum(),
            "abnormal_share": abnormal.mean(),
        }


def _length(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """l2 length of a loss's gradient in the parameters."""
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    length: Tensor = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients]))
    return length
