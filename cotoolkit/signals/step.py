"""Step signals: computed from the by-products of a training step, they cost no pass through the network.

They are per-sample values (B,), so that a caller may average, weight or plot them. A sample that says nothing (a zero
gradient) gives nan.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cotoolkit.methods.base import StepRecord
from cotoolkit.signals.registry import FREE, signal
from cotoolkit.signals.vectors import cosine, lengths


@signal(cost=FREE, at_break="falls", source="PertAlign: SORA, ICML 2026 (read in its code)")
def pert_align(attack_gradient: Tensor, update_gradient: Tensor) -> Tensor:
    """Cosine between the gradient the attack stepped along and the input gradient of the update, (B, ...) -> (B,)."""
    return cosine(attack_gradient, update_gradient)


@signal(cost=FREE, at_break="falls", source="linearity coefficient lambda: SORA, ICML 2026 (read in its code)")
def linearity(attack_gradient: Tensor, update_gradient: Tensor) -> Tensor:
    """<sign g, g'> / |g|_1: how much of the slope that a sign step expects is left at its end, (B, ...) -> (B,).

    1 where the loss is linear along the step; nan where g is zero. Both gradients must have the same scale.
    """
    attack, update = attack_gradient.flatten(1), update_gradient.flatten(1)
    return (attack.sign() * update).sum(1) / attack.abs().sum(1)


@signal(cost=FREE, at_break="rises", source="abnormal adversarial examples: AAER, NeurIPS 2023 (read in its code)")
def abnormal_example(start_losses: Tensor, losses: Tensor) -> Tensor:
    """1 where the attack lowered the sample's loss instead of raising it, else 0. Two (B,) -> (B,)."""
    return (losses < start_losses).float()


@signal(cost=FREE, at_break="falls", source="logged by GradAlign's code, NeurIPS 2020")
def perturbation_norm(delta: Tensor) -> Tensor:
    """l2 length of the perturbation, in pixel units, (B, ...) -> (B,). Clamps and zero gradients shorten it."""
    return lengths(delta)


@signal(cost=FREE, at_break="rises", source="growth before CO: Sub-AT 2022, ATAS 2022 (abstracts)")
def gradient_norm(attack_gradient: Tensor) -> Tensor:
    """l2 length of the attack's input gradient, (B, ...) -> (B,)."""
    return lengths(attack_gradient)


@signal(cost=FREE, at_break="falls", source="the loss pair of AAER, NeurIPS 2023; as a signal of its own, ours")
def attack_gain(start_losses: Tensor, losses: Tensor) -> Tensor:
    """How much the attack raised each sample's loss, two (B,) -> (B,). Negative where it is an abnormal example."""
    return losses - start_losses


@signal(cost=FREE, at_break="rises", source="squared logit change: AAER, NeurIPS 2023 (read in its code)")
def logit_change(start_logits: Tensor, logits: Tensor) -> Tensor:
    """Squared l2 distance between the logits at the attack's start and at its end, two (B, classes) -> (B,)."""
    return (logits.float() - start_logits.float()).square().sum(1)


@signal(cost=FREE, at_break="falls", source="gradient concentration: lp-FGSM, 2025 (abstract; the formula is ours)")
def participation_ratio(attack_gradient: Tensor) -> Tensor:
    """|g|_1^2 / (d |g|_2^2): share of the pixels that carry the gradient, (B, ...) -> (B,), in [1 / d, 1].

    1 where all entries are equally large; nan where g is zero. The paper's own choice of the ratio is not confirmed.
    """
    flat = attack_gradient.flatten(1)
    return (flat.abs().sum(1) / lengths(flat)).square() / flat.shape[1]


def step_signals(records: Sequence[StepRecord], labels: Sequence[Tensor]) -> list[dict[str, float]]:
    """Batch means of every step signal the records allow, plus training loss and accuracy, for some steps at once.

    The measures of the method's own follow as they are.

    Takes no pass through the network and one transfer from its device; several steps cost little more than one, since
    on small networks it is the number of operations that counts. Samples whose value is nan are left out; a signal that
    a step does not allow is nan.

    Args:
        records: by-products of steps of one method on batches of one size.
        labels: (B,) for each.
    """
    losses = torch.cat([record.losses for record in records])
    correct = torch.cat([record.logits for record in records]).argmax(1) == torch.cat(list(labels))
    values = {"train_loss": losses, "train_accuracy": correct.float()}
    deltas = [record.delta for record in records if record.delta is not None]
    attacks = [record.attack for record in records if record.attack is not None]
    if deltas:
        values["perturbation_norm"] = perturbation_norm(torch.cat(deltas))
    if attacks:
        gradient = torch.cat([attack.gradient for attack in attacks])
        values["gradient_norm"] = gradient_norm(gradient)
        start_losses = torch.cat([attack.losses for attack in attacks])
        values["abnormal_example"] = abnormal_example(start_losses, losses)
        values["attack_gain"] = attack_gain(start_losses, losses)
        start_logits = torch.cat([attack.logits for attack in attacks])
        values["logit_change"] = logit_change(start_logits, torch.cat([record.logits for record in records]))
        values["participation_ratio"] = participation_ratio(gradient)
        updates = [record.update_gradient for record in records]
        if any(update is not None for update in updates):
            unknown = torch.full_like(attacks[0].gradient, torch.nan)
            update = torch.cat([unknown if update is None else update for update in updates])
            values["pert_align"] = pert_align(gradient, update)
            values["linearity"] = linearity(gradient, update)
    table = torch.stack(list(values.values())).view(len(values), len(records), -1)
    means = table.nanmean(2)
    means[0] = table[0].mean(1)  # a loss that is nan must show, not be left out
    own = {name: torch.stack([record.measures[name] for record in records]) for name in records[0].measures}
    rows = torch.stack([*means, *(column.to(means) for column in own.values())])
    return [dict(zip([*values, *own], column, strict=True)) for column in rows.T.tolist()]
