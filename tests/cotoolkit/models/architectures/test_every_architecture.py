import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models import (
    PreActResNet18,
    WideResNet,
    build_model,
)

CIFAR = (3, 32, 32)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


SIZES = [  # published, or counted by hand
    ("preact_resnet18", CIFAR, 11_172_170),
    ({"name": "wide_resnet", "depth": 28, "width": 10}, CIFAR, 36_479_194),
    # 16*10 + 32*(16*9+1) + 32*(32*9+1) + 64*(32*4*4+1) + 10*65
    ("small_cnn", (1, 8, 8), 160 + 4640 + 9248 + 32832 + 650),
    # 28 -> 14 -> 7: one more convolution, 32*7*7 features
    ("small_cnn", (1, 28, 28), 160 + 4640 + 9248 + 9248 + 64 * (32 * 49 + 1) + 650),
    ({"name": "mlp", "hidden": [20, 30]}, (1, 8, 8), 65 * 20 + 21 * 30 + 31 * 10),
    ({"name": "mlp", "hidden": []}, (1, 8, 8), 65 * 10),
    ({"name": "two_layer", "width": 50}, (1, 8, 8), 65 * 50 + 51 * 10),
    # 16 * (3*9 + 1) + 10 * (16*32*32 + 1)
    ("single_layer_cnn", CIFAR, 448 + 163_850),
    ({"name": "single_layer_cnn", "width": 4, "kernel": 5}, (1, 8, 8), 4 * 26 + 10 * (4 * 64 + 1)),
]


@pytest.mark.parametrize(("spec", "shape", "count"), SIZES)
def test_number_of_parameters(spec, shape, count):
    assert parameters(build_model(spec, shape, 10, seed=0)) == count


@pytest.mark.parametrize(
    "name", ["small_cnn", "mlp", "two_layer", "preact_resnet18", "wide_resnet", "single_layer_cnn"]
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (1, 28, 28), (3, 64, 64)])
def test_any_image_gives_logits_and_a_gradient(name, shape):
    thin = {"width": 4} if name == "preact_resnet18" else {"depth": 10, "width": 1} if name == "wide_resnet" else {}
    network = build_model({"name": name, **thin}, shape, 7, seed=0)
    images = torch.rand(3, *shape, requires_grad=True)
    logits = network(images)
    assert logits.shape == (3, 7)
    logits.logsumexp(1).sum().backward()
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "name", ["preact_resnet18", "wide_resnet", "small_cnn", "mlp", "two_layer", "single_layer_cnn"]
)
@pytest.mark.parametrize("activation", ["softplus", "gelu", "silu"])
def test_the_activation_replaces_every_relu(name, activation):
    fields = {"depth": 10, "width": 1} if name == "wide_resnet" else {} if name == "mlp" else {"width": 4}
    network = build_model({"name": name, "activation": activation, **fields}, (3, 16, 16), 10, seed=0)
    kinds = {type(module).__name__.lower() for module in network.modules()}
    assert activation in kinds
    assert "relu" not in kinds


def test_the_single_layer_cnn_starts_as_the_released_code_does():
    convolution, _, _, linear = build_model(
        {"name": "single_layer_cnn", "width": 1000, "kernel": 5}, (3, 16, 16), 10, seed=3
    )
    # normal with variances 2 / (k k w) and 2 / inputs; the tolerances are 5 standard errors of a variance
    for weight, variance in ((convolution.weight, 2 / 25_000), (linear.weight, 2 / 256_000)):
        error = 5 * (2 / weight.numel()) ** 0.5
        assert weight.var().item() == pytest.approx(variance, rel=error)
        assert (weight**4).mean().item() == pytest.approx(3 * variance**2, rel=0.03)  # of a normal distribution
    assert not convolution.bias.any()
    assert not linear.bias.any()
    assert convolution.stride == (1, 1)


def test_the_single_layer_cnn_reads_pixels_first_without_a_copy():
    network = build_model({"name": "single_layer_cnn", "width": 4}, (3, 5, 7), 10, seed=1)
    images = torch.rand(6, 3, 5, 7).to(memory_format=torch.channels_last)
    network.to(memory_format=torch.channels_last)
    maps = network.activation(network.convolution(images))
    assert network.flatten(maps).data_ptr() == maps.data_ptr()
    by_channel = network.linear.weight.view(10, 5, 7, 4).permute(0, 3, 1, 2)
    expected = torch.einsum("bchw,kchw->bk", maps.double(), by_channel.double())
    torch.testing.assert_close(network(images).double(), expected, rtol=1e-4, atol=1e-5)


def test_a_kernel_that_cannot_keep_the_size_is_refused():
    with pytest.raises(ModelError, match="kernel of 4 cannot keep the images' size; choose an odd one"):
        build_model({"name": "single_layer_cnn", "kernel": 4}, CIFAR, 10, seed=0)


class InPlaceOff:
    """The same network with ReLUs that keep their input."""

    def __new__(cls, network):
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        return network


@pytest.mark.parametrize(
    "spec",
    [{"name": "preact_resnet18", "width": 4}, {"name": "wide_resnet", "depth": 10, "width": 1}, "small_cnn", "mlp"],
)
def test_relu_in_place_changes_no_gradient_of_first_or_second_order(spec):
    results = []
    for wrap in (lambda network: network, InPlaceOff):
        network = wrap(build_model(spec, (3, 8, 8), 5, seed=0)).double()
        images = torch.rand(
            4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        ).requires_grad_()
        loss = network(images).logsumexp(1).sum()
        (first,) = torch.autograd.grad(loss, images, create_graph=True)
        second = torch.autograd.grad(first.square().sum(), [images, *network.parameters()], allow_unused=True)
        results.append([first, *(gradient for gradient in second if gradient is not None)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_preact_resnet_has_the_layer_names_of_the_released_code():
    keys = set(build_model({"name": "preact_resnet18", "width": 4}, CIFAR, 10, seed=0).state_dict())
    assert {"conv1.weight", "layer1.0.bn1.weight", "layer4.1.conv2.weight", "bn.running_mean", "linear.bias"} <= keys
    assert {key for key in keys if "shortcut" in key} == {f"layer{n}.0.shortcut.0.weight" for n in (2, 3, 4)}


def test_preact_shortcut_sees_the_raw_input_and_the_wide_one_the_normalised():
    for spec, block_of in (
        (PreActResNet18(width=2), lambda network: network.layer2[0]),
        (WideResNet(depth=10, width=1), lambda network: network[2]),
    ):
        block = block_of(spec.build(CIFAR, 10)).eval()
        nn.init.zeros_(block.conv2.weight)
        x = torch.randn(2, block.conv1.in_channels, 8, 8)
        raw = isinstance(spec, PreActResNet18)
        seen = x if raw else block.bn1(x).relu()
        shortcut = block.shortcut
        assert torch.allclose(block(x), shortcut(seen))


def test_small_images_and_depths_that_cannot_be():
    with pytest.raises(ModelError, match="at least 2 x 2 pixels; these have 1 x 5"):
        build_model("small_cnn", (1, 1, 5), 10, seed=0)
    with pytest.raises(ConfigError, match="must be 6 n \\+ 4"):
        build_model({"name": "wide_resnet", "depth": 27}, CIFAR, 10, seed=0)
