import pytest
import torch
from torch import nn

from analyses.features.filters import filter_pictures, first_filters, lineage_cosine
from analyses.features.layers import hidden_layers, layer_output, weight_layers
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models.build import build_model
from tests._helpers.toys import conv_net, fingerprint, linear


class Crossed(nn.Module):
    """Layers defined in another order than they are run."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first = nn.Linear(4, 2), nn.Conv2d(1, 1, 2)

    def forward(self, images):
        return self.last(self.first(images).flatten(1))


def test_first_filters_are_those_of_the_first_layer_run():
    model, image = Crossed(), torch.zeros(1, 3, 3)
    assert weight_layers(model, image) == ["first", "last"]
    assert torch.equal(first_filters(model, image), model.first.weight)
    weight = torch.rand(3, 2, 4, 5)
    assert torch.equal(first_filters(linear(weight), weight[0]), weight)


def test_hidden_layers_are_first_middle_and_last():
    model = conv_net()
    before = fingerprint(model)
    assert hidden_layers(model, torch.zeros(1, 6, 6)) == ["0", "3", "7"]
    assert fingerprint(model) == before
    digits = build_model("small_cnn", (1, 28, 28), 10, 0, normalise="mnist")
    assert hidden_layers(digits, torch.zeros(1, 28, 28)) == ["network.0", "network.5", "network.11"]


def test_pictures_are_symmetric_about_zero():
    filters = torch.tensor([[1.0, -4.0], [0.0, 0.0], [3.0, 3.0]]).view(3, 1, 1, 2)
    expected = torch.tensor([[0.625, 0.0], [0.5, 0.5], [1.0, 1.0]]).view(3, 1, 1, 2)
    assert torch.equal(filter_pictures(filters), expected)


def test_lineage_cosine_pairs_filters_by_index():
    filters = torch.eye(3).view(3, 1, 1, 3)
    other = filters.clone()
    other[2] = torch.tensor([0.0, -4.0, 3.0])
    assert lineage_cosine(filters, -2 * other).tolist() == pytest.approx([1, 1, 0.6])
    with pytest.raises(ConfigError, match="cannot be compared"):
        lineage_cosine(filters, filters[:2])


def test_models_without_first_filters_are_refused():
    with pytest.raises(ModelError, match="no convolution"):
        first_filters(nn.Flatten(), torch.zeros(1, 2, 2))
    pooled = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(1, 2))
    with pytest.raises(ModelError, match="has 1 inputs; the image has 4"):
        first_filters(pooled, torch.zeros(1, 2, 2))


def test_a_layer_that_does_not_run_is_named():
    model = Crossed()
    with layer_output(model, "last") as output, pytest.raises(ModelError, match="'last' did not run"):
        output()
    assert not model.last._forward_hooks
