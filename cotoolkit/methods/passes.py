"""The pass of an update at the attacked images: where every FGSM-like step ends, and what it leaves to the signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from torch import Tensor, nn

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.methods.batch import Batch


@dataclass(frozen=True)
class StepRecord:
    """By-products of a step, all detached. Gradients are per sample: of the summed loss, not of its mean.

    Attributes:
        losses: (B,), the cross-entropy at images + delta, without weights or regularisers; with the targets that the
            attack went by, so that it can be compared with that at the attack's start.
        delta: (B, C, H, W), the perturbation trained on; None for clean training.
        logits: (B, classes), at images + delta, of the forward pass that was trained on.
        attack: the attack with its gradient and logits; None for clean training, and where an update lies within it.
        update_gradient: (B, C, H, W), input gradient of the training loss at images + delta, divided by the sample's
            weight in the loss: nan where that is 0. None if not traced.
        measures: numbers of the method's own, by name; they join the step signals.
    """

    losses: Tensor
    logits: Tensor
    delta: Tensor | None = None
    attack: AttackResult | None = None
    update_gradient: Tensor | None = None
    measures: Mapping[str, Tensor] = field(default_factory=dict)


Update = Callable[[Tensor], None]
"""The trainer's: one backward pass of the loss and one optimiser step."""


class AdversarialPass(NamedTuple):
    """The forward pass of an update at the attacked images; `adversarial_pass` makes it.

    Attributes:
        attacked: outcome of the attack.
        images: (B, C, H, W), a leaf; it collects the update's input gradient if that is traced.
        logits: (B, classes), with their graph.
        losses: (B,), the cross-entropy that is trained on, with its graph.
        raised: (B,), detached, that which the attack raised: the same, unless attack and training go by other targets.
    """

    attacked: AttackResult
    images: Tensor
    logits: Tensor
    losses: Tensor
    raised: Tensor

    @classmethod
    def at(cls, batch: Batch, attacked: AttackResult, images: Tensor, logits: Tensor) -> Self:
        """With both losses.

        Args:
            batch: what is trained on.
            attacked: outcome of the attack.
            images: (B, C, H, W), where the logits are.
            logits: (B, classes), with their graph.

        Returns:
            The pass.
        """
        losses = batch.cross_entropy(logits)
        if attacked.targets is batch.targets:
            return cls(attacked, images, logits, losses, losses.detach())
        return cls(
            attacked, images, logits, losses, replace(batch, targets=attacked.targets).cross_entropy(logits.detach())
        )

    def record(self, weights: Tensor | None = None, measures: Mapping[str, Tensor] | None = None) -> StepRecord:
        """What the step leaves behind; to be called after the update.

        Args:
            weights: (B,), of each sample's loss in the training loss; None where that is their mean.
            measures: the method's own numbers, detached scalars.

        Returns:
            The record, detached.
        """
        gradient = self.images.grad
        if gradient is not None:
            scale = len(self.losses) if weights is None else weights.reciprocal().view(-1, *[1] * (gradient.ndim - 1))
            gradient = gradient * scale  # 0 * inf is nan: a sample without weight has no gradient to tell of
        return StepRecord(
            self.raised,
            self.logits.detach(),
            self.attacked.delta.detach(),
            self.attacked,
            gradient,
            measures or {},
        )


def adversarial_pass(model: nn.Module, batch: Batch, attacked: AttackResult) -> AdversarialPass:
    """Logits and cross-entropy at images + delta, for an update. 1 forward; its backward is the update's.

    Args:
        model: logits out.
        batch: what the attack saw.
        attacked: its outcome.

    Returns:
        The pass, with its graph.
    """
    images = (batch.images + attacked.delta).detach()
    if batch.trace:
        images.requires_grad_()
    return AdversarialPass.at(batch, attacked, images, model(images))


def train_on(
    model: nn.Module, batch: Batch, attacked: AttackResult, update: Update, penalty: Callable[[], Tensor] | None = None
) -> StepRecord:
    """The second half of every FGSM-like step: cross-entropy at images + delta, one update. 1 forward, 1 backward.

    Args:
        model: logits out.
        batch: what the attack saw.
        attacked: its outcome.
        update: the trainer's.
        penalty: builds a regulariser to be added to the loss.

    Returns:
        The step's by-products.
    """
    found = adversarial_pass(model, batch, attacked)
    loss = found.losses.mean()
    update(loss if penalty is None else loss + penalty())
    return found.record()
