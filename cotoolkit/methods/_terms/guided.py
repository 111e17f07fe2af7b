"""Guided training: a single step from a random corner, guided by how far the prediction has moved from the clean one.

NuAT and GAT are this with different distances.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import BatchNormMode, attack_mode

Distance = Callable[[Tensor, Tensor], Tensor]
"""How far logits (B, classes) are from those at the images, the first argument: a scalar, summed over the batch."""


def corner_attack(
    model: nn.Module,
    batch: Batch,
    *,
    share: float,
    bn_mode: BatchNormMode,
    guide: Callable[[Tensor], Tensor] | None = None,
) -> AttackResult:
    """One step of the radius's length from a random corner of a smaller ball, projected back. 1 forward, 1 backward.

    In l2 the start has signs of the same size in all pixels and the length of the smaller radius.

    Args:
        model: logits out.
        batch: images, labels and the threat model.
        share: of the radius, where the attack starts.
        bn_mode: see `BatchNormMode`.
        guide: added to the summed cross-entropy, of the logits at the start; None for none.

    Returns:
        The attack; its gradient is of all that the step ascends, its losses are cross-entropy.
    """
    images, labels, threat, draws = batch.images, batch.labels, batch.threat, batch.generator
    signs = 0.5 - torch.rand(images.shape, generator=draws, device=draws.device, dtype=torch.float32)
    corner = threat.steepest(signs.sign().to(images.device))
    start = threat.project(images, share * threat.epsilon * corner)
    with attack_mode(model, bn_mode), torch.enable_grad():
        points = (images + start).requires_grad_()
        logits = model(points)
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        ascended = losses.sum() if guide is None else losses.sum() + guide(logits)
        (gradient,) = torch.autograd.grad(ascended, points)
    delta = threat.project(images, start + threat.epsilon * threat.steepest(gradient))
    return AttackResult(delta, gradient, logits.detach(), losses.detach(), start)


def guided_step(
    model: nn.Module,
    batch: Batch,
    update: Update,
    distance: Distance,
    weight: float,
    *,
    share: float,
    bn_mode: BatchNormMode,
) -> StepRecord:
    """Clean cross-entropy plus weight * distance / B at images + delta, an attack guided by it in every other step.

    As in the released code the first step of an epoch is not guided, whatever the last one of the epoch before was.

    The pass at the images that the update needs also is the reference of the attack, as in the released code, where it
    is made twice. 3 forward, 3 backward: of the attack, and of the update at both points.

    Args:
        model: logits out.
        batch: images, labels and the threat model.
        update: the trainer's.
        distance: of the logits.
        weight: of the distance, in attack and loss.
        share: of the radius, where the attack starts.
        bn_mode: BatchNorm during the attack.

    Returns:
        The record, as of TRADES: losses and logits at images + delta, the update's gradient that of the distance, nan
        where `weight` is 0; `base` and `global_term` (the distance / B) among the measures.
    """
    count = len(batch.labels)
    clean = model(batch.images)

    def guide(logits: Tensor) -> Tensor:
        return weight * distance(clean.detach(), logits)

    guided = batch.iteration % batch.epoch_length % 2 == 1
    attacked = corner_attack(model, batch, share=share, bn_mode=bn_mode, guide=guide if guided else None)
    found = adversarial_pass(model, batch, attacked)
    base = batch.cross_entropy(clean).mean()
    term = distance(clean, found.logits) / count
    update(base + weight * term)
    weights = found.losses.detach().new_full((count,), weight / count)
    return found.record(weights, {"base": base.detach(), "global_term": term.detach()})
