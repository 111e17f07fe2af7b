import pytest
import torch
from torch import nn
from torch.nn import functional as F

from analyses.mixtures.units.hidden_units import (
    batch_norm_after,
    check_same_layers,
    live_units,
    unit_length,
    units_of,
    with_units,
)
from cotoolkit.core.errors import ModelError
from cotoolkit.models.architectures.preact_resnet import PreActResNet18


def scrambled(model):
    """Batch norm with statistics and weights that are nothing special, some negative."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.1, 3)
    return model.eval()


class Unordered(nn.Module):
    """Declares its modules in another order than it runs them; an activation in place hides one batch norm."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6)
        self.other = nn.BatchNorm2d(6)
        self.conv = nn.Conv2d(3, 6, 3)
        self.later = nn.Conv2d(6, 6, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.other(self.act(self.later(self.norm(self.conv(x)))))


def test_units_are_the_rows_that_layers_multiply_with():
    model = nn.Sequential(
        nn.Conv2d(2, 3, (3, 1)), nn.Conv2d(3, 3, 2, groups=3), nn.Conv1d(4, 8, 5, groups=2), nn.Linear(7, 4)
    )
    found = units_of(model)
    assert [(units.kind, tuple(units.weight.shape)) for units in found.values()] == [
        ("conv", (3, 6)),
        ("depthwise", (3, 4)),
        ("grouped", (8, 10)),
        ("linear", (4, 7)),
    ]
    assert torch.equal(found["0"].weight[1], model[0].weight[1].flatten())
    found["3"].weight.zero_()
    assert model[3].weight.any()


def test_units_of_half_precision_are_float32():
    assert units_of(nn.Linear(3, 2).half())["model"].weight.dtype == torch.float32


@pytest.mark.parametrize("sizes", [{}, {"kdim": 6, "vdim": 5}])
def test_attention_has_four_layers_that_are_never_mixed(sizes):
    model = nn.ModuleDict({"attend": nn.MultiheadAttention(8, 2, **sizes)})
    found = units_of(model)
    assert [(name, units.kind) for name, units in found.items()] == [
        ("attend.query", "query"),
        ("attend.key", "key"),
        ("attend.value", "value"),
        ("attend.out_proj", "out"),
    ]
    changed = with_units(model, {"attend.key": torch.zeros_like(found["attend.key"].weight)})
    assert not units_of(changed)["attend.key"].weight.any()
    assert torch.equal(units_of(changed)["attend.value"].weight, found["attend.value"].weight)


def test_folded_convolution_gives_what_batch_norm_gives():
    torch.manual_seed(0)
    model, images = scrambled(Unordered()), torch.randn(4, 3, 9, 9)
    folded = units_of(model, images)["conv"].weight.view_as(model.conv.weight)
    norm = model.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = norm.bias + scale * (model.conv.bias - norm.running_mean)
    assert torch.allclose(F.conv2d(images, folded, bias), norm(model.conv(images)), atol=1e-5)
    assert set(batch_norm_after(model, images)) == {"conv"}  # not `later`: the activation comes between


def test_folding_agrees_with_torch_on_a_residual_network():
    torch.manual_seed(1)
    model = scrambled(PreActResNet18(width=4).build((3, 32, 32), 10))
    images = torch.rand(2, 3, 32, 32)
    found = batch_norm_after(model, images)
    # in a block the first convolution is normalised next; the second goes into the sum
    assert found["layer1.0.conv1"] is model.layer1[0].bn2
    assert not any(name.endswith("conv2") for name in found)
    fused = nn.utils.fusion.fuse_conv_bn_eval(model.layer2[0].conv1, model.layer2[0].bn2)
    expected = fused.weight.flatten(1)
    assert torch.allclose(units_of(model, images)["layer2.0.conv1"].weight, expected, rtol=1e-5, atol=1e-6)


def test_a_batch_norm_over_positions_is_not_folded_into_a_linear_layer():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))  # on (B, 4, 5) it normalises axis 1, units are on axis 2
    assert batch_norm_after(model, torch.randn(3, 4, 5)) == {}
    assert batch_norm_after(model, torch.randn(3, 5)) == {"0": model[1]}


def test_a_layer_that_runs_twice_is_folded_only_if_the_same_batch_norm_follows_twice():
    layer, norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
    images = torch.randn(3, 4)
    assert batch_norm_after(nn.Sequential(layer, norm, layer, norm), images) == {"0": norm}
    assert batch_norm_after(nn.Sequential(layer, norm, layer, nn.ReLU()), images) == {}
    assert batch_norm_after(nn.Sequential(layer, norm, layer, nn.BatchNorm1d(4)), images) == {}


def test_tracing_leaves_no_trace():
    model = scrambled(Unordered()).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    units_of(model, torch.randn(2, 3, 9, 9))
    with pytest.raises(RuntimeError):
        units_of(model, torch.randn(2, 5, 9, 9))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_other_units_in_a_copy():
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(8, 2))
    before = model[0].weight.clone()
    rows = torch.arange(8.0).view(2, 4)
    changed = with_units(model, {"0": rows})
    assert torch.equal(changed[0].weight, rows.view(2, 1, 2, 2))
    assert torch.equal(model[0].weight, before)
    with pytest.raises(ModelError, match="no layer 1; it has: 0, 2"):
        with_units(model, {"1": rows})
    with pytest.raises(ModelError, match="layer 2: 2 units x 8 weights in the network, 2 units x 4 weights given"):
        with_units(model, {"2": rows})


def test_networks_that_differ_are_told_apart_by_the_first_layer_that_does():
    first, second = nn.Sequential(nn.Linear(4, 3)), nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 2))
    with pytest.raises(ModelError, match=r"^layer 0: 3 units x 4 weights in clean, 5 units x 4 weights in robust$"):
        check_same_layers(units_of(first), units_of(second), ("clean", "robust"))
    with pytest.raises(ModelError, match=r"^layer 1: missing in a, 2 units x 5 weights in b$"):
        check_same_layers(units_of(second[:1]), units_of(second), ("a", "b"))
    for images in (None, torch.ones(1, 2)):
        with pytest.raises(ModelError, match="no linear"):
            units_of(nn.ReLU(), images)


def test_diverged_networks_are_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight.data[0, 0] = float("inf")
    with pytest.raises(ModelError, match="layer 1: some weights are not finite"):
        units_of(model)


def test_dead_units_are_small_in_every_network():
    # the 95th percentile of nine ones and one 0.1 is 1
    weak = torch.ones(10, 1)
    weak[3] = weak[4] = 0.1
    weaker = torch.ones(10, 1)
    weaker[3] = 0.1
    assert live_units(weak).tolist() == [True] * 3 + [False] * 2 + [True] * 5
    assert live_units(weak, weaker).tolist() == [True] * 3 + [False] + [True] * 6


def test_units_of_zeros_are_dead_even_where_all_are():
    assert live_units(torch.zeros(3, 2)).tolist() == [False] * 3
    assert live_units(torch.tensor([[0.0]] * 30 + [[1.0]])).tolist() == [False] * 30 + [True]


@pytest.mark.parametrize(
    "computed",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_that_are_computed_cannot_be_replaced(computed):
    model = nn.Sequential(computed(nn.Linear(4, 4)), nn.Linear(4, 3))
    model(torch.randn(2, 4))
    with pytest.raises(ModelError, match="layer 0: its weights are computed from other parameters"):
        with_units(model, {"0": torch.ones(4, 4)})


def test_tied_weights_cannot_be_replaced_alone():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    with pytest.raises(ModelError, match="layer 0: its weights are tied to another layer's"):
        with_units(model, {"0": torch.ones(4, 4)})
    assert with_units(model, {"1": torch.ones(4, 4)})[1].weight.eq(1).all()


def test_parameters_that_lie_in_one_vector_are_not_tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    nn.utils.vector_to_parameters(torch.randn(40), model.parameters())
    changed = with_units(model, {"1": torch.ones(4, 4)})
    assert changed[1].weight.eq(1).all()
    assert torch.equal(changed[0].weight, model[0].weight)


def test_unit_length_keeps_zeros():
    assert unit_length(torch.tensor([[0.0, 0.0], [3.0, 4.0]])).flatten().tolist() == pytest.approx([0, 0, 0.6, 0.8])
