"""GAT: guided adversarial training, with the squared distance of the predicted probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._terms.guided import guided_step
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.models.modes import BatchNormMode


@METHODS.register("gat", "GAT")
@dataclass(frozen=True, config=STRICT)
class GAT(Method):
    """CE(f(x), y) + weight * mean ||p(x) - p(x')||^2, with x' one step from a random corner.

    In every other iteration of an epoch the step also ascends that term. Late in training its weight is multiplied.
    Start and step scale with the radius; the authors publish weights for one radius of each data set.

    The attack is in eval mode by default, as in the authors' code. The clean logits it is guided by are those of the
    update's pass in either case.

    >>> GAT().cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        weight: of the term; 0 is clean training.
        late_factor: of the weight, late in training.
        late: share of training that is done from when on it applies.
        start: of the attack, as a share of the radius.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    weight: NonNegative = 10.0
    late_factor: NonNegative = 4.0
    late: Share = 0.86
    start: Share = 0.5
    bn_mode: BatchNormMode = "eval"

    cost: ClassVar[Cost] = Cost(forward=3, backward=3)
    source: ClassVar[str] = "Sriramanan et al., NeurIPS 2020; defaults of github.com/val-iisc/GAMA-GAT, GAT_cifar10.py"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ = P(η + ε sign ∇(CE + λ ‖p(x + η) - p(x)‖²)), η = ±ε/2, the distance in every other step;  "
        "CE(x) + λ ‖p(x + δ) - p(x)‖²"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "weight": "code: 10 for CIFAR-10 (15 for MNIST, 20 for ImageNet-100)",
        "late_factor": "code: 4 for CIFAR-10 (3 for MNIST, 7 for ImageNet-100)",
        "late": "code: from epoch 86 of 100 on",
        "start": "code: 4/255 at 8/255 (MNIST: the radius)",
        "bn_mode": "code: eval",
    }

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        weight = self.weight * (self.late_factor if batch.progress >= self.late else 1.0)
        return guided_step(model, batch, update, squared_distance, weight, share=self.start, bn_mode=self.bn_mode)


def squared_distance(reference: Tensor, logits: Tensor) -> Tensor:
    """Squared l2 distance of the predicted probabilities, summed over the batch.

    Args:
        reference: (B, classes), logits.
        logits: (B, classes).

    Returns:
        A scalar in [0, 2 B].
    """
    return (logits.float().softmax(1) - reference.float().softmax(1)).square().sum()
