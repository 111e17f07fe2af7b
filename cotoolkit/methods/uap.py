"""FGSM-UAP: FGSM from one universal perturbation."""

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


@METHODS.register("uap", "FGSM-UAP")
@dataclass(frozen=True, config=STRICT)
class UAP(UniversalMethod):
    """FGSM from one perturbation u of all images: delta = P(u + alpha sign g(x + u)), and a penalty as in `fgsm_mep`.

    After the step m <- decay m + mean(g / |g|_1), with the l1 norm of the whole batch, and u <- clip(u + a sign m),
    with a its amplitude. u starts at random signs; it stands in the network's frame, and so is not cropped nor flipped.
    The memory holds it in units of a, where in linf each entry is -1, 0 or 1. At any amplitude above the radius the
    start is the same, since it is clipped. Targets as in `fgsm_mep`: those of a wrapper win.

    >>> UAP().cost_per_step()
    Cost(forward=2, backward=3, double_backward=0)

    Args:
        alpha: step in pixel units; None means the radius.
        amplitude: a, of the universal perturbation, in pixel units; None means 1.25 epsilon.
        decay: of its momentum.
        weight: of the mean squared distance of the logits at the adversary and at the start.
        smoothing: mass that each label spreads over all classes, its own among them.
    """

    source: ClassVar[str] = "Pan, Li & Yao, AAAI 2024; fgsm_uap.py of fzjcdt/FastAT_Benchmark, by the same first author"
    formula: ClassVar[str] = (
        "δ = P(u + α sign g(x + u)), m ← μ m + mean g / ‖g‖₁, u ← clip(u + a sign m);  "
        "CE(x + δ) + λ MSE(f(x + δ), f(x + u))"
    )

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return universal_memory(1, data.shape, draws)

    @override
    def keys(self, batch: Batch) -> Tensor:
        return torch.zeros_like(batch.labels)
