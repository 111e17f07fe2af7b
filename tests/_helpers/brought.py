"""A network as people bring it: around it, before it, after it; and the ways to attack it."""

import copy
import re
from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from cotoolkit import attacks
from cotoolkit.evaluation import evaluate

POINTS = 100
MEAN, STD = (0.3,), (0.36,)
NORMALISED = {"mean": MEAN, "std": STD}
PROTOCOL = "pgd-5"


class Before(nn.Module):
    """A network and a function of what it is given."""

    def __init__(self, function, network):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, images):
        return self.network(self.function(images))


class Double(nn.Module):
    """Float64 weights, images of any type."""

    def __init__(self, network):
        super().__init__()
        self.network = copy.deepcopy(network).double()

    def forward(self, images):
        return self.network(images.to(next(self.parameters()).dtype))


class Reentrant(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return checkpoint(self.network, images, use_reentrant=True)


class Shared(nn.Module):
    """A network under two names."""

    def __init__(self, network):
        super().__init__()
        self.encoder, self.model = network, nn.Sequential(network)

    def forward(self, images):
        return self.model(images)


Output = namedtuple("Output", ["logits", "hidden"])


def unnormalised(network):
    """The network as one that takes normalised images."""
    mean, std = MEAN[0], STD[0]
    return Before(lambda x: x * std + mean, network)


def transposed(images):
    """Equal images with other strides."""
    return images.transpose(2, 3).contiguous().transpose(2, 3)


def in_levels(network):
    return Before(lambda x: x / 255, network)


def call(entrance, model, images, labels, threat, **options):
    draws = torch.Generator().manual_seed(0)
    if entrance == "evaluate":
        return evaluate(model, images, labels, threat, "pgd-2", **options)
    if entrance == "pgd":
        return attacks.pgd(model, images, labels, threat, generator=draws, steps=2, **options)
    return attacks.square_attack(model, images, labels, threat, queries=3, generator=draws, **options)


def refused(error, message, act):
    with pytest.raises(error) as caught:
        act()
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
