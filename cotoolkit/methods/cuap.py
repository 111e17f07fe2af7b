"""FGSM-CUAP: FGSM from a universal perturbation of the image's class."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.universal import UniversalMethod, universal_memory
from cotoolkit.methods.base import METHODS
from cotoolkit.methods.batch import Batch, TrainingSet


@METHODS.register("cuap", "FGSM-CUAP")
@dataclass(frozen=True, config=STRICT)
class CUAP(UniversalMethod):
    """`uap` with one perturbation for each class: its momentum takes the mean over the batch's samples of that class.

    A class that a batch does not hold keeps perturbation and momentum as they are.

    >>> CUAP().cost_per_step()
    Cost(forward=2, backward=3, double_backward=0)

    Args:
        alpha: step in pixel units; None means the radius.
        amplitude: of the universal perturbations, in pixel units; None means 1.25 epsilon.
        decay: of their momentum.
        weight: of the mean squared distance of the logits at the adversary and at the start.
        smoothing: mass that each label spreads over all classes, its own among them.
    """

    source: ClassVar[str] = (
        "Pan, Li & Yao, AAAI 2024; fgsm_cuap.py of fzjcdt/FastAT_Benchmark, by the same first author"
    )
    formula: ClassVar[str] = "as UAP, with u and m of each class"

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return universal_memory(data.classes, data.shape, draws)

    @override
    def keys(self, batch: Batch) -> Tensor:
        return batch.labels
