"""Whatever a network returns: logits, one of them, probabilities, or something to be told which part to take."""

import random

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ModelError
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.any_networks import Around, mlp
from tests._helpers.reading_signals import by_iteration
from tests._helpers.watching import monitor_of, points


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, z):
        return self.function(z)


@pytest.mark.parametrize("output", [lambda z: z, lambda z: z[:, 0]], ids=["column", "row"])
def test_one_logit_is_a_binary_model(output):
    images, labels = points()
    labels = labels % 2
    binary = Around(lambda network, x: output(network(x)), outputs=1)
    two = Around(lambda network, x: torch.cat([0 * network(x), network(x)], 1), outputs=1)
    two.load_state_dict(binary.state_dict())
    expected = monitor_of(two, (images, labels)).probe()
    for options in ({}, {"binary": True}):
        monitor = monitor_of(binary, (images, labels), **options)
        assert monitor.probe() == expected
        z = binary(images)
        monitor.observe(logits=z, labels=labels)
        monitor._close_step()
        correct = ((z.reshape(-1) > 0) == labels).float().mean().item()
        assert by_iteration(monitor._signals())[-1][1]["train_accuracy"] == pytest.approx(correct)


ONE_PROBABILITY = {
    "sigmoid": torch.sigmoid,
    "row": lambda z: torch.sigmoid(z)[:, 0],
    "squeezed": lambda z: torch.sigmoid(z).squeeze(1).float(),
    "clamped": lambda z: torch.sigmoid(z).clamp(1e-6, 1 - 1e-6),
    "softmax": lambda z: torch.cat([0 * z, z], 1).softmax(1)[:, 1:],
    "complement": lambda z: 1 - torch.sigmoid(-z),
    "exponential": lambda z: nn.functional.logsigmoid(z).exp(),
    "tanh": lambda z: 0.5 * (1 + torch.tanh(z / 2)),
}


@pytest.mark.parametrize("how", ONE_PROBABILITY)
def test_one_probability_is_told_from_a_logit_by_its_make(how, caplog):
    torch.manual_seed(0)
    output = ONE_PROBABILITY[how]
    images, labels = points()
    labels = labels % 2
    logit = Around(lambda network, x: network(x), outputs=1)
    probability = Around(lambda network, x: output(network(x)), outputs=1)
    probability.load_state_dict(logit.state_dict())
    found = monitor_of(probability, (images, labels)).probe()
    assert "taken for the probability of class 1" in caplog.text
    expected = monitor_of(logit, (images, labels)).probe()
    assert (found.clean, found.fgsm, found.pgd) == (expected.clean, expected.fgsm, expected.pgd)
    assert len(set(found.robust)) == 2


@pytest.mark.parametrize("ceiling", [1, 100])
def test_a_sigmoid_for_each_class_is_taken_off(ceiling, caplog):
    network = mlp()
    found = monitor_of(nn.Sequential(network, Function(lambda z: ceiling * torch.sigmoid(z)))).probe()
    assert "attacks follow the log-odds" in caplog.text
    expected = monitor_of(network).probe()
    assert (found.clean, found.fgsm, found.pgd) == (expected.clean, expected.fgsm, expected.pgd)


class Ensemble(nn.Module):
    """Probabilities, mixed by weights of its own."""

    def __init__(self, **options):
        super().__init__()
        self.members = nn.ModuleList([mlp(), mlp()])
        self.weights = nn.Parameter(torch.tensor([0.5, 0.5]), **options)

    def forward(self, x):
        return sum(weight * member(x).softmax(1) for weight, member in zip(self.weights, self.members, strict=True))


class Empty(nn.Module):
    """With a layer of no weights."""

    def __init__(self):
        super().__init__()
        self.network, self.none = mlp(), nn.Linear(0, 4)

    def forward(self, x):
        return (self.network(x) + self.none(x.new_zeros(len(x), 0))).softmax(1)


def the_rest(z):
    """The last class gets what the others leave, which rounding may take below 0."""
    most = z.softmax(1)[:, :-1]
    return torch.cat([most, 1 - most.sum(1, keepdim=True)], 1)


def untrained(last):
    """A network whose outputs do not depend on the image yet."""
    network = mlp()
    nn.init.zeros_(network[3].weight)
    nn.init.constant_(network[3].bias, 0.5)
    return nn.Sequential(network, Function(last))


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize(
    "make",
    [
        Ensemble, lambda: Ensemble(requires_grad=False), Empty, lambda: nn.Sequential(mlp(), Function(the_rest)),
        lambda: nn.Sequential(mlp(), Function(lambda z: z.relu() / (z.relu().sum(1, keepdim=True) + 1e-9))),
        lambda: untrained(lambda z: z.softmax(1)),
        lambda: nn.Sequential(mlp(), Function(lambda z: z.bfloat16().softmax(1))),
    ],
    ids=["ensemble", "frozen mixture", "no weights", "rest", "ratio", "untrained", "bfloat16"],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_told_whatever_makes_them(make, seed):
    torch.manual_seed(seed)
    assert monitor_of(make()).watched.model.link.name == "log"


def test_one_probability_may_be_rounded_beyond_1():
    images, labels = points()
    torch.manual_seed(0)
    model = nn.Sequential(mlp(1), Function(lambda z: torch.sigmoid(z) + 1e-7))
    assert monitor_of(model, (images, labels % 2)).watched.model.probability


class Remembering(nn.Module):
    """Of what it has seen, in attributes that are no buffers."""

    def __init__(self, function):
        super().__init__()
        self.network, self.function, self.largest = mlp(), function, 0.0

    def forward(self, x):
        z = self.network(x) + 0.01 * torch.randn(len(x), 1)
        self.largest = max(self.largest, float(z.detach().abs().max()))
        return self.function(z)


@pytest.mark.parametrize("last", [torch.sigmoid, lambda z: 0 * z, torch.abs])
def test_other_weights_leave_no_trace(last):
    torch.manual_seed(0)
    network = Remembering(last)
    seen, streams = [], (torch.get_rng_state(), random.getstate())
    network.network[3].register_forward_hook(lambda module, given, output: seen.append(float(output.abs().max())))
    monitor_of(network, config=MonitorConfig(points=20, steps=1))
    assert network.largest < 5
    assert torch.equal(torch.get_rng_state(), streams[0])
    assert random.getstate() == streams[1]


@pytest.mark.parametrize("last", [torch.relu, nn.functional.softplus, lambda z: z.abs(), lambda z: 0.5 + 0.1 * z])
def test_outputs_that_only_look_like_probabilities_are_logits(last, caplog):
    """Some do at the first weights alone."""
    network = nn.Sequential(mlp(), Function(last))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    monitor = monitor_of(network)
    assert monitor.watched.model.link.name == "identity"
    assert "probabilit" not in caplog.text
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def refusing(outputs):
    """A network with a mind of its own."""
    if outputs.abs().max() > 5:
        raise FloatingPointError("these are not my weights")
    return outputs


@pytest.mark.parametrize(("last", "link"), [(torch.abs, "identity"), (torch.sigmoid, "log-odds")])
def test_a_network_may_refuse_other_weights(last, link):
    torch.manual_seed(0)
    monitor = monitor_of(nn.Sequential(mlp(), Function(lambda z: refusing(last(z)))))
    assert monitor.watched.model.link.name == link


@pytest.mark.parametrize(("scale", "bias"), [(0.01, 0.5), (0, 0), (0, 0.5), (0.001, 0.01)])
def test_one_logit_that_lies_in_the_unit_interval_at_first_stays_one(scale, bias):
    images, labels = points()
    network = mlp(1)
    with torch.no_grad():
        network[3].weight.mul_(scale)
        network[3].bias.fill_(bias)
    monitor = monitor_of(network, (images, labels % 2))
    assert not monitor.watched.model.probability
    with torch.no_grad():
        network[3].bias.fill_(-0.5)
    assert monitor.probe().clean == 0.5  # all are of class 0; as probabilities they would be refused


def test_a_softmax_at_the_end_is_taken_off():
    network = mlp()
    found = monitor_of(nn.Sequential(network, nn.Softmax(1))).probe()
    expected = monitor_of(network).probe()
    assert (found.clean, found.fgsm, found.pgd) == (expected.clean, expected.fgsm, expected.pgd)
    assert found.gradient_alignment == pytest.approx(expected.gradient_alignment, abs=1e-3)


def test_forward_says_how_the_model_is_called():
    network = Around(lambda inner, images: (inner(images), images))
    found = monitor_of(network, forward=lambda model, images: model(images)[0])
    assert found.probe() == monitor_of(network.network).probe()
    with pytest.raises(ModelError, match="a tuple of 2; say which part"):
        monitor_of(network)
