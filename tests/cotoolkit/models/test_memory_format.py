import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotoolkit.models import build_model
from cotoolkit.models.memory_format import (
    SMALL,
    channels_last_warning,
    gradient_mismatch,
    is_channels_last,
    safe_memory_format,
    unsafe_layers,
    worth_checking,
)
from tests._helpers.formats import Drifting, drifting, narrow

LAST, FIRST = torch.channels_last, torch.contiguous_format


def preact(width):
    return build_model({"name": "preact_resnet18", "width": width}, (3, 16, 16), 10, seed=0)


# --- which layers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 7, 8, 12, 15])
@pytest.mark.parametrize("stride", [2, 3, (1, 2), (2, 1)])
def test_narrow_strided_points_are_unsafe(channels, stride):
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 24, 1, stride))
    assert unsafe_layers(network) == {
        "1": f"a 1 x 1 convolution with stride {max(network[1].stride)} and {channels} input channels"
    }
    assert safe_memory_format(network) == FIRST


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 8, 1, 2),
        nn.Conv2d(17, 8, 1, 2),
        nn.Conv2d(4, 8, 1),
        nn.Conv2d(4, 8, 2, 2),
        nn.Conv2d(4, 8, 3, 2, padding=1),
        nn.Conv2d(4, 8, (1, 3), 2),
        nn.Conv2d(64, 8, 1, 2, groups=4),
        nn.ConvTranspose2d(4, 8, 1, 2),
        nn.Conv3d(4, 8, 1, 2),
        nn.Linear(4, 8),
        nn.Conv2d(4, 8, 1, 2, dtype=torch.float64),
        nn.Conv2d(4, 8, 1, 2, device="meta"),  # a device that is not the CPU
        nn.LazyConv2d(8, 1, 2),  # its channels are not known yet
    ],
)
def test_other_layers_are_safe(layer):
    assert unsafe_layers(nn.Sequential(layer)) == {}
    assert safe_memory_format(nn.Sequential(layer)) == LAST


def test_channels_count_per_group():
    assert list(unsafe_layers(nn.ModuleDict({"grouped": nn.Conv2d(32, 32, 1, 2, groups=4)}))) == ["grouped"]


@pytest.mark.parametrize(("width", "layers"), [(1, 3), (2, 3), (4, 2), (7, 2), (8, 1), (15, 1), (16, 0), (64, 0)])
def test_narrow_residual_networks_are_contiguous(width, layers):
    network = preact(width)
    found = unsafe_layers(network)
    assert list(found) == [f"layer{stage}.0.shortcut.0" for stage in (2, 3, 4)][:layers]
    assert safe_memory_format(network) == (FIRST if layers else LAST)


@pytest.mark.parametrize("spec", ["small_cnn", "single_layer_cnn", {"name": "wide_resnet", "depth": 10, "width": 1}])
def test_the_other_networks_are_in_channels_last_at_any_width(spec):
    assert safe_memory_format(build_model(spec, (3, 16, 16), 10, seed=0)) == LAST


# --- whose weights are in channels_last -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(4, 8, 3), nn.Conv2d(4, 8, 1), nn.Conv2d(1, 8, 3), nn.Conv2d(4, 1, 1), nn.Conv2d(4, 8, (1, 3))]
)
def test_weights_tell_their_memory_format(layer):
    network = nn.Sequential(nn.Flatten(0), nn.Linear(2, 2), layer)
    assert not is_channels_last(network)
    assert is_channels_last(network.to(memory_format=LAST))
    assert not is_channels_last(network.to(memory_format=FIRST))


def test_layers_without_weights_of_four_axes_have_no_memory_format():
    assert not is_channels_last(nn.Sequential(nn.LazyConv2d(3, 1), nn.Linear(3, 3)))


def test_the_warning_names_the_layer():
    network = preact(4)
    assert channels_last_warning(network) is None
    text = channels_last_warning(network.to(memory_format=LAST))
    assert "its layer 'layer2.0.shortcut.0' is a 1 x 1 convolution with stride 2 and 4 input channels (1 more" in text
    assert "model.to(memory_format=torch.contiguous_format)" in text
    assert "more like it" not in channels_last_warning(preact(8).to(memory_format=LAST))
    assert channels_last_warning(preact(16).to(memory_format=LAST)) is None


# --- the check on the first batch -------------------------------------------------------------------------------------


def batch(channels=3, size=16):
    draws = torch.Generator().manual_seed(1)
    images = torch.rand(24, channels, size, size, generator=draws).contiguous(memory_format=LAST)
    return images, torch.randint(10, (24,), generator=draws)


@pytest.mark.parametrize(
    "spec",
    [
        "small_cnn",
        "single_layer_cnn",
        {"name": "preact_resnet18", "width": 16},
        {"name": "wide_resnet", "depth": 10, "width": 1},
    ],
)
def test_right_gradients_pass(spec):
    network = build_model(spec, (3, 16, 16), 10, seed=0).to(memory_format=LAST)
    assert gradient_mismatch(network, *batch()) is None


def test_dropout_frozen_and_unused_parameters_pass():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 10, 3)
            self.second.bias.requires_grad_(False)
            self.unused = nn.Parameter(torch.ones(3))
            self.shift = nn.Parameter(torch.ones(1))  # no gradient but round-off: softmax does not see it

        def forward(self, images):
            hidden = F.dropout(self.first(images).relu(), 0.5, self.training)
            return self.second(hidden).mean((2, 3)) + self.shift

    assert gradient_mismatch(Odd().to(memory_format=LAST), *batch()) is None


@pytest.mark.parametrize("error", [0.03, 1.0, float("nan")])
def test_wrong_gradients_are_named(error):
    network = drifting(error).to(memory_format=LAST)
    found = gradient_mismatch(network, *batch())
    assert "the gradient of '2.weight' in channels_last differs" in found
    if error == error:  # noqa: PLR0124 - not nan
        assert f"by {error:.0%} of its norm" in found
    assert gradient_mismatch(network.to(memory_format=FIRST), *batch()) is None


def test_a_check_leaves_no_trace():
    network = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.Dropout(), Drifting(6, 10, 3, error=1.0))
    network = nn.Sequential(*network, nn.AdaptiveAvgPool2d(1), nn.Flatten()).to(memory_format=LAST)
    network[1].eval()
    network[0].weight.grad = torch.ones_like(network[0].weight)
    state, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    seen = [(weight.data_ptr(), weight.stride(), weight.requires_grad) for weight in network.parameters()]
    modes = [module.training for module in network.modules()]
    assert gradient_mismatch(network, *batch())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert [(weight.data_ptr(), weight.stride(), weight.requires_grad) for weight in network.parameters()] == seen
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(network[0].weight.grad, torch.ones_like(network[0].weight))
    assert network[3].weight.grad is None


def test_random_gradients_are_not_compared():
    class Random(nn.Module):
        def forward(self, images):
            return F.dropout(images, 0.5, training=True)

    network = nn.Sequential(*drifting(0.0)[:2], Random(), *drifting(0.0)[2:]).to(memory_format=LAST)
    assert gradient_mismatch(network, *batch()) is None


def test_gradients_that_are_not_finite_are_another_matter():
    network = drifting(0.0).to(memory_format=LAST)
    nn.init.constant_(network[0].weight, float("nan"))
    assert gradient_mismatch(network, *batch()) is None


def test_who_is_checked():
    small, large = nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Sequential(nn.Conv2d(400, 300, 3))
    assert sum(weight.numel() for weight in large.parameters()) > SMALL
    for own in (False, True):
        assert not worth_checking(small, own)
        assert worth_checking(copy.deepcopy(small).to(memory_format=LAST), own)
        assert worth_checking(copy.deepcopy(large).to(memory_format=LAST), own) == own
        assert not worth_checking(nn.Sequential(nn.Linear(2, 2)), own)
        assert not worth_checking(nn.Conv2d(3, 4, 3, device="meta").to(memory_format=LAST), own)


# --- against an independent computation -------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [preact(2), preact(8), preact(16), narrow((3, 16, 16), 10)])
def test_gradients_in_the_safe_format_are_those_in_double_precision(network):
    memory_format = safe_memory_format(network)
    exact = copy.deepcopy(network).double().eval()
    network.to(memory_format=memory_format).eval()
    images, labels = batch()
    found = torch.autograd.grad(
        F.cross_entropy(network(images.contiguous(memory_format=memory_format)), labels), list(network.parameters())
    )
    expected = torch.autograd.grad(F.cross_entropy(exact(images.double()), labels), list(exact.parameters()))
    for gradient, reference in zip(found, expected, strict=True):
        assert (gradient - reference).norm() <= 1e-3 * reference.norm()
