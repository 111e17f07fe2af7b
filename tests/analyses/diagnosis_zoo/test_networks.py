"""What hides the gradients of the zoo's networks does so, and changes nothing that it should not."""

import pytest
import torch
from torch import nn

from analyses.diagnosis_zoo.distillation import distil
from analyses.diagnosis_zoo.networks import SCALE, config_of, mixed, with_hidden_gradients
from analyses.diagnosis_zoo.plan import RECIPES, ZOO
from analyses.diagnosis_zoo.truth import MeanOfDraws, is_random
from cotoolkit.attacks.gradient import input_gradient

IMAGES = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 3


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 3)).eval()


def test_the_zoo_is_large_and_its_names_are_its_own():
    assert len(ZOO) >= 24
    assert len({one.name for one in ZOO}) == len(ZOO)
    assert {one.recipe for one in ZOO} == set(RECIPES)
    assert {one.kind for one in ZOO} == {
        "collapsed", "half-collapsed", "recovered", "robust", "clean", "masked", "random", "overrated"
    }  # fmt: skip
    assert {config_of(one).data.name for one in ZOO} == {"digits", "fashion_mnist", "cifar10"}


def test_a_quantised_network_has_no_gradient_and_the_answers_of_rounded_images(network):
    found = with_hidden_gradients(network, "quantised")
    assert input_gradient(found, IMAGES, LABELS).gradient.abs().max() == 0
    assert torch.equal(found(IMAGES), network((8 * IMAGES).round() / 8))


def test_a_saturated_network_answers_the_same_with_less_gradient(network):
    found = with_hidden_gradients(network, "saturated")
    assert torch.equal(found(IMAGES), SCALE * network(IMAGES))
    right = network(IMAGES).argmax(1)
    assert (input_gradient(found, IMAGES, right).gradient.flatten(1).abs().amax(1) == 0).any()


def test_a_softmax_at_the_end_keeps_the_order(network):
    found = with_hidden_gradients(network, "softmax")(IMAGES)
    assert torch.allclose(found.sum(1), torch.ones(8))
    assert torch.equal(found.argsort(1), network(IMAGES).argsort(1))


@pytest.mark.parametrize("layer", ["noisy", "dropout"])
def test_a_random_network_changes_its_answers_in_evaluation_mode_too(network, layer):
    found = with_hidden_gradients(network, layer).eval()
    assert is_random(found)
    assert not is_random(network)
    assert not torch.equal(found(IMAGES), found(IMAGES))
    mean = MeanOfDraws(found, 0)
    assert torch.equal(mean(IMAGES), mean(IMAGES))
    assert not torch.equal(mean(IMAGES), MeanOfDraws(found, 1)(IMAGES))


def test_dropout_leaves_the_network_it_was_given(network):
    before = network(IMAGES)
    with_hidden_gradients(network, "dropout")
    assert torch.equal(network(IMAGES), before)


def test_a_mixed_network_lies_between(network):
    after = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    found = mixed(network, after, 0.25)
    for name, tensor in found.state_dict().items():
        assert torch.allclose(tensor, network.state_dict()[name] + 0.25)
    assert torch.equal(mixed(network, after, 0.0)(IMAGES), network(IMAGES))


def test_a_distilled_network_is_right_with_larger_logits(network, monkeypatch):
    monkeypatch.setattr("analyses.diagnosis_zoo.distillation.STEPS", 150)
    images = torch.rand(90, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(90) % 3
    images[torch.arange(90), 0, 0, labels] += 3
    student = distil(network, images, labels, seed=0)
    logits = student(images)
    assert (logits.argmax(1) == labels).float().mean() > 0.9
    assert logits.abs().mean() > 10 * network(images).abs().mean()
    again = distil(network, images, labels, seed=0)
    assert torch.equal(again(images), logits)
