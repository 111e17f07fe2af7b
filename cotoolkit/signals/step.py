"""Step signals: computed from the by-products of a training step, they cost no pass through the network.

Each takes by-products by their names in `observation.Observation` and gives one value per sample, (B,), so that a
caller may average, weight or plot them. A sample that says nothing (a zero gradient) gives nan.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.signals.registry import SHARE, signal
from cotoolkit.signals.vectors import lengths, paired_cosines


@signal(
    title="training loss",
    unit="nats",
    at_break="falls",
    source="ours: a hypothesis that `cotoolkit bench-alarm` tests",
)
def train_loss(losses: Tensor) -> Tensor:
    """The cross-entropy at the images that were trained on: the one that the attack raised, without weights.

    >>> import torch
    >>> train_loss(torch.tensor([0.5, 2.0]))
    tensor([0.5000, 2.0000])

    Args:
        losses: (B,), in nats.

    Returns:
        (B,), the same.
    """
    return losses


@signal(
    title="training accuracy",
    unit=SHARE,
    at_break="rises",
    source="ours: a hypothesis that `cotoolkit bench-alarm` tests",
)
def train_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """1 where a sample that was trained on is classified correctly, else 0.

    >>> import torch
    >>> train_accuracy(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    tensor([1., 0.])

    Args:
        logits: (B, classes), of the forward pass that was trained on.
        labels: (B,).

    Returns:
        (B,), 0 or 1.
    """
    return (logits.argmax(1) == labels).float()


@signal(title="PertAlign", unit="cosine", at_break="falls", source="PertAlign: SORA, ICML 2026 (read in its code)")
def pert_align(attack_gradient: Tensor, update_gradient: Tensor) -> Tensor:
    """Cosine between the gradient the attack stepped along and the input gradient of the update.

    >>> import torch
    >>> pert_align(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[-2.0, 0.0], [1.0, 0.0]]))
    tensor([-1., nan])

    Args:
        attack_gradient: (B, ...).
        update_gradient: (B, ...).

    Returns:
        (B,), in [-1, 1]; nan where one of the two is zero.
    """
    return paired_cosines(attack_gradient, update_gradient)


@signal(
    title="linearity λ", at_break="falls", source="linearity coefficient lambda: SORA, ICML 2026 (read in its code)"
)
def linearity(attack_gradient: Tensor, update_gradient: Tensor) -> Tensor:
    """<sign g, g'> / |g|_1: how much of the slope that a sign step expects is left at its end.

    >>> import torch
    >>> linearity(torch.tensor([[1.0, -3.0]]), torch.tensor([[0.5, -1.5]]))
    tensor([0.5000])

    Args:
        attack_gradient: (B, ...), g, of the summed loss.
        update_gradient: (B, ...), g', of the summed loss.

    Returns:
        (B,): 1 where the loss is linear along the step; nan where g is zero.
    """
    attack, update = attack_gradient.flatten(1), update_gradient.flatten(1)
    return (attack.sign() * update).sum(1) / attack.abs().sum(1)


@signal(
    title="abnormal examples",
    unit=SHARE,
    at_break="rises",
    source="abnormal adversarial examples: AAER, NeurIPS 2023 (read in its code)",
)
def abnormal_example(start_losses: Tensor, losses: Tensor) -> Tensor:
    """1 where the attack lowered the sample's loss instead of raising it, else 0; nan where a loss is none.

    >>> import torch
    >>> abnormal_example(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 2.0]))
    tensor([1., 0.])

    Args:
        start_losses: (B,), where the attack started.
        losses: (B,), where it ended.

    Returns:
        (B,), 0 or 1.
    """
    return (losses < start_losses).float().masked_fill(losses.isnan() | start_losses.isnan(), torch.nan)


@signal(title="perturbation", unit="l2 norm", at_break="falls", source="logged by GradAlign's code, NeurIPS 2020")
def perturbation_norm(delta: Tensor) -> Tensor:
    """Length of the perturbation; clamps and zero gradients shorten it.

    >>> import torch
    >>> perturbation_norm(torch.tensor([[3.0, 4.0]]))
    tensor([5.])

    Args:
        delta: (B, ...), in [0, 1] pixel units.

    Returns:
        (B,), l2 lengths in pixel units.
    """
    return lengths(delta)


@signal(
    title="input gradient",
    unit="l2 norm",
    log=True,
    at_break="rises",
    source="growth before CO: Sub-AT 2022, ATAS 2022 (abstracts)",
)
def gradient_norm(attack_gradient: Tensor) -> Tensor:
    """Length of the attack's input gradient.

    >>> import torch
    >>> gradient_norm(torch.tensor([[3.0, 4.0]]))
    tensor([5.])

    Args:
        attack_gradient: (B, ...), of the summed loss, per pixel unit.

    Returns:
        (B,), l2 lengths.
    """
    return lengths(attack_gradient)


@signal(
    title="attack gain",
    unit="nats",
    at_break="falls",
    source="the loss pair of AAER, NeurIPS 2023; as a signal of its own, ours",
)
def attack_gain(start_losses: Tensor, losses: Tensor) -> Tensor:
    """How much the attack raised each sample's loss.

    >>> import torch
    >>> attack_gain(torch.tensor([1.0, 3.0]), torch.tensor([2.5, 1.0]))
    tensor([ 1.5000, -2.0000])

    Args:
        start_losses: (B,), where the attack started, in nats.
        losses: (B,), where it ended.

    Returns:
        (B,), in nats; negative where it is an abnormal example.
    """
    return losses - start_losses


@signal(
    title="logit change",
    unit="squared l2 norm",
    log=True,
    at_break="rises",
    source="squared logit change: AAER, NeurIPS 2023 (read in its code)",
)
def logit_change(start_logits: Tensor, logits: Tensor) -> Tensor:
    """Squared distance between the logits at the attack's start and at its end.

    >>> import torch
    >>> logit_change(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, -4.0]]))
    tensor([25.])

    Args:
        start_logits: (B, classes).
        logits: (B, classes).

    Returns:
        (B,), squared l2 distances.
    """
    return (logits.float() - start_logits.float()).square().sum(1)


@signal(
    title="participation ratio of the input gradient",
    unit=SHARE,
    at_break="falls",
    source="gradient concentration: lp-FGSM, 2025 (abstract; the formula is ours)",
)
def participation_ratio(attack_gradient: Tensor) -> Tensor:
    """|g|_1^2 / (d |g|_2^2): share of the pixels that carry the gradient.

    1 where all entries are equally large. The paper's own choice of the ratio is not confirmed.

    >>> import torch
    >>> participation_ratio(torch.tensor([[1.0, -1.0, 0.0, 0.0], [2.0, 2.0, -2.0, 2.0]]))
    tensor([0.5000, 1.0000])

    Args:
        attack_gradient: (B, ...), with d entries per sample.

    Returns:
        (B,), in [1 / d, 1]; nan where g is zero.
    """
    flat = attack_gradient.flatten(1)
    return (flat.abs().sum(1) / lengths(flat)).square() / flat.shape[1]
