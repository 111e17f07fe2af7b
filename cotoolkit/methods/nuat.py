"""NuAT: the nuclear norm of how a batch's logits move is kept small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods._terms.guided import guided_step
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.models.modes import BatchNormMode


@METHODS.register("nuat", "NuAT")
@dataclass(frozen=True, config=STRICT)
class NuAT(Method):
    """CE(f(x), y) + weight * nuclear norm of (f(x) - f(x')) / B, with x' one step from a random corner.

    In every other iteration of an epoch the step also ascends the norm. The weight rises from 0 in equal steps, one an
    epoch, and is full from `ramp` of training on. The authors publish no weight for other radii than 8/255; start and
    step scale.

    The attack is in eval mode by default, as in the authors' code, from which its published results are; FastAT
    Benchmark attacks in train mode. The clean logits it is guided by are those of the update's pass in either case.

    >>> NuAT().cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        weight: of the norm, once it is full; 0 is clean training.
        ramp: share of training after which it is full.
        start: of the attack, as a share of the radius.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    weight: NonNegative = 4.5
    ramp: Annotated[Share, Gt(0)] = 0.9
    start: Share = 0.5
    bn_mode: BatchNormMode = "eval"

    cost: ClassVar[Cost] = Cost(forward=3, backward=3)
    source: ClassVar[str] = "Sriramanan et al., NeurIPS 2021; defaults of github.com/val-iisc/NuAT, NuAT_cifar10.py"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ = P(η + ε sign ∇(Σ CE + λ ‖f(x + η) - f(x)‖*)), η = ±ε/2, the norm in every other step;  "
        "CE(x) + λ ‖f(x + δ) - f(x)‖* / B"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "weight": "code: 4.5 (4 with averaged weights and in FastAT Benchmark); not published for other radii",
        "ramp": "code: 90 of 100 epochs (all with averaged weights and in FastAT Benchmark)",
        "start": "code: 4/255 at 8/255",
        "bn_mode": "code: eval; FastAT Benchmark: train",
    }

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        require_one_process(self.name, "it takes the nuclear norm of the whole batch's outputs")
        before = batch.progress * batch.epoch * batch.epoch_length / max(batch.iteration, 1)
        weight = self.weight * min(1.0, before / self.ramp)
        return guided_step(model, batch, update, nuclear_norm, weight, share=self.start, bn_mode=self.bn_mode)


def nuclear_norm(reference: Tensor, logits: Tensor) -> Tensor:
    """The sum of the singular values of how a batch's logits moved, with a gradient that round-off does not decide.

    Directions in which nothing moved have no singular vectors of their own; their gradient is 0 here.

    Args:
        reference: (B, classes).
        logits: (B, classes).

    Returns:
        A scalar, at least 0; not finite where a logit is not.
    """
    moved = logits.float() - reference.float()
    if not moved.isfinite().all():  # no singular values to be found: the run has diverged
        return moved.abs().sum()
    values = torch.linalg.svdvals(moved)
    known = values > values.detach().amax() * max(moved.shape) * torch.finfo(values.dtype).eps
    total: Tensor = (values * known).sum()
    return total
