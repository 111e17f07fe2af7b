"""Per-sample losses of a fixed model: clean, and the largest that FGSM and PGD find in the ball."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds, input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.evaluation.protocol import named_protocol
from cotoolkit.models.modes import attack_mode

PROTOCOL = "pgd-20"
"""The attack: of `cotoolkit.evaluation.protocol`, one restart."""


class SampleLosses(NamedTuple):
    """Of N images, all (N,).

    Attributes:
        clean: cross-entropy at the image, in nats.
        fgsm: after one full step along the gradient's steepest direction.
        robust: the largest at the image, there, and at any iterate of PGD: a lower estimate of the inflated loss.
        gradient: dual norm of the clean loss's input gradient, l1 for an l_inf threat.
        correct: bool, at the image.
        survived: bool, at the image and at every iterate of PGD: robust under the protocol.
    """

    clean: Tensor
    fgsm: Tensor
    robust: Tensor
    gradient: Tensor
    correct: Tensor
    survived: Tensor


def sample_losses(model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, seed: int = 0) -> SampleLosses:
    """The losses of a model in evaluation mode; it is left as it was.

    Args:
        model: logits out.
        images: (N, C, H, W); attacked together, as `evaluate` attacks its first batch of up to 512.
        labels: (N,).
        threat: radius, norm and box.
        seed: of the random start.
    """
    protocol = named_protocol(PROTOCOL)
    with attack_mode(model, "eval"):
        clean = input_gradient(model, images, labels)
        step = threat.project(images, threat.epsilon * threat.steepest(clean.gradient))
        with torch.no_grad():
            fgsm = F.cross_entropy(model(images + step), labels, reduction="none")
        correct = holds(clean.logits, labels)
        survived, robust = correct, torch.maximum(clean.losses, fgsm)
        delta = threat.random_start(images, generator(seed, "evaluation"))
        for _ in range(protocol.steps + 1):
            found = input_gradient(model, images + delta, labels)
            survived, robust = survived & holds(found.logits, labels), torch.maximum(robust, found.losses)
            move = protocol.step_size * threat.epsilon * threat.steepest(found.gradient)
            delta = threat.project(images, delta + move)
    order = 1 if threat.norm == "linf" else 2
    return SampleLosses(clean.losses, fgsm, robust, clean.gradient.flatten(1).norm(order, 1), correct, survived)
