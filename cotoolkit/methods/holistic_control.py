"""Controls that the effect of Holistic Robust (HR) training is read against: other weights, alike in one respect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Lt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods._weighting import tilts
from cotoolkit.methods._weighting.whole_batch import WholeBatch
from cotoolkit.methods._weighting.worst_case import Order, solve
from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.methods.pgd import PGD
from cotoolkit.models.modes import attack_mode

Tilt = Literal[
    "permuted", "norm_matched", "small_batch", "inverse", "oracle", "drop", "trim", "exponential", "cvar"
]  # as `HolisticControl` explains


@METHODS.register("hr_control")
@dataclass(frozen=True, config=STRICT)
class HolisticControl(AroundMethod):
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

    >>> HolisticControl(weights="norm_matched").cost_per_step()  # the lengths of two gradients more
    Cost(forward=2, backward=4, double_backward=0)

    Args:
        weights: which.
        inner: the attack.
        r: radius of the HR that is matched.
        alpha: its share, and the share of drop and trim.
        order: its order.
        oracle: the stronger attack.

    Raises:
        ConfigError: at a step, if several processes train.
    """

    weights: Tilt = "permuted"
    inner: InnerField = FGSM()
    r: NonNegative = 0.1
    alpha: Annotated[Share, Lt(1)] = 0.0
    order: Order = "lp_then_kl"
    oracle: InnerField = PGD()

    cost: ClassVar[Cost] = FGSM.cost
    source: ClassVar[str] = "ours: controls of Holistic Robust training"
    family: ClassVar[Family] = "sample weighting"
    formula: ClassVar[str] = "δ of the inner attack;  Σ pᵢ CE(xᵢ + δᵢ), p like Holistic Robust weights in one respect"
    constants: ClassVar[Mapping[str, str]] = {
        "weights": "ours",
        "inner": "ours: as holistic_robust",
        "r": "ours: as holistic_robust",
        "alpha": "ours: as holistic_robust",
        "order": "ours: as holistic_robust",
        "oracle": "ours",
    }

    @override
    def cost_per_step(self) -> Cost:
        forward, backward, double = self.inner.cost_per_step()
        if self.weights == "norm_matched":
            return Cost(forward, backward + 2, double)  # the lengths of two gradients
        if self.weights == "oracle":
            stronger = self.oracle.cost_per_step()
            return Cost(forward + stronger.forward, backward + stronger.backward - 1, double)
        return self.inner.cost_per_step()

    @override
    def check_config(self, config: RunSettings) -> None:
        super().check_config(config)
        self.oracle.check_config(config)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        require_one_process(self.name, "its weights are of the whole batch; holistic_robust trains in several, too")
        attacked = self.inner.attack(model, batch)
        weighed = self._oracle_losses(model, batch) if self.weights == "oracle" else None
        found = adversarial_pass(model, batch, attacked)
        whole = WholeBatch.of(found.losses if weighed is None else weighed, found)
        worst = solve(whole.weighed, self.r, self.alpha, None, self.order)
        holistic = worst.folded(whole.weighed)
        keys = torch.rand(
            len(holistic), generator=batch.generator, device=batch.generator.device, dtype=torch.float32
        ).to(holistic.device)
        weights = self._tilted(holistic, whole.weighed, keys)
        scale = torch.tensor(torch.nan, dtype=torch.float32)
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


def _length(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """l2 length of a loss's gradient in the parameters."""
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    length: Tensor = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients]))
    return length
