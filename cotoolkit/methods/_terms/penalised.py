"""Training on the images that another method attacks, with an error of the network's added to the loss."""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import AttackMethod
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass


class PenalisedAttack(AroundMethod):
    """Cross-entropy at the attacked images plus a weight times an error; both are a subclass's.

    Measures: `error`, before its weight, and `weight`.
    """

    inner: AttackMethod

    def error(self, model: nn.Module, batch: Batch) -> Tensor:
        """What is made small: a scalar with its graph."""
        raise AssertionError(f"{type(self).__name__} defines no error")

    def weight_of(self, batch: Batch, error: Tensor) -> Tensor:
        """Its weight in this step, a scalar; an adaptive one takes note of the error."""
        raise AssertionError(f"{type(self).__name__} defines no weight")

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        found = adversarial_pass(model, batch, self.inner.attack(model, batch))
        error = self.error(model, batch)
        weight = self.weight_of(batch, error).to(error)
        update(found.losses.mean() + weight * error)
        return found.record(measures={"error": error.detach(), "weight": weight})
