"""Whatever a network returns: logits, one of them, probabilities, or something to be told which part to take."""

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ModelError
from tests._helpers.any_networks import Around, mlp
from tests._helpers.watching import monitor_of, points


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
        assert monitor._signals()[-1][1]["train_accuracy"] == pytest.approx(correct)


@pytest.mark.parametrize(
    "output", [torch.sigmoid, lambda z: torch.sigmoid(z)[:, 0], lambda z: torch.sigmoid(z).squeeze(1).float()]
)
def test_one_probability_is_told_from_a_logit_by_its_make(output, caplog):
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


def test_logits_that_lie_in_the_unit_interval_at_first_stay_logits():
    images, labels = points()
    network = mlp(1)
    with torch.no_grad():
        network[3].weight.mul_(0.01)
        network[3].bias.fill_(0.5)
    monitor = monitor_of(network, (images, labels % 2))
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
