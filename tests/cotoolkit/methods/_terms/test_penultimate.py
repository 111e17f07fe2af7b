"""Penultimate features: found at the last linear layer, through wrappers, or refused."""

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ModelError
from cotoolkit.methods._terms.penultimate import penultimate
from cotoolkit.models import STATISTICS, Normalised
from tests._helpers.networks import Linear, conv_net


def test_features_are_what_the_last_layer_sees():
    network, images = conv_net(), torch.rand(3, 1, 6, 6)
    with penultimate(network) as seen:
        logits = network(images)
        torch.testing.assert_close(network[-1](seen.features), logits)
        assert seen.features.shape == (3, 288)
    assert not network._forward_hooks
    assert not network[-1]._forward_hooks


def test_features_go_through_wrappers():
    class InPrecision(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, images):
            with torch.autocast("cpu", torch.bfloat16):
                return self.network(images).float()

    network = InPrecision(Normalised(conv_net(), STATISTICS["mnist"]))
    with penultimate(network) as seen:
        network(torch.rand(3, 1, 6, 6))
        assert (seen.features.shape, seen.features.dtype) == ((3, 288), torch.float32)


def test_networks_without_penultimate_features_are_refused():
    with pytest.raises(ModelError, match="this one has none"), penultimate(Linear(torch.ones(1, 6, 6))):
        pass
    doubled = nn.Sequential(conv_net(), nn.Softmax(1))
    with penultimate(doubled), pytest.raises(ModelError, match="not what the network returns"):
        doubled(torch.rand(3, 1, 6, 6))
    with penultimate(conv_net()) as seen, pytest.raises(ModelError, match="no forward pass yet"):
        seen.features  # noqa: B018
