import pytest
import torch
from torch import nn

from analyses.mixtures.units.firing import firing_rates


def linear(weight, bias):
    layer = nn.Linear(1, len(bias))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))
    return layer


def test_rates_by_hand():
    # x = 0, 1, 2, 3 over the units x - 1, -x, 1
    model = nn.Sequential(linear([[1.0], [-1.0], [0.0]], [-1.0, 0.0, 1.0]), nn.ReLU(inplace=True), nn.Linear(3, 2))
    found = firing_rates(model, torch.arange(4.0)[:, None], batch_size=3)
    assert {name: rates.tolist() for name, rates in found.items()} == {"0": [0.5, 0, 1]}


def test_batch_norm_counts_before_the_activation():
    model = nn.Sequential(linear([[1.0]], [0.0]), nn.BatchNorm1d(1), nn.ReLU())
    model[1].running_mean.fill_(1.5)
    model[1].running_var.fill_(4.0)
    assert firing_rates(model, torch.arange(4.0)[:, None])["0"].tolist() == [0.5]
    assert model[1].running_mean == 1.5
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_channels_of_images_and_of_tokens():
    torch.manual_seed(0)
    conv = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    images = torch.randn(5, 2, 6, 6)
    expected = (conv[0](images) > 0).float().mean((0, 2, 3))
    assert firing_rates(conv, images)["0"].tolist() == pytest.approx(expected.tolist())
    tokens, model = torch.randn(5, 7, 4), nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    expected = (model[0](tokens) > 0).float().mean((0, 1))
    assert firing_rates(model, tokens)["0"].tolist() == pytest.approx(expected.tolist())


def test_only_layers_that_a_relu_reads_can_be_silent():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Flatten(), nn.ReLU(), nn.Linear(4, 2))
    assert set(firing_rates(model, torch.randn(9, 4))) == {"2"}
