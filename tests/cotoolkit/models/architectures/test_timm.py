import sys

import pytest
import timm
import torch

from cotoolkit.core.errors import ModelError
from cotoolkit.models import build_model

CIFAR = (3, 32, 32)


@pytest.mark.parametrize(("name", "shape"), [("test_resnet", CIFAR), ("test_vit", CIFAR), ("test_resnet", (1, 28, 28))])
def test_timms_networks_are_made_for_the_images_and_the_classes(name, shape):
    network = build_model(f"timm:{name}", shape, 7, seed=0).eval()
    assert network(torch.rand(2, *shape)).shape == (2, 7)
    again = build_model({"name": "timm", "architecture": name}, shape, 7, seed=0)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())


def test_a_tag_of_weights_names_the_architecture_and_downloads_nothing(monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    network = build_model("timm:test_resnet.r160_in1k", CIFAR, 10, seed=0)
    assert network.state_dict().keys() == timm.create_model("test_resnet", num_classes=10).state_dict().keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19", "timm has no classifier 'resnet19': did you mean resnet"),
        ("zzzzzzzz", r"timm has no classifier 'zzzzzzzz': timm.list_models\(\) names them"),
        ("vit_tiny_patch16_224", r"cannot be made for images of shape \(3, 8, 8\)|fails on images of shape"),
    ],
)
def test_timms_networks_that_do_not_fit(name, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_model(f"timm:{name}", (3, 8, 8), 10, seed=0)
    assert "\n" not in str(caught.value)


def test_without_timm_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match=r"timm:resnet18 needs timm: pip install 'cotoolkit\[timm\]'"):
        build_model("timm:resnet18", CIFAR, 10, seed=0)
