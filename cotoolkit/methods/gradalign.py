"""GradAlign: FGSM training that keeps the input gradients inside the ball aligned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import NonNegative, format_number
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.published import check_published
from cotoolkit.methods._terms.misalignment import misalignment
from cotoolkit.methods._terms.random_points import Noise, random_points
from cotoolkit.methods.base import METHODS, Cost, Family, Method, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, train_on
from cotoolkit.models.modes import BatchNormMode, attack_mode

FITTED: Mapping[float, float] = {8: 0.2, 16: 2.0}
"""The authors' weights through which their law goes, by radius in steps of 1/255."""


def published_weight(epsilon: float) -> float:
    """The authors' weight for a radius: exp(255 epsilon ln(10) / 8 + ln 0.02), 0.2 at 8/255 and 2.0 at 16/255.

    >>> round(published_weight(8 / 255), 6)
    0.2

    Raises:
        ConfigError: above 16/255, where the law was not fitted and explodes.
    """
    if round(255 * epsilon, 4) > max(FITTED):
        raise ConfigError(
            f"GradAlign's published weight is fitted up to epsilon 16/255, not {format_number(epsilon)}: "
            "set method.weight yourself"
        )
    return math.exp(255 * epsilon * math.log(10) / 8 + math.log(0.02))


@METHODS.register("gradalign", "GradAlign")
@dataclass(frozen=True, config=STRICT)
class GradAlign(Method):
    """FGSM plus weight * (1 - mean cos(g1, g2)), with g2 = g(x + eta), eta uniform in the ball.

    As in both released codes x + eta may leave the pixel box. g1 is detached; the regulariser's gradient flows through
    g2 only, by double backward. Samples with a zero gradient are left out of the mean. The gradient g(x) that FGSM
    steps along serves as g1, so it is computed once.

    >>> GradAlign(weight=0.2).cost_per_step()
    Cost(forward=3, backward=4, double_backward=1)

    Args:
        weight: of the regulariser; None means the authors' law in epsilon, `published_weight`, at the batch's radius,
            so that it grows while the radius warms up.
        anchor: where g1 is taken: "clean" as in the paper; "adversarial" (x + delta, 1 more forward and backward) as in
            the released code of co_features.
        noise: where x + eta lies: "ball", or "ball_and_box", clipped as the attack's perturbations are (ours).
        bn_mode: BatchNorm during the attack and the regulariser, see `models.modes.BatchNormMode`.

    Raises:
        ConfigError: from `check_config`: no weight, where the law is not of the norm or the radius.
    """

    weight: NonNegative | None = None
    anchor: Literal["clean", "adversarial"] = "clean"
    noise: Noise = "ball"
    bn_mode: BatchNormMode = "train"

    # Backward: the attack, g2, and the update, which flows back through the loss and, doubly, through g2.
    cost: ClassVar[Cost] = Cost(forward=3, backward=4, double_backward=1)
    source: ClassVar[str] = "Andriushchenko & Flammarion, NeurIPS 2020, eq. 4"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = "δ as FGSM;  CE(x + δ) + λ (1 - mean cos(g(x), g(x + η))), η ~ U(-ε, ε)"
    constants: ClassVar[Mapping[str, str]] = {
        "weight": "code: exp(ε ln 10 / (8/255) + ln 0.02), 0.2 at 8/255 and 2 at 16/255",
        "anchor": "paper and code",
        "noise": "code: not clipped to the box",
        "bn_mode": "ours: attack and update see the same function; released code differs by method",
    }

    @override
    def cost_per_step(self) -> Cost:
        extra = self.anchor == "adversarial"
        return Cost(forward=3 + extra, backward=4 + extra, double_backward=1)

    @override
    def check_config(self, config: RunSettings) -> None:
        check_published(config.threat, self, weight=FITTED)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        weight = published_weight(batch.threat.epsilon) if self.weight is None else self.weight
        attacked = attacks.fgsm(model, batch.images, batch.labels, batch.threat, bn_mode=self.bn_mode)

        def penalty() -> Tensor:
            with attack_mode(model, self.bn_mode):
                fixed = attacked.gradient
                if self.anchor == "adversarial":
                    fixed = input_gradient(model, batch.images + attacked.delta, batch.labels).gradient
                noisy = random_points(batch, self.noise)
                moving = input_gradient(model, noisy, batch.labels, create_graph=True).gradient
            return weight * misalignment(fixed.detach(), moving)

        return train_on(model, batch, attacked, update, penalty)
