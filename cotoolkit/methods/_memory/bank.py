"""Perturbations remembered for each training image, and gradients averaged over epochs: what a bank is made of."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods.batch import Batch, TrainingSet

TINY = torch.finfo(torch.float32).tiny


def empty_bank(data: TrainingSet) -> Tensor:
    """Zeros with a row for each training image, (N, C, H, W)."""
    return torch.zeros(data.images, *data.shape, dtype=torch.float32)


def undrawn_bank(data: TrainingSet) -> Tensor:
    """A bank before its first step, which draws it: zeros (N, 1, C, H, W), told from a drawn one by its shape.

    A method may begin in mid-training, as the successor of one that broke, so that no iteration tells its first step.
    """
    return empty_bank(data).unsqueeze(1)


def drawn_anew(batch: Batch, *, due: bool) -> Tensor | None:
    """Zeros (N, C, H, W) in place of the bank "delta", where it has to be drawn: if that is due, or not done yet.

    Args:
        batch: with the bank in its memory.
        due: in this step.

    Returns:
        The zeros; None where the bank stays.
    """
    bank = batch.memory["delta"]
    if bank.ndim > batch.images.ndim:
        return bank.squeeze(1)
    return torch.zeros_like(bank) if due else None


def corners(like: Tensor, threat: ThreatModel, radius: float, draws: torch.Generator) -> Tensor:
    """Random perturbations on the edge of the ball: in linf each entry is plus or minus the radius.

    Args:
        like: (N, C, H, W).
        threat: whose norm counts; the box does not.
        radius: of the perturbations.
        draws: of the numbers; may live on another device.

    Returns:
        (N, C, H, W), on the device of `like`.
    """
    noise = torch.rand(like.shape, generator=draws, device=draws.device, dtype=torch.float32).mul_(2).sub_(1)
    return radius * threat.steepest(noise.to(like.device))


def momentum_bank(data: TrainingSet) -> dict[str, Tensor]:
    """The memory of `recalled_start` and `advance`."""
    return {"delta": undrawn_bank(data), "momentum": empty_bank(data)}


def recalled_start(batch: Batch, reset: int | None) -> Tensor:
    """The bank's perturbations of a batch, projected. Every `reset` epochs the bank begins anew, at random corners.

    Args:
        batch: with "delta" in its memory, and maybe "momentum", which becomes 0 when the bank begins anew.
        reset: in epochs; None never.

    Returns:
        (B, C, H, W).
    """
    memory = batch.memory
    due = reset is not None and batch.iteration % (reset * batch.epoch_length) == 0
    if (bank := drawn_anew(batch, due=due)) is not None:
        memory["delta"] = corners(bank, batch.threat, batch.threat.epsilon, batch.generator)
        if "momentum" in memory:
            memory["momentum"] = torch.zeros_like(memory["momentum"])
    return batch.threat.project(batch.images, batch.recalled("delta"))


def advance(batch: Batch, start: Tensor, gradient: Tensor, alpha: float | None, decay: float) -> None:
    """Average a gradient in, m <- decay m + gradient, and step along it: bank <- P(start + alpha steepest(m)).

    Args:
        batch: with both banks in its memory.
        start: (B, C, H, W), what the bank held.
        gradient: (B, C, H, W), in whatever scale it is to be averaged.
        alpha: None means the radius.
        decay: of the average.
    """
    threat = batch.threat
    momentum = gradient + decay * batch.recalled("momentum")
    step = threat.epsilon if alpha is None else alpha
    batch.remember("momentum", momentum)
    batch.remember("delta", threat.project(batch.images, start + step * threat.steepest(momentum)))


def of_unit_mass(gradient: Tensor) -> Tensor:
    """The gradients of a batch, divided by the l1 norm of all of them together."""
    return gradient / gradient.abs().sum().clamp_min(TINY)
