import torch

from cotoolkit.attacks.gradient import fgsm
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.models import build_model


def test_the_seed_decides_the_weights_and_the_global_generator_stays():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (build_model("small_cnn", (1, 8, 8), 10, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)


def test_a_network_that_works_in_place_does_not_change_the_images():
    network = build_model("tests._helpers.networks:InPlace", (1, 8, 8), 10, 0)
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    before = images.clone()
    delta = fgsm(network, images, labels, ThreatModel(0.1)).delta
    assert delta.abs().max() > 0
    assert torch.equal(images, before)
    assert set(network.state_dict()) == {"head.weight", "head.bias"}
