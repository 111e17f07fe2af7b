"""A small network of the usual layers, and what a diagnosis makes of the models it is given."""

from collections import OrderedDict

import torch
from torch import nn

from cotoolkit.intake.preparation import image_model
from cotoolkit.models.modes import attack_mode

SHAPE = (3, 8, 8)


def net(classes=10):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(3, 4, 3),
                norm=nn.BatchNorm2d(4),
                act=nn.ReLU(inplace=True),
                drop=nn.Dropout(0.5),
                flat=nn.Flatten(),
                head=nn.Linear(144, classes),
            )
        )
        network(torch.rand(64, 3, 8, 8))  # running statistics of its own
    return network.eval()


def subject(model, **options):
    options = {"classes": 10, "exact": True, "shape": SHAPE, "device": "cpu", **options}
    found = image_model(model, **options)
    return found, found.findings


def logits(model, images):
    with attack_mode(model, "eval"), torch.no_grad():
        return model(images)


def images(count=16):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(5))


def texts(findings, kind=None):
    return [finding.text for finding in findings if kind in (None, finding.kind)]
