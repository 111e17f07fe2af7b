"""A pass at a remembered start whose graph is kept: what prior-guided methods step from, and compare with."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.methods._terms.smoothing import Spread, smoothed_targets
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import AdversarialPass, StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import attack_mode


class PriorPass(NamedTuple):
    """One forward pass at images + start, and the input gradient there.

    Attributes:
        batch: the batch, with the targets that its losses are of.
        start: (B, C, H, W).
        gradient: (B, C, H, W), per sample.
        logits: (B, classes), with their graph where it is kept.
        losses: (B,), detached, what the gradient is of.
        targets: (B, classes), of these losses; None where they are of the labels.
    """

    batch: Batch
    start: Tensor
    gradient: Tensor
    logits: Tensor
    losses: Tensor
    targets: Tensor | None

    def attack(self, delta: Tensor) -> AttackResult:
        """A perturbation found from here, with the by-products of its gradient."""
        return AttackResult(delta, self.gradient, self.logits.detach(), self.losses, self.start, self.targets)

    def stepped(self, alpha: float | None) -> AttackResult:
        """One steepest step from the start, projected; alpha None means the radius."""
        threat = self.batch.threat
        step = threat.epsilon if alpha is None else alpha
        moved = self.start + step * threat.steepest(self.gradient)
        return self.attack(threat.project(self.batch.images, moved))


def prior_pass(
    model: nn.Module,
    batch: Batch,
    start: Tensor,
    *,
    smoothing: float,
    spread: Spread = "even",
    along: str = "targets",
    keep: bool = True,
) -> PriorPass:
    """Logits and input gradient at a start, with BatchNorm as in training. 1 forward, 1 backward.

    Args:
        model: logits out.
        batch: what is attacked. If its targets come from a wrapper, they stay, and `smoothing` does nothing.
        start: (B, C, H, W), perturbation.
        smoothing: of the targets that the batch gets otherwise.
        spread: of what smoothing takes from the labels.
        along: the loss whose gradient is taken, that of "targets" or that of "labels".
        keep: the graph of the logits, for a second backward pass.

    Returns:
        The pass.
    """
    with attack_mode(model, "train"), torch.enable_grad():
        images = (batch.images + start).detach().requires_grad_()
        logits = model(images)
        if batch.targets is None and smoothing > 0:
            targets = smoothed_targets(batch.labels, logits.shape[1], smoothing, spread, batch.generator)
            batch = replace(batch, targets=targets)
        attacked = batch if along == "targets" else replace(batch, targets=None)
        losses = attacked.cross_entropy(logits)
        (gradient,) = torch.autograd.grad(losses.sum(), images, retain_graph=keep)
    return PriorPass(batch, start, gradient, logits if keep else logits.detach(), losses.detach(), attacked.targets)


def consistency(found: AdversarialPass, prior: PriorPass) -> Tensor:
    """Mean squared distance of the logits at the attacked images and at the start, over samples and classes."""
    return F.mse_loss(found.logits.float(), prior.logits.float())


def train_near_prior(
    model: nn.Module, prior: PriorPass, attacked: AttackResult, update: Update, weight: float
) -> StepRecord:
    """Cross-entropy at the attacked images, plus weight * `consistency`. 1 forward, 2 backward, or 1 without a weight.

    Args:
        model: logits out.
        prior: the pass that the attack stepped from; its graph is kept if there is a weight.
        attacked: what it found.
        update: the trainer's.
        weight: of the distance.

    Returns:
        The step's by-products; `consistency` is among its measures.
    """
    found = adversarial_pass(model, prior.batch, attacked)
    distance = consistency(found, prior)
    loss = found.losses.mean()
    update(loss + weight * distance if weight > 0 else loss)
    return found.record(measures={"consistency": distance.detach()})
