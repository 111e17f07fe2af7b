"""Andriushchenko & Flammarion's rule: of all weights on the way, those that resist PGD best on training points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from annotated_types import Ge
from pydantic.dataclasses import dataclass
from typing_extensions import override

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.remedies.base import REMEDIES, Decision, Remedy


@REMEDIES.register("best_on_train")
@dataclass(frozen=True, config=STRICT)
class BestOnTrain(Remedy):
    """Train to the end, then go back to the weights whose PGD accuracy on training points was best.

    It is what "early stopping" means in the released code of GradAlign, which reports these weights beside the last
    ones. Nothing is rolled back while training goes on: `rollback` does that.

    >>> BestOnTrain().decide([0.4, 0.45]), BestOnTrain().decide([0.45, 0.4])
    ('keep', 'pass')

    Args:
        every: iterations between measurements; None measures at the end of each epoch.
        points: training points to measure on.
        steps: of PGD, of size epsilon / 4 from one uniform start.
    """

    every: Annotated[Whole, Ge(1)] | None = None
    points: Annotated[Whole, Ge(1)] = 256
    steps: Annotated[Whole, Ge(1)] = 10

    source: ClassVar[str] = (
        "Andriushchenko & Flammarion, NeurIPS 2020; tml-epfl/understanding-fast-adv-training, train.py "
        "--eval_early_stopped_model"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "every": "ours: an epoch, whatever the size of the data; code: 200 iterations, half an epoch of CIFAR-10",
        "points": "code: 256",
        "steps": "code: 10",
    }

    @override
    def due(self, iteration: int, epoch_length: int) -> bool:
        return iteration % (self.every or epoch_length) == 0

    @override
    def decide(self, accuracies: Sequence[float]) -> Decision:
        *before, now = accuracies
        return "keep" if now > max(before, default=-1) else "pass"
