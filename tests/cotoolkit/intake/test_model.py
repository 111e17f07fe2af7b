"""Models that people bring are diagnosed as they are, and left as they were."""

import copy

import pytest
import torch
from torch import nn

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models import STATISTICS, Normalised
from cotoolkit.models.modes import attack_mode
from tests._helpers.formats import narrow
from tests._helpers.prepared_models import SHAPE, images, logits, net, subject, texts

# --- the function -----------------------------------------------------------------------------------------------------


def test_a_plain_network_is_itself_without_findings():
    network = net()
    found, findings = subject(network)
    assert findings == []
    assert found.network is network
    assert torch.equal(logits(found, images()), network(images()))


def test_unit_range_statistics_and_bounds_describe_one_function():
    """f((x - m) / s): inside the model; stated; or stated in 0..255, by a network that takes these."""
    network, (mean, std) = net(), STATISTICS["cifar10"]
    inside, _ = subject(Normalised(network, STATISTICS["cifar10"]))
    stated, _ = subject(network, mean=mean, std=torch.tensor(std))
    levels = {"mean": [255 * value for value in mean], "std": [255 * value for value in std]}
    scaled, _ = subject(network, bounds=(0.0, 255.0), **levels)
    signed, _ = subject(network, bounds=(-1.0, 1.0), mean=[2 * m - 1 for m in mean], std=[2 * value for value in std])
    x, labels = images(), torch.arange(16) % 10
    wanted, gradient = logits(inside, x), None
    with attack_mode(inside, "eval"):
        gradient = input_gradient(inside, x, labels).gradient
    for other in (stated, scaled, signed):
        assert torch.allclose(logits(other, x), wanted, atol=1e-5)
        with attack_mode(other, "eval"):
            assert torch.allclose(input_gradient(other, x, labels).gradient, gradient, atol=1e-5)


def test_one_number_stands_for_all_channels():
    one, _ = subject(net(), mean=0.5, std=0.25)
    three, _ = subject(net(), mean=[0.5] * 3, std=[0.25] * 3)
    assert torch.equal(logits(one, images()), logits(three, images()))


STATISTICS_REFUSED = [
    ({"mean": 0.5}, "mean and std go together"),
    ({"std": 0.5}, "mean and std go together"),
    ({"mean": (0.5, 0.5), "std": 0.5}, "mean has 2 numbers, the images have 3 channels"),
    ({"mean": 0.5, "std": (0.5, 0.0, 0.5)}, "std must be above 0"),
    ({"mean": 0.5, "std": float("nan")}, "std must be above 0"),
    ({"mean": 123.0, "std": 58.0}, r"mean must lie in the bounds, 0 to 1"),
    ({"mean": 0.5, "std": 0.25, "bounds": (0.0, 255.0)}, "std is below 1, and pixels run from 0 to 255"),
    ({"bounds": (1.0, 0.0)}, "bounds are 1 and 0"),
]


@pytest.mark.parametrize(("options", "message"), STATISTICS_REFUSED, ids=[message for _, message in STATISTICS_REFUSED])
def test_statistics_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        subject(net(), **options)


class InPlace(nn.Module):
    """Normalises its input in place, as some do."""

    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner(x.sub_(0.5))


def test_a_network_that_changes_its_input_does_not_change_ours():
    found, _ = subject(InPlace())
    x = images()
    before = x.clone()
    assert torch.equal(logits(found, x), net()(x - 0.5))
    assert torch.equal(x, before)


# --- left as it was ---------------------------------------------------------------------------------------------------


def test_a_lone_image_goes_through_networks_that_squeeze():
    class Squeezing(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = net()

        def forward(self, images):
            return self.network(images).squeeze()

    found, _ = subject(Squeezing())
    expected = logits(found, images(2))
    torch.testing.assert_close(logits(found, images(2)[:1]), expected[:1])
    torch.testing.assert_close(input_gradient(found, images(2)[:1], torch.tensor([3])).gradient,
                               input_gradient(found, images(2), torch.tensor([3, 3])).gradient[:1])  # fmt: skip


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0)])
def test_networks_get_images_that_they_can_view(bounds):
    class Viewing(nn.Linear):
        def forward(self, pixels):
            return super().forward(pixels.view(len(pixels), -1))

    found, _ = subject(Viewing(192, 10), bounds=bounds)
    across = images().contiguous(memory_format=torch.channels_last)  # as arrays (N, H, W, C), transposed, are
    assert torch.equal(logits(found, across), logits(found, images()))


def test_modes_statistics_flags_and_random_numbers_are_untouched():
    network = net().train()
    network.conv.eval()
    network.head.requires_grad_(False)
    network.conv.weight.grad = torch.ones_like(network.conv.weight)
    modes = [module.training for module in network.modules()]
    state, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    found, findings = subject(network)
    assert findings == []
    assert torch.equal(logits(found, images()), net()(images()))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert not network.head.weight.requires_grad
    assert torch.equal(network.conv.weight.grad, torch.ones_like(network.conv.weight))
    assert torch.equal(torch.get_rng_state(), random)


def test_training_in_channels_last_with_an_unsafe_layer_is_a_warning():
    model = narrow(SHAPE, 10).eval()
    assert subject(model)[1] == []
    _, findings = subject(model.to(memory_format=torch.channels_last))
    (text,) = texts(findings, "warning")
    assert "its layer 'shortcut' is a 1 x 1 convolution with stride 2 and 4 input channels" in text
    assert subject(net().to(memory_format=torch.channels_last))[1] == []


# --- what is refused --------------------------------------------------------------------------------------------------


class Returns(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.inner, self.wrap = net(), wrap

    def forward(self, x):
        return self.wrap(self.inner(x))


def spoiled(name, value, place=0):
    network = net()
    network.state_dict()[name].view(-1)[place] = value
    return network


NAN, INF = float("nan"), float("inf")
REFUSED = [
    ("tuple", lambda: Returns(lambda y: (y, y)), "returns a tuple of 2; say which part are the logits"),
    ("dict", lambda: Returns(lambda y: {"scores": y}), "returns a dict with 'scores'; say which part are the logits"),
    ("None", lambda: Returns(lambda y: None), "returns a NoneType, it must return one tensor of logits"),
    ("maps", lambda: Returns(lambda y: y[:, :, None, None]), "float32 of shape (2, 10, 1, 1) for 2 images"),
    ("one number", lambda: Returns(lambda y: y[:, 0]), "of shape (2,) for 2 images; it must return logits (2, 10)"),
    ("labels", lambda: Returns(lambda y: y.argmax(1, keepdim=True).expand(2, 10)), "returns int64 of shape (2, 10)"),
    ("too many", lambda: net(100), "the last layer has 100 outputs, the data 10 classes"),
    ("too few", lambda: net(2), "the last layer has 2 outputs, the data 10 classes"),
    ("channels", lambda: nn.Conv2d(1, 10, 8), "fails on images of shape (3, 8, 8): RuntimeError: Given groups=1"),
    ("nan weight", lambda: spoiled("head.weight", NAN), "the model: head.weight has 1 of 1440 values that are nan"),
    ("infinite weight", lambda: spoiled("conv.bias", INF), "conv.bias has 1 of 4 values"),
    ("nan statistics", lambda: spoiled("norm.running_mean", NAN), "norm.running_mean has 1 of 4 values"),
    ("infinite variance", lambda: spoiled("norm.running_var", INF), "norm.running_var has 1 of 4 values"),
    ("negative variance", lambda: spoiled("norm.running_var", -1.0), "a variance cannot be"),
    ("lazy", lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "has no shape yet (a lazy layer); send a batch"),
    ("meta", lambda: net().to("meta"), "is on the meta device and holds no values; load weights"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_model_that_cannot_be_diagnosed_is_one_line(make, message):
    with pytest.raises(ModelError) as caught:
        subject(make())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_outputs_than_labels_seen_are_fine_where_classes_are_a_lower_bound():
    assert texts(subject(net(100), exact=False)[1]) == [
        "the model has 100 outputs, the labels given go up to 9; the other classes count as wrong answers"
    ]
    with pytest.raises(ModelError, match="the last layer has 2 outputs"):
        subject(net(2), exact=False)


def test_an_infinite_mask_is_no_fault():
    network = net()
    network.register_buffer("mask", torch.tensor([0.0, -INF]))
    assert subject(network)[1] == []


@pytest.mark.parametrize("cut", [lambda y: y.detach(), lambda y: (y * 8).int().float() / 8])
def test_an_output_without_a_gradient_is_a_warning(cut):
    (text,) = texts(subject(Returns(cut))[1], "warning")
    assert text.startswith("no gradient reaches the images")


class Rounded(nn.Module):
    """Parameters get gradients, images do not."""

    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner((x * 16).to(torch.int64).float() / 16)


def test_an_input_without_a_gradient_is_a_warning():
    (text,) = texts(subject(Rounded())[1], "warning")
    assert text.startswith("no gradient reaches the images")


def test_one_image_is_never_taken_for_probabilities():
    """Its outputs, here all above 0, always sum to a constant."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    nn.init.uniform_(network[1].weight, 1, 3)
    nn.init.ones_(network[1].bias)
    found, _ = subject(network)
    for model, link in {found: "identity", subject(nn.Sequential(network, nn.Softmax(1)))[0]: "log"}.items():
        model.read_probabilities(images()[:1])
        assert model.link.name == link


def test_a_gradient_of_zero_is_a_warning():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()

        def forward(self, x):
            return self.inner((8 * x).round() / 8)

    (text,) = texts(subject(Steps())[1], "warning")
    assert text.startswith("the gradient of the model's outputs is zero")
    assert subject(Returns(lambda y: y.softmax(1)))[1] == []  # whose sum has none
