import pytest
import torch

from cotoolkit.core.errors import ModelError
from cotoolkit.models import (
    STATISTICS,
    Normalised,
    build_model,
)

CIFAR = (3, 32, 32)


def test_normalisation_is_the_first_layer():
    plain = build_model("small_cnn", CIFAR, 10, seed=0)
    normalised = build_model("small_cnn", CIFAR, 10, seed=0, normalise="cifar10")
    assert isinstance(normalised, Normalised)
    images = torch.rand(2, *CIFAR)
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in STATISTICS["cifar10"])
    assert torch.equal(normalised(images), plain((images - mean) / std))
    assert {"mean", "std"} <= set(normalised.state_dict())


@pytest.mark.parametrize(
    ("name", "message"), [("imagenet", "choose from none, cifar10"), ("mnist", "for 1 channels; the data has 3")]
)
def test_normalisations_that_do_not_fit(name, message):
    with pytest.raises(ModelError, match=message):
        build_model("small_cnn", CIFAR, 10, seed=0, normalise=name)
