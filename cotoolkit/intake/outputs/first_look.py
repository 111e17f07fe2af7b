"""What outputs and gradients at the first images say against any number that is measured with them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cotoolkit.intake.findings import Finding, warning
from cotoolkit.intake.model import ImageModel
from cotoolkit.models.modes import attack_mode

STUCK = 0.1
"""Share of right images with a gradient of zero above which attacks are doubted."""


def first_look(model: ImageModel, images: Tensor, labels: Tensor, *, gradient: bool) -> list[Finding]:
    """Look at outputs, and at gradients where these are needed.

    Args:
        model: to be measured.
        images: (N, C, H, W) in [0, 1], on the model's device.
        labels: (N,) int64, likewise.
        gradient: that of the images is needed.

    Returns:
        What to warn of: outputs that are not finite, features in place of logits, gradients of zero.
    """
    with attack_mode(model, "eval"), torch.set_grad_enabled(gradient):
        leaf = images.detach().requires_grad_(gradient)
        logits = model(leaf)
        losses = F.cross_entropy(logits, labels, reduction="sum")
        slopes = torch.autograd.grad(losses, leaf)[0].flatten(1) if gradient else None
    found, count = [], len(labels)
    predicted, broken = logits.argmax(1), ~logits.detach().amax(1).isfinite()
    if bool(broken.any()):
        found.append(
            warning(f"the outputs for {int(broken.sum())} of {count} images are nan or infinite; they count as wrong")
        )
    beyond = int(((predicted > labels.max()) & ~broken).sum())
    if 2 * beyond > count:
        text = f"for {beyond} of {count} images the greatest of {logits.shape[1]} outputs is beyond every label"
        found.append(warning(f"{text} (0 to {int(labels.max())}): are these features, of a network without its head?"))
    if slopes is not None:
        right = (predicted == labels) & ~broken
        stuck = int((right & (slopes == 0).all(1)).sum())
        if stuck > STUCK * int(right.sum()):
            text = f"{stuck} of {int(right.sum())} images that are right have a gradient of exactly zero"
            found.append(warning(f"{text}: gradient attacks cannot move there, which is no robustness; see diagnose"))
    return found
