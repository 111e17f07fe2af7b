import pytest
import torch

from cotoolkit.core.errors import ModelError
from cotoolkit.models import (
    build_model,
)

CIFAR = (3, 32, 32)


def test_torchvision_networks_are_made_for_the_classes():
    assert build_model("torchvision:mobilenet_v3_small", CIFAR, 7, seed=0)(torch.rand(2, *CIFAR)).shape == (2, 7)


@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resnet19", CIFAR, "no classifier 'resnet19': did you mean resnet18"),
        ("zzzzzz", CIFAR, "no classifier 'zzzzzz': its names are on https"),
        ("resnet18", (1, 28, 28), "torchvision:resnet18 takes images with 3 channels; the data has 1"),
        ("squeezenet1_1", (3, 8, 8), r"fails on images of shape \(3, 8, 8\): RuntimeError"),
        ("googlenet", CIFAR, "auxiliary outputs"),
    ],
)
def test_torchvision_networks_that_do_not_fit(name, shape, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_model(f"torchvision:{name}", shape, 10, seed=0)
    assert "\n" not in str(caught.value)
