"""Directions, units, layers and settings that people give to the analyses of mixtures: right, or one clear line."""

import numpy as np
import pytest
import torch
from torch import nn

from analyses import mixtures
from analyses.mixtures import edits
from analyses.mixtures.statistics import sensitivity
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from tests._helpers.brought_mixtures import MEAN, STD, direction, shifted, small, state
from tests._helpers.brought_networks import Heard

WRONG = {
    "no mapping": (lambda m: mixtures.remove_direction(m, direction()), "directions are a Tensor"),
    "another shape": (lambda m: mixtures.remove_direction(m, {"1": torch.ones(5)}), r"a direction has shape \(36,\)"),
    "another length": (lambda m: mixtures.remove_direction(m, {"1": torch.ones(36)}), "length 6; give one of length 1"),
    "nan": (lambda m: mixtures.remove_direction(m, {"1": torch.full((36,), torch.nan)}), "length nan"),
    "half a rank": (lambda m: mixtures.graft(m, m, 1.5), "rank: give a whole number, 1 or more, not 1.5"),
    "a wrapper's name": (lambda m: mixtures.graft(m, m, 1, ["module.1"]), "no layer module.1; it has: 1"),
    "no network": (lambda m: mixtures.graft(None, m, 1), "model 'clean': .*not a NoneType"),
    "options": (lambda m: mixtures.graft(m, m, 1, mean=0.5), "mean says how images are taken, and there are none"),
    "batch size": (
        lambda m: mixtures.sensitivity(m, torch.rand(2, 36), torch.rand(2, 36), batch_size=0),
        "batch_size: give a whole number, 1 or more, not 0",
    ),
    "a moment": (lambda m: mixtures.gain(torch.ones(3, 5), torch.eye(4)[None]), "no second moment of shape 1 x 4 x 4"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_settings_that_make_no_sense_are_one_line(kind):
    call, message = WRONG[kind]
    with pytest.raises(CotoolkitError, match=message):
        call(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)))


def test_batch_norm_takes_two_images(images):
    with pytest.raises(ConfigError, match="give at least two"):
        mixtures.remove_direction(small(0), {"0": direction()}, images=images[:1])


def test_one_layer_may_be_given_by_its_name():
    first, second = (nn.Sequential(nn.Flatten(), nn.Linear(36, 3)) for _ in range(2))
    found = mixtures.graft(first, second, 3, "1")
    torch.testing.assert_close(found[1].weight, second[1].weight)


def test_a_direction_in_another_precision_or_as_an_array():
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    u = np.zeros(36)
    u[3] = 1
    found = mixtures.remove_direction(model, {"1": u})
    assert not found[1].weight[:, 3].any()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_units_of_a_former_weight_norm_are_those_of_its_next_pass():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(4, 3)))
    model.load_state_dict({name: 2 * value for name, value in model.state_dict().items()})
    found = mixtures.units_of(model)["1"].weight
    model(torch.rand(2, 4))
    torch.testing.assert_close(found, model[1].weight.detach())
    with pytest.raises(ModelError, match="computed from other parameters"):
        mixtures.remove_direction(model, {"1": torch.tensor([1.0, 0, 0, 0])})


def test_tied_layers_are_units_of_their_own_and_not_edited_alone():
    layer, tied = nn.Linear(4, 4), nn.Linear(4, 4)
    tied.weight = layer.weight
    model = nn.Sequential(layer, nn.ReLU(), tied)
    assert list(mixtures.units_of(nn.DataParallel(model))) == ["0", "2"]
    with pytest.raises(ModelError, match="tied to another layer's"):
        mixtures.graft(model, nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), 1)


def test_a_module_under_two_names_is_one_layer(images):
    class Twice(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.encoder, self.model = network, nn.Sequential(network)

        def forward(self, images):
            return self.model(images)

    found = mixtures.remove_direction(Twice(small(0)), {"encoder.0": direction()}, images=images)
    right = edits.remove_direction(small(0), {"0": direction()}, images=images)
    torch.testing.assert_close(state(found.encoder), state(right))
    assert found.encoder is found.model[0]


def test_recurrent_and_attention_networks_on_odd_sizes():
    torch.manual_seed(0)
    model, images = Heard(), np.random.default_rng(0).random((4, 1, 7, 5))
    found = mixtures.sensitivity(model, images, images[::-1].copy())
    assert set(found) == {"attention.query", "attention.key", "attention.value", "head"}
    assert all(value > 0 for value in found.values())


def test_a_lone_last_image_counts_once(images):
    """Networks behind the door see a lone image twice, because many squeeze its batch axis away."""
    right = sensitivity.second_moments(small(0), images, shifted(images), batch_size=9)
    found = mixtures.second_moments(small(0), images, shifted(images), batch_size=8)
    for name, moment in right.items():
        torch.testing.assert_close(found[name], moment)


@pytest.mark.parametrize("change", [lambda x: 255 * x, lambda x: (x - MEAN) / STD * 3], ids=["levels", "normalised"])
def test_changed_images_are_in_the_range_of_the_images(change, images):
    with pytest.raises(DataError, match="the changed images: pixels run"):
        mixtures.sensitivity(small(0), images, change(shifted(images)))
