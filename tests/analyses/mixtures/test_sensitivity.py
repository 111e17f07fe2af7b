import pytest
import torch
from torch import nn

from analyses.mixtures.statistics.sensitivity import gain, gains, second_moments, sensitivity
from analyses.mixtures.units.hidden_units import units_of
from analyses.mixtures.units.layer_inputs import layer_inputs, patches
from cotoolkit.core.errors import ConfigError

CONVOLUTIONS = [
    (nn.Conv2d(3, 6, 3, padding=1), (3, 8, 8)),
    (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=2, groups=2), (4, 11, 9)),
    (nn.Conv2d(4, 8, 3, groups=4, padding="same", padding_mode="reflect"), (4, 7, 7)),
    (nn.Conv2d(2, 3, (3, 4), padding="same", dilation=2), (2, 9, 9)),
    (nn.Conv2d(2, 3, 3, padding="valid"), (2, 5, 6)),
    (nn.Conv1d(4, 6, 5, stride=2, padding=3, padding_mode="circular"), (4, 13)),
    (nn.Conv3d(2, 4, (1, 2, 3), padding=(0, 1, 2)), (2, 4, 5, 6)),
]


def linear(rows):
    layer = nn.Linear(len(rows[0]), len(rows))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
    return layer


@pytest.mark.parametrize(("conv", "shape"), CONVOLUTIONS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_patches_times_units_are_the_output(conv, shape):
    images = torch.randn(3, *shape)
    vectors, rows = patches(conv, images), conv.weight.flatten(1).unflatten(0, (conv.groups, -1))
    expected = (conv(images) - conv.bias.view(-1, *[1] * (len(shape) - 1))).movedim(1, -1).flatten(0, -2)
    assert torch.allclose((vectors @ rows.mT).movedim(0, 1).flatten(1), expected, atol=1e-5)


@pytest.mark.parametrize(("conv", "shape"), CONVOLUTIONS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_energy_from_the_second_moment_is_the_mean_square_of_the_response(conv, shape):
    images = torch.randn(5, *shape)
    changed = images + 0.1 * torch.randn_like(images)
    moment = second_moments(conv, images, changed, batch_size=2)["model"]
    rows = conv.weight.flatten(1).unflatten(0, (conv.groups, -1))
    energy = ((rows @ moment) * rows).sum(-1).flatten()
    response = (conv(changed) - conv(images)).movedim(1, -1).flatten(0, -2).square().mean(0)
    assert torch.allclose(energy, response, rtol=1e-4)


def test_gain_of_a_linear_layer_by_hand():
    # d = (1, 0) and (0, 2): C = diag(1/2, 2), tr C / 2 = 5/4; (3, 4): (9/2 + 32) / 25; (0, 1): 2; (0, 0) is left out
    layer = linear([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]])
    images = torch.randn(2, 2)
    found = sensitivity(layer, images, images + torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert found["model"] == pytest.approx(((4.5 + 32) / 25 + 2) / 2 / 1.25, rel=1e-4)


def test_gain_is_one_for_changes_in_random_directions():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))
    images = torch.randn(20000, 20)
    found = sensitivity(model, images, images + torch.randn(20000, 20), batch_size=5000)
    assert found["0"] == pytest.approx(1, abs=0.02)
    assert gain(torch.randn(7, 12), 3 * torch.eye(12)[None]) == pytest.approx(1)


def test_gain_reaches_its_ends():
    change = torch.tensor([0.0, 1.0, 0.0, 0.0])
    moment = torch.outer(change, change)[None]
    assert gain(torch.stack([change, -3 * change]), moment) == pytest.approx(4)
    assert gain(torch.tensor([[1.0, 0.0, 2.0, 0.0]]), moment) == 0


def test_groups_that_the_change_does_not_reach_do_not_count():
    conv = nn.Conv2d(2, 2, 1, groups=2)
    images = torch.zeros(1, 2, 3, 3)
    changed = images.clone()
    changed[:, 1] = 1
    assert sensitivity(conv, images, changed)["model"] == pytest.approx(1)


def test_deeper_layers_are_driven_by_what_reaches_them():
    # the second layer sees relu((1, 1) * x) of x = 0 -> 1 and x = 0 -> -1: differences (1, 1) and (0, 0)
    model = nn.Sequential(linear([[1.0], [1.0]]), nn.ReLU(), linear([[1.0, 1.0], [1.0, -1.0]]))
    with torch.no_grad():
        model[0].bias.zero_()
    images, changed = torch.zeros(2, 1), torch.tensor([[1.0], [-1.0]])
    moments = second_moments(model, images, changed)
    assert moments["2"][0].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert gains(units_of(model), moments) == pytest.approx({"0": 1, "2": 1})  # of 2 and 0


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(2, 3, 2), nn.Linear(3, 4)

    def forward(self, images):
        return self.linear(input=self.conv(input=images).flatten(1))


def test_layers_called_by_keyword_are_seen():
    model, images = Named(), torch.randn(5, 2, 2, 2)
    found = layer_inputs(model, images)
    assert torch.equal(found["conv"], images.flatten(1)[None])
    assert torch.equal(found["linear"], model.conv(images).flatten(1)[None])


def test_attention_sees_queries_keys_and_values():
    encoder = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True, dropout=0.5)
    tokens = torch.randn(3, 5, 8)
    found = layer_inputs(encoder.eval(), tokens)
    assert set(found) == {"self_attn.query", "self_attn.key", "self_attn.value", "linear1", "linear2"}
    assert torch.equal(found["self_attn.key"][0], tokens.flatten(0, 1))


def test_nothing_of_the_model_is_touched():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(16, 2))
    model[2].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = torch.rand(2, 3, 4, 4)
    sensitivity(model, images, images + 0.1)
    with pytest.raises(RuntimeError):
        layer_inputs(model, torch.rand(2, 3, 5, 5))  # fails at the last layer
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model] == [True, True, False, True, True]
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_images_must_be_paired():
    with pytest.raises(ConfigError, match="differ in shape: 2 x 3, 1 x 3"):
        sensitivity(nn.Linear(3, 1), torch.zeros(2, 3), torch.zeros(1, 3))
