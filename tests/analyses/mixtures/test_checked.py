"""What people bring to the analyses of mixtures, one row a record: the right value, or one clear line."""

import copy
import inspect

import numpy as np
import pytest
import torch
from torch import nn

from analyses import mixtures
from analyses.mixtures import edits, purification, table
from analyses.mixtures.statistics import sensitivity
from analyses.mixtures.units import hidden_units
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from cotoolkit.intake.preparation import image_model
from tests._helpers.toys import conv_net, fingerprint

MEAN, STD = 0.4, 0.3
PAIR = {"start": None, "clean": "clean", "robust": "robust"}


def small(seed, dtype=torch.float32):
    """Batch norm with a history, in training mode."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3))
    model(torch.rand(8, 1, 6, 6))
    return model.to(dtype)


class Taking(nn.Sequential):
    """The layers of a network, which takes its images in another way."""

    def __init__(self, network, function):
        super().__init__(*network)
        self.function = function

    def forward(self, images):
        return super().forward(self.function(images))


class Returning(Taking):
    """The layers of a network, which returns its logits in another way."""

    def forward(self, images):
        return self.function(nn.Sequential.forward(self, images))


@pytest.fixture
def images():
    return torch.rand(9, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def direction():
    u = torch.arange(1.0, 10)
    return u / u.norm()


def shifted(images):
    return (images + 0.2 * torch.arange(6.0) / 6).to(images)


ENTRANCES = {
    "units": lambda m, r, x, **o: mixtures.units_of(m, x, **o)["0"].weight,
    "moments": lambda m, r, x, **o: mixtures.second_moments(m, x, moved(x, o), batch_size=4, **o)["4"],
    "sensitivity": lambda m, r, x, **o: mixtures.sensitivity(m, x, moved(x, o), **o)["4"],
    "remove": lambda m, r, x, **o: state(mixtures.remove_direction(m, {"0": direction()}, images=x, **o)),
    "mean": lambda m, r, x, **o: state(mixtures.put_back_mean(m, r, {"0": direction()}, images=x, **o)),
    "parts": lambda m, r, x, **o: state(mixtures.put_back_parts(m, r, ["0"], images=x, **o)),
    "graft": lambda m, r, x, **o: state(mixtures.graft(m, r, 1, images=x, **o)),
    "control": lambda m, r, x, **o: state(mixtures.random_control(m, r, 0, images=x, **o)),
}

TRUSTED = {
    "units": lambda m, r, x: hidden_units.units_of(m, x)["0"].weight,
    "moments": lambda m, r, x: sensitivity.second_moments(m, x, shifted(x))["4"],
    "sensitivity": lambda m, r, x: sensitivity.sensitivity(m, x, shifted(x))["4"],
    "remove": lambda m, r, x: state(edits.remove_direction(m, {"0": direction()}, images=x)),
    "mean": lambda m, r, x: state(edits.put_back_mean(m, r, {"0": direction()}, images=x)),
    "parts": lambda m, r, x: state(edits.put_back_parts(m, r, ["0"], images=x)),
    "graft": lambda m, r, x: state(edits.graft(m, r, 1, images=x)),
    "control": lambda m, r, x: state(edits.random_control(m, r, 0, images=x)),
}

EDITS = ("remove", "mean", "parts", "graft", "control")


def moved(images, options):
    """`shifted` in the units of the images."""
    tensors = torch.as_tensor(images)
    if tensors.dtype == torch.uint8:
        return (255 * shifted(tensors.float() / 255)).round().clamp(0, 255).byte()
    low, high = options.get("bounds", (0, 1))
    if tensors.min() < 0:  # normalised
        return (shifted(tensors * STD + MEAN) - MEAN) / STD
    return low + (high - low) * shifted((tensors - low) / (high - low))


def state(network):
    assert not any(hasattr(module, "network") for module in network.modules())
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def agrees(found, right):
    if isinstance(right, float):
        assert found == pytest.approx(right, rel=1e-3)
    else:
        torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-3)


NETWORKS = {
    "as it is": (lambda m: m, {}),
    "DataParallel": (nn.DataParallel, {}),
    "compiled": (lambda m: torch.compile(m, backend="eager"), {}),
    "float64": (lambda m: copy.deepcopy(m).double(), {}),
    "a tuple": (lambda m: Returning(m, lambda z: (z, 0)), {"forward": lambda m, x: m(x)[0]}),
    "in place": (lambda m: Taking(m, lambda x: x.mul_(1.0)), {}),
    "normalised": (lambda m: Taking(m, lambda x: x * STD + MEAN), {"mean": MEAN, "std": STD}),
    "levels": (lambda m: Taking(m, lambda x: x / 255), {"bounds": (0, 255)}),
    "prepared": (lambda m: image_model(Taking(m, lambda x: x), shape=(1, 6, 6)), {}),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_any_network_gives_what_the_plain_one_gives(kind, entrance, images):
    first, second = small(0), small(1)
    make, options = NETWORKS[kind]
    before = fingerprint(first), images.clone()
    given = 255 * images if "bounds" in options else images
    right = TRUSTED[entrance](first, second, images)
    agrees(ENTRANCES[entrance](make(first), make(second), given, **options), right)
    assert fingerprint(first) == before[0]
    assert torch.equal(images, before[1])


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_wrapped_and_bare_networks_of_two_precisions(entrance, images):
    first, second = small(0), small(1)
    right = TRUSTED[entrance](first, second, images)
    agrees(ENTRANCES[entrance](nn.DataParallel(first), copy.deepcopy(second).double(), images), right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_images_of_other_kinds(entrance, images):
    right = TRUSTED[entrance](small(0), small(1), images)
    agrees(ENTRANCES[entrance](small(0), small(1), images.double().numpy()), right)
    levels = (255 * images).round().byte()
    right = TRUSTED[entrance](small(0), small(1), levels.float() / 255)
    for given in (levels, levels.numpy()):
        found = ENTRANCES[entrance](small(0), small(1), given)
        if entrance in ("moments", "sensitivity"):  # the change is in whole levels, too
            assert float(found.sum() if entrance == "moments" else found) == pytest.approx(
                float(right.sum() if entrance == "moments" else right), rel=0.2
            )
        else:
            agrees(found, right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_normalised_images_are_refused_or_taken_where_mean_and_std_are_given(entrance, images):
    models = [Taking(small(seed), lambda x: x * STD + MEAN) for seed in (0, 1)]
    normalised = (images - MEAN) / STD
    with pytest.raises(DataError, match=r"pixels run from -1\.\d+ to .*, outside the bounds 0 to 1"):
        ENTRANCES[entrance](*models, normalised)
    right = TRUSTED[entrance](small(0), small(1), images)
    agrees(ENTRANCES[entrance](*models, normalised, mean=MEAN, std=STD), right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_images_may_leave_their_range_where_that_is_said(entrance, images):
    right = TRUSTED[entrance](small(0), small(1), 3 * images)
    agrees(ENTRANCES[entrance](small(0), small(1), 3 * images, leave=True), right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_in_inference_mode(entrance, images):
    right = TRUSTED[entrance](small(0), small(1), images)
    with torch.inference_mode():
        found = ENTRANCES[entrance](small(0), small(1), images.clone())
    agrees(found, right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_in_autocast(entrance, images):
    """Of the caller; our own products would be rounded, too."""
    right = TRUSTED[entrance](small(0), small(1), images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ENTRANCES[entrance](small(0), small(1), images)
    agrees(found, right)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=["half", "float64"])
def test_an_edited_network_is_of_the_users_kind(dtype, images):
    first, second = small(0, dtype), small(1)
    found = mixtures.graft(nn.DataParallel(first), second, 1, images=images)
    assert type(found) is nn.Sequential
    assert found is not first
    assert found.training
    assert all(value.dtype == first.state_dict()[name].dtype for name, value in found.state_dict().items())
    right = edits.graft(copy.deepcopy(first).float(), second, 1, images=images)
    torch.testing.assert_close(state(found), state(right), atol=2e-3, rtol=2e-3)
    found(images.to(dtype)).sum().backward()


def test_an_edit_made_in_inference_mode_can_be_trained(images):
    with torch.inference_mode():
        found = mixtures.remove_direction(small(0), {"0": direction()}, images=images)
    found(images).sum().backward()


def test_an_edited_network_without_batch_norm_needs_no_images():
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).bfloat16()
    found = mixtures.graft(nn.DataParallel(model), model, 1)
    assert found[1].weight.dtype == torch.bfloat16
    assert torch.equal(found[1].weight, model[1].weight)


def test_other_inputs_than_images_go_through_as_they_are():
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 3)), 5 * torch.randn(30, 9)
    right = sensitivity.sensitivity(model, inputs, inputs + 1)
    found = mixtures.sensitivity(copy.deepcopy(model).double(), inputs.double().numpy(), inputs.double().numpy() + 1)
    assert found == pytest.approx(right, rel=1e-4)
    with pytest.raises(ConfigError, match="mean is for images"):
        mixtures.sensitivity(model, inputs, inputs, mean=0.5, std=0.2)
    with pytest.raises(ModelError, match=r"model 'model' fails on float32 of shape \(30, 8\)"):
        mixtures.sensitivity(model, inputs[:, :8], inputs[:, :8])


REFUSED = {
    "other shapes": (lambda x: (x, x[:, :, :5]), "the changed images are float32 of shape"),
    "other types": (lambda x: (x, (255 * x).byte()), "the changed images are uint8"),
    "a mask": (lambda x: (x > 0, x > 0), "the images are bool"),
    "a vector": (lambda x: (torch.arange(9) > 3, torch.arange(9) > 3), "the images are bool"),
    "none": (lambda x: (x[:0], x[:0]), r"of shape \(0, 1, 6, 6\)"),
    "nan": (lambda x: (x, x * torch.nan), "nan or infinite"),
    "words": (lambda x: ("digits", "digits"), "must be a tensor or an array"),
    "channels last": (lambda x: (x.permute(0, 2, 3, 1),) * 2, "channels first"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_images_that_mean_nothing_are_one_line(kind, images):
    change, message = REFUSED[kind]
    given, changed = change(images)
    with pytest.raises(DataError, match=message) as raised:
        mixtures.second_moments(small(0), given, changed)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_networks_of_torch_jit_have_no_layers(entrance, images):
    scripted = torch.jit.script(small(0))
    with pytest.raises(ModelError, match="scripted or traced"):
        ENTRANCES[entrance](scripted, small(1), images)


NOT_NETWORKS = {
    "a function": (lambda m: m.forward, "a torch.nn.Module is needed, not a method"),
    "a state": (lambda m: m.state_dict(), "a torch.nn.Module is needed, not a OrderedDict"),
    "nan": (lambda m: nn.init.constant_(m[0].weight, torch.nan) is None or m, "not finite|infinite|nan"),
    "a tuple": (lambda m: Returning(m, lambda z: (z, 0)), "forward=lambda model, images"),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("kind", NOT_NETWORKS)
def test_what_is_no_network_of_images_is_one_line(kind, entrance, images):
    make, message = NOT_NETWORKS[kind]
    with pytest.raises(ModelError, match=message) as raised:
        ENTRANCES[entrance](make(small(0)), small(1), images)
    assert "\n" not in str(raised.value)


WRONG = {
    "no mapping": (lambda m: mixtures.remove_direction(m, direction()), "directions are a Tensor"),
    "another shape": (lambda m: mixtures.remove_direction(m, {"1": torch.ones(5)}), r"a direction has shape \(36,\)"),
    "another length": (lambda m: mixtures.remove_direction(m, {"1": torch.ones(36)}), "length 6; give one of length 1"),
    "nan": (lambda m: mixtures.remove_direction(m, {"1": torch.full((36,), torch.nan)}), "length nan"),
    "half a rank": (lambda m: mixtures.graft(m, m, 1.5), "rank=1.5: a graft has at least rank 1, a whole number"),
    "a wrapper's name": (lambda m: mixtures.graft(m, m, 1, ["module.1"]), "no layer module.1; it has: 1"),
    "no network": (lambda m: mixtures.graft(None, m, 1), "model 'clean': .*not a NoneType"),
    "options": (lambda m: mixtures.graft(m, m, 1, mean=0.5), "mean says how images are taken, and there are none"),
    "batch size": (
        lambda m: mixtures.sensitivity(m, torch.rand(2, 36), torch.rand(2, 36), batch_size=0),
        "batch_size is 0",
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


class Heard(nn.Module):
    """A recurrent layer over the rows of an image, attention over them, and a head."""

    def __init__(self):
        super().__init__()
        self.rows = nn.LSTM(5, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        rows, _ = self.rows(images[:, 0])
        mixed, _ = self.attention(rows, rows, rows)
        return self.head(mixed.mean(1))


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


@pytest.fixture(scope="module")
def pair():
    return {"clean": conv_net(seed=1), "robust": conv_net(seed=2)}


POINTS = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def expected_table(pair):
    return table.mixture_table(pair, **PAIR, images=POINTS)


TABLES = {
    "wrapped": (nn.DataParallel, lambda x: x, {}),
    "one precision each": (lambda m: copy.deepcopy(m).double(), lambda x: x.numpy(), {}),
    "levels": (lambda m: Taking(m, lambda x: x / 255), lambda x: 255 * x, {"bounds": (0, 255)}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_any_networks(kind, pair, expected_table):
    change, scaled, options = TABLES[kind]
    other = change if options else (lambda m: m)
    models = {"clean": change(pair["clean"]), "robust": other(pair["robust"])}
    found = mixtures.mixture_table(models, **PAIR, images=scaled(POINTS), **options)
    words = ["model", "layer", "kind", "live", "statistic"]
    assert found[words].equals(expected_table[words])
    np.testing.assert_allclose(found["value"], expected_table["value"], rtol=1e-3, atol=1e-3)


LIES = {
    "a list": (lambda m: list(m.values()), ConfigError, "models are a list; give the networks by name"),
    "one network": (lambda m: m["clean"], ConfigError, "models are a Sequential"),
    "no networks": (lambda m: {}, ConfigError, "there are none"),
    "no network": (lambda m: {**m, "x": "net"}, ModelError, "model 'x': .*Module is needed, not a str"),
    "another architecture": (lambda m: {**m, "x": small(0)}, ModelError, "layer 0: 4 units x 9 weights in x"),
    "scripted": (lambda m: {**m, "x": torch.jit.script(m["clean"])}, ModelError, "scripted or traced"),
}


@pytest.mark.parametrize("kind", LIES)
def test_what_no_table_can_be_made_of_is_one_line(kind, pair):
    change, error, message = LIES[kind]
    with pytest.raises(error, match=message):
        mixtures.mixture_table(change(pair), **PAIR, images=POINTS)
    with pytest.raises(DataError, match="outside the bounds 0 to 1"):
        mixtures.mixture_table(pair, **PAIR, images=(POINTS - 0.5) / 0.2)


def test_purification_of_wrapped_networks_gives_bare_ones_to_accuracy(images):
    networks, seen = [small(seed) for seed in range(3)], []

    def accuracy(network):
        seen.append(network)
        return network(images).softmax(1)[:, 0].mean().item()

    right = purification.purification_items(*networks, accuracy=accuracy, images=images)
    bare = [type(network) for network in seen]
    seen.clear()
    wrapped = [nn.DataParallel(network) for network in networks]
    found = mixtures.purification_items(*wrapped, accuracy=accuracy, images=images.numpy())
    assert [type(network) for network in seen] == bare
    assert found["holds"].tolist() == right["holds"].tolist()
    np.testing.assert_allclose(found["value"].astype(float), right["value"].astype(float), rtol=1e-3, atol=1e-3)
    atoms = {"0": np.ones((2, 5))}
    with pytest.raises(ConfigError, match=r"atoms of layer 0: shape \(2, 5\); units have 9 weights"):
        mixtures.purification_items(*wrapped, atoms=atoms, images=images)


@pytest.mark.parametrize("name", mixtures.__all__)
def test_what_is_offered_is_explained(name):
    assert inspect.getdoc(getattr(mixtures, name))
