"""Do perturbations carry labels? Steps for every class, from a grey image and from the images themselves.

Both follow single-step training at its own radius. The label-information transfer is nearly blind at 8/255: its source
saw 0.54 of the classes rise after a breakpoint there, where 0.5 is nothing, and 0.82 at 16/255.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.label_steps import label_dominance, label_information, self_defeating_step, self_fitting

GREY = 0.5
"""Of every pixel of the image whose gradients carry nothing but the class."""

BLIND = 12 / 255
"""Radius below which label-information transfer tells hardly anything: between the 8/255 and 16/255 of its source."""

POSITION = 33
"""Of the choice of classes, among those of the label `diagnosis`."""


class LabelSteps(NamedTuple):
    """The values of the four signals, (N,) each."""

    label_information: Tensor
    label_dominance: Tensor
    self_fitting: Tensor
    self_defeating_step: Tensor


def label_steps(
    model: nn.Module, images: Tensor, threat: ThreatModel, *, most_classes: int, seed: int = 0
) -> LabelSteps:
    """The four signals of `cotoolkit.signals.label_steps` at these images.

    Per class one gradient and two forward passes per image, and one gradient of a grey image.

    Args:
        model: logits out.
        images: (N, C, H, W).
        threat: ball and box.
        most_classes: that are stepped for; where there are more, so many at random.
        seed: of the choice of classes.

    Returns:
        Their values at each image.
    """
    with attack_mode(model, "eval"):
        with torch.no_grad():
            logits = model(images).float()
        outputs = logits.shape[1]
        chosen = torch.randperm(outputs, generator=generator(seed, "diagnosis", POSITION), device="cpu")[:most_classes]
        classes = chosen.sort().values.to(images.device)
        grey = torch.full_like(images[:1], GREY)
        shared, own = [], []
        for one in classes:
            away = threat.steepest(input_gradient(model, grey, one[None]).gradient)
            shared.append(_moved(model, images, threat, away.expand_as(images)))
            labels = one.expand(len(images))
            own.append(_moved(model, images, threat, threat.steepest(input_gradient(model, images, labels).gradient)))
    carried, fitted = torch.stack(shared, 1), torch.stack(own, 1)
    places = torch.arange(len(classes), device=images.device)
    after = carried.softmax(2)[:, places, classes]
    losses_after = -fitted.log_softmax(2)[:, places, classes]
    return LabelSteps(
        label_information(logits.softmax(1)[:, classes], after),
        label_dominance(carried.argmax(2), classes),
        self_fitting(fitted.argmax(2), classes),
        self_defeating_step(-F.log_softmax(logits, 1)[:, classes], losses_after),
    )


def _moved(model: nn.Module, images: Tensor, threat: ThreatModel, direction: Tensor) -> Tensor:
    delta = threat.project(images, threat.epsilon * direction)
    with torch.no_grad():
        found: Tensor = model(images + delta).float()
    return found
