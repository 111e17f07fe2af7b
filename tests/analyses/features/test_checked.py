"""What people bring to the analyses of features, one row a record: the right value, or one clear line."""

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from analyses import features
from analyses.features import filters, layers, maximisation
from analyses.features.attributions import attribution, faithfulness
from analyses.features.attributions.integrated_gradients import TOLERANCE
from analyses.features.gradients import gradients_of_loss
from analyses.features.observed import Effort, ImageSetting
from analyses.features.table import all_correct, compare_features
from cotoolkit.attacks import gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from cotoolkit.intake.preparation import image_model
from tests._helpers.toys import conv_net, fingerprint

THREAT = ThreatModel(0.1)
CHEAP = Effort(path_steps=5, shap_samples=2, units=2, starts=2, ascent_steps=2)
ROLES = {"clean": "clean", "robust": "robust", "epsilon": 0.1, "effort": CHEAP}
MEAN, STD = 0.4, 0.3


@pytest.fixture
def images():
    return torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))


LABELS = torch.arange(5) % 3


class After(nn.Module):
    """A network and a function of what it returns."""

    def __init__(self, network, function):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, images):
        return self.function(self.network(images))


class Taking(nn.Sequential):
    """The layers of a network, which takes its images in another way."""

    def __init__(self, network, function):
        super().__init__(*network)
        self.function = function

    def forward(self, images):
        return super().forward(self.function(images))


class Returning(nn.Sequential):
    """The layers of a network, which returns its logits in another way."""

    def __init__(self, network, function):
        super().__init__(*network)
        self.function = function

    def forward(self, images):
        return self.function(super().forward(images))


class Reentrant(nn.Sequential):
    def forward(self, images):
        return checkpoint(super().forward, images, use_reentrant=True)


class Output:
    def __init__(self, logits):
        self.logits = logits


def squeezed(images):
    """Networks lose the batch axis of a lone image in this way."""
    return images.squeeze(0) if len(images) == 1 else images


ENTRANCES = {
    "saliency": lambda m, x, y, **o: features.attribute(m, x, y, "saliency", **o),
    "integrated gradients": lambda m, x, y, **o: features.attribute(m, x, y, steps=5, **o),
    "gradient shap": lambda m, x, y, **o: features.attribute(m, x, y, "gradient_shap", steps=3, **o),
    "maximise": lambda m, x, y, **o: features.maximise(m, "3", [1, 4], x[:2], 0.5, 3, **o).images,
    "from noise": lambda m, x, y, **o: features.maximise_from_noise(m, "3", 1, x[0], starts=1, steps=2, **o).images,
    "units": lambda m, x, y, **o: features.choose_units(m, "3", x, 4, **o),
    "correct": lambda m, x, y, **o: features.classified_correctly({"one": m}, x, y, **o).tolist(),
    "filters": lambda m, x, y, **o: features.first_filters(m, x[0], **o),
    "layers": lambda m, x, y, **o: features.hidden_layers(m, x[0], **o),
    "curves": lambda m, x, y, **o: features.deletion_insertion(m, x, y, torch.ones(5, 1, 6, 6), 2, **o).deletion,
}

TRUSTED = {
    "saliency": lambda m, x, y: attribution.attribute(m, x, y, "saliency"),
    "integrated gradients": lambda m, x, y: attribution.attribute(m, x, y, steps=5),
    "gradient shap": lambda m, x, y: attribution.attribute(m, x, y, "gradient_shap", steps=3),
    "maximise": lambda m, x, y: maximisation.maximise(m, "3", [1, 4], x[:2], 0.5, 3).images,
    "from noise": lambda m, x, y: maximisation.maximise_from_noise(m, "3", [1], x[0], starts=1, steps=2).images,
    "units": lambda m, x, y: maximisation.choose_units(m, "3", x, 4),
    "correct": lambda m, x, y: all_correct({"one": m}, x, y).tolist(),
    "filters": lambda m, x, y: filters.first_filters(m, x[0]),
    "layers": lambda m, x, y: layers.hidden_layers(m, x[0]),
    "curves": lambda m, x, y: faithfulness.deletion_insertion(m, x, y, torch.ones(5, 1, 6, 6), 2).deletion,
}

NETWORKS = {
    "as it is": (lambda m: m, {}),
    "DataParallel": (nn.DataParallel, {}),
    "compiled": (lambda m: torch.compile(m, backend="eager"), {}),
    "float64": (lambda m: copy.deepcopy(m).double(), {}),
    "logits of an object": (lambda m: Returning(m, Output), {}),
    "logits of a dictionary": (lambda m: Returning(m, lambda z: {"logits": z}), {}),
    "a tuple": (lambda m: Returning(m, lambda z: (z, 0)), {"forward": lambda m, x: m(x)[0]}),
    "in place": (lambda m: Taking(m, lambda x: x.mul_(1.0)), {}),
    "re-entrant": (lambda m: Reentrant(*m), {}),
    "normalised": (lambda m: Taking(m, lambda x: x * STD + MEAN), {"mean": MEAN, "std": STD}),
    "levels": (lambda m: Taking(m, lambda x: x / 255), {"bounds": (0, 255)}),
}
"""By name: how it is made of a network, and what has to be said of it."""

IMAGES = {
    "tensor": lambda x, o: x,
    "array": lambda x, o: x.numpy(),
    "float64 array": lambda x, o: x.numpy().astype(np.float64),
    "required to have a gradient": lambda x, o: x.clone().requires_grad_(),
}


def agrees(found, right):
    if isinstance(right, torch.Tensor):
        torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-3)
    else:
        assert found == right


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_any_network_gives_what_the_plain_one_gives(kind, entrance, images):
    plain = conv_net()
    make, options = NETWORKS[kind]
    model = make(plain)
    given = images * 255 if "bounds" in options else images
    before = fingerprint(plain), images.clone()
    agrees(ENTRANCES[entrance](model, given, LABELS, **options), TRUSTED[entrance](plain, images, LABELS))
    assert fingerprint(plain) == before[0]
    assert torch.equal(images, before[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_networks_in_half_precision_are_copied(entrance, dtype, images):
    half = conv_net().to(dtype)
    right = TRUSTED[entrance](copy.deepcopy(half).float(), images, LABELS)
    found = ENTRANCES[entrance](half, images, LABELS)
    agrees(found, right)
    assert {parameter.dtype for parameter in half.parameters()} == {dtype}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("kind", IMAGES)
def test_images_of_any_kind(kind, entrance, images):
    right = TRUSTED[entrance](conv_net(), images, LABELS)
    agrees(ENTRANCES[entrance](conv_net(), IMAGES[kind](images, {}), LABELS), right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_levels_are_divided_by_255(entrance, images):
    levels = (images * 255).round().byte()
    right = TRUSTED[entrance](conv_net(), levels.float() / 255, LABELS)
    agrees(ENTRANCES[entrance](conv_net(), levels, LABELS), right)
    agrees(ENTRANCES[entrance](conv_net(), levels.numpy(), LABELS), right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_normalised_images_are_refused_or_taken_where_mean_and_std_are_given(entrance, images):
    model = Taking(conv_net(), lambda x: x * STD + MEAN)
    normalised = (images - MEAN) / STD
    with pytest.raises(DataError, match=r"pixels run from -1\.\d+ to .*, outside the bounds 0 to 1"):
        ENTRANCES[entrance](model, normalised, LABELS)
    right = TRUSTED[entrance](conv_net(), images, LABELS)
    agrees(ENTRANCES[entrance](model, normalised, LABELS, mean=MEAN, std=STD), right)


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad], ids=["inference_mode", "no_grad"])
def test_in_a_validation_hook(mode, entrance, images):
    right = TRUSTED[entrance](conv_net(), images, LABELS)
    model = conv_net()
    with mode():
        found = ENTRANCES[entrance](model, images.clone(), LABELS.clone())
    agrees(found, right)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_in_autocast(entrance, images):
    right = TRUSTED[entrance](conv_net(), images, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ENTRANCES[entrance](conv_net(), images, LABELS)
    agrees(found, right)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_table_of_networks_with_a_former_weight_norm(images):
    def normed(seed):
        torch.manual_seed(seed)
        first, last = nn.utils.weight_norm(nn.Conv2d(1, 4, 3)), nn.utils.weight_norm(nn.Linear(64, 3))
        model = nn.Sequential(first, nn.ReLU(), nn.Flatten(), last)
        model(images)
        return model

    found = table({"clean": normed(0), "robust": normed(1)}, images)
    check = found[found["statistic"] == "saliency_randomised_correlation"]["value"]
    assert (check < 0.999).all()


def test_float64_as_the_default_type(images):
    right = TRUSTED["maximise"](conv_net(), images, LABELS)
    torch.set_default_dtype(torch.float64)
    try:
        found = ENTRANCES["maximise"](conv_net().float(), images, LABELS)
        assert ENTRANCES["saliency"](conv_net(), images, LABELS).dtype == torch.float32
        assert ENTRANCES["from noise"](conv_net(), images, LABELS).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float32
    assert found.shape == right.shape


@pytest.mark.parametrize("entrance", [name for name in ENTRANCES if name not in ("curves", "units")])
def test_a_single_image(entrance, images):
    right = TRUSTED[entrance](conv_net(), images[:1], LABELS[:1])
    model = Returning(conv_net(), squeezed)
    agrees(ENTRANCES[entrance](model, images[:1], LABELS[:1]), right)


TARGETS = {
    "list": (lambda y: y.tolist(), None),
    "array": (lambda y: y.numpy(), None),
    "column": (lambda y: y[:, None], None),
    "int32": (lambda y: y.int(), None),
    "float": (lambda y: y.float(), None),
    "one-hot": (lambda y: torch.eye(3)[y], "targets: labels are one-hot"),
    "beyond": (lambda y: y + 1, "targets: labels go up to 3, and the model has 3 outputs"),
    "negative": (lambda y: y - 1, "targets: labels go down to -1"),
    "a number beyond": (lambda y: 3, "targets: labels go up to 3"),
    "a negative number": (lambda y: -1, "targets: labels go down to -1"),
    "too few": (lambda y: y[:4], "targets: 4 labels for 5 images"),
    "none": (lambda y: None, "targets: labels must be whole numbers"),
    "words": (lambda y: ["cat"] * 5, "targets: labels must be whole numbers"),
    "half": (lambda y: y + 0.5, "targets: labels must be whole numbers"),
}


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
@pytest.mark.parametrize("kind", TARGETS)
def test_targets_of_any_kind(kind, method, images):
    change, message = TARGETS[kind]
    if message is None:
        right = attribution.attribute(conv_net(), images, LABELS, method, steps=3)
        agrees(features.attribute(conv_net(), images, change(LABELS), method, steps=3), right)
    else:
        with pytest.raises(DataError, match=message):
            features.attribute(conv_net(), images, change(LABELS), method, steps=3)


@pytest.mark.parametrize(
    "number", [2, np.int64(2), torch.tensor(2), torch.tensor([2] * 5)], ids=["int", "numpy", "0-d", "all"]
)
def test_one_target_is_that_of_all_images(number, images):
    right = attribution.attribute(conv_net(), images, torch.full((5,), 2), "saliency")
    agrees(features.attribute(conv_net(), images, number, "saliency"), right)


def test_gradients_and_perturbations_are_in_the_units_of_the_images(images):
    plain = conv_net()
    model, options = Taking(plain, lambda x: x / 255), {"bounds": (0, 255)}
    right = gradients_of_loss(plain, images, LABELS)
    agrees(features.input_gradients(plain, images.numpy(), LABELS.tolist()), right)
    agrees(features.input_gradients(model, images * 255, LABELS, **options) * 255, right)
    delta = gradient.fgsm(plain, images, LABELS, THREAT, bn_mode="eval").delta
    found = features.fgsm_perturbations(model, images * 255, LABELS, THREAT, **options)
    torch.testing.assert_close(found / 255, delta, atol=1e-5, rtol=0)
    with pytest.raises(DataError, match="outside the bounds 0 to 1"):
        features.fgsm_perturbations(plain, 2 * images, LABELS, THREAT)
    with pytest.raises(DataError, match="outside the bounds 0 to 1"):
        features.input_gradients(plain, 2 * images, LABELS)


def test_images_may_leave_their_range_where_that_is_said(images):
    plain, far = conv_net(), 2 * images - 0.5
    agrees(features.input_gradients(plain, far, LABELS, leave=True), gradients_of_loss(plain, far, LABELS))
    right = attribution.attribute(plain, far, LABELS, "saliency")
    agrees(features.attribute(plain, far, LABELS, "saliency", leave=True), right)
    right = maximisation.maximise(plain, "3", [1], far, 0.5, 2, box=False).images
    agrees(features.maximise(plain, "3", [1], far, 0.5, 2, box=False).images, right)
    delta = features.fgsm_perturbations(plain, far, LABELS, ThreatModel(0.1, box="none"))
    assert delta.abs().max() == pytest.approx(0.1)


def one_output(network):
    return Returning(network, lambda z: z[:, 1:2] - z[:, 0:1])


def test_one_output_is_the_logit_of_class_1(images, caplog):
    plain, ones = conv_net(), torch.ones(5, dtype=torch.int64)
    right = attribution.attribute(
        Returning(plain, lambda z: z[:, 1:2] - z[:, 0:1]), images, torch.zeros_like(ones), "saliency"
    )
    agrees(features.attribute(one_output(plain), images, 1, "saliency"), right)
    with caplog.at_level(logging.WARNING):
        assert not features.attribute(one_output(plain), images, 0, "saliency").any()
    assert "explain class 1" in caplog.text
    two = Returning(plain, lambda z: z[:, :2])
    right = all_correct({"two": two}, images, ones)
    assert torch.equal(features.classified_correctly({"one": one_output(plain)}, images, ones), right)


def test_a_softmax_is_explained_as_it_is_returned(images):
    model = Returning(conv_net(), lambda z: z.softmax(1))
    found = features.integrated_gradients(model, images, LABELS, steps=30)
    assert found.gap.max() <= TOLERANCE
    agrees(found.maps, attribution.attribute(model, images, LABELS, steps=30))
    # the loss, though, is that of the logits
    agrees(features.input_gradients(model, images, LABELS), gradients_of_loss(conv_net(), images, LABELS))


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


@pytest.fixture
def heard():
    torch.manual_seed(0)
    return Heard()


def test_recurrent_and_attention_networks_on_odd_sizes(heard):
    images = np.random.default_rng(0).random((4, 1, 7, 5))
    labels, tensors = [0, 1, 2, 0], torch.as_tensor(images).float()
    for method in ("saliency", "integrated_gradients", "gradient_shap", "input_x_gradient"):
        found = features.attribute(heard, images, labels, method, steps=2)
        agrees(found, attribution.attribute(heard, tensors, torch.tensor(labels), method, steps=2))
    found = features.maximise(heard, "head", [0], images, 0.3, 2)
    assert found.images.shape == (1, 4, 1, 7, 5)
    for layer, kind in {"rows": "tuple", "attention": "tuple"}.items():
        with pytest.raises(ModelError, match=f"layer '{layer}' puts out a {kind}, no tensor"):
            features.maximise(heard, layer, [0], images, 0.3, 2)


class TimeFirst(nn.Module):
    """Its layer sees the rows of all images, those of the first row first."""

    def __init__(self):
        super().__init__()
        self.of_rows, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.of_rows(images[:, 0].transpose(0, 1)).mean(0))


def test_layers_whose_first_axis_is_not_the_images_are_refused(images):
    with pytest.raises(ModelError, match=r"layer 'of_rows' puts out \(6, 5, 4\) for 5 images"):
        features.choose_units(TimeFirst(), "of_rows", images)


NORMED = {
    "weight_norm": nn.utils.weight_norm,
    "parametrised weight_norm": parametrizations.weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "parametrised spectral_norm": parametrizations.spectral_norm,
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("convolution", [False, True], ids=["linear", "convolution"])
@pytest.mark.parametrize("kind", NORMED)
def test_a_normed_last_layer_is_drawn_anew(kind, convolution, images):
    """Its weight is computed from other parameters: drawing only the weight would change nothing."""
    torch.manual_seed(0)
    last = NORMED[kind](nn.Conv2d(4, 3, 4) if convolution else nn.Linear(64, 3))
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), last, nn.Flatten())
    model = model if convolution else nn.Sequential(*model[:2], nn.Flatten(), last)
    buffers = [buffer.clone() for buffer in model.buffers()]
    found = features.randomised_correlation(model, images, LABELS)
    assert found.max() < 0.999
    assert all(torch.equal(*pair) for pair in zip(model.buffers(), buffers, strict=True))


BROKEN = {
    "a tuple": (lambda m: Returning(m, lambda z: (z, 0)), r"forward=lambda model, images: model\(images\)\[0\]"),
    "a function": (lambda m: m.forward, "a torch.nn.Module is needed"),
    "another size": (lambda m: nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), r"fails on images of shape \(1, 6, 6\)"),
    "nan": (lambda m: nn.init.constant_(m[0].weight, torch.nan) is None or m, "0.weight"),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_network_of_images_is_one_line(kind, entrance, images):
    make, message = BROKEN[kind]
    model = make(conv_net())
    with pytest.raises(ModelError, match=message):
        ENTRANCES[entrance](model, images, LABELS)


BLIND = {
    "detached": lambda m: Taking(m, lambda x: x.detach()),
    "numpy inside": lambda m: Taking(m, lambda x: torch.from_numpy(x.numpy())),
}


@pytest.mark.parametrize("kind", BLIND)
def test_without_a_gradient_there_is_one_line_or_what_needs_none(kind, images):
    model = BLIND[kind](conv_net())
    for entrance in ("saliency", "integrated gradients", "gradient shap", "maximise", "from noise"):
        with pytest.raises(ModelError, match="no gradient reaches the images"):
            ENTRANCES[entrance](model, images, LABELS)
    with pytest.raises(ModelError, match="no gradient reaches the images"):
        features.input_gradients(model, images, LABELS)
    for entrance in ("units", "correct", "filters", "curves"):
        agrees(ENTRANCES[entrance](model, images, LABELS), TRUSTED[entrance](conv_net(), images, LABELS))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("compiler", ["script", "trace"])
def test_networks_of_torch_jit_have_maps_and_no_layers(compiler, images):
    plain = conv_net().eval()
    model = torch.jit.script(plain) if compiler == "script" else torch.jit.trace(plain, images)
    for entrance in ("saliency", "integrated gradients", "correct"):
        agrees(ENTRANCES[entrance](model, images, LABELS), TRUSTED[entrance](plain, images, LABELS))
    for entrance in ("maximise", "units", "filters", "layers"):
        with pytest.raises(ModelError, match="cannot be seen; give it as it was"):
            ENTRANCES[entrance](model, images, LABELS)


def test_how_activations_vary_takes_two_images(images):
    for call in (lambda: features.choose_units(conv_net(), "3", images[:1]), lambda: table(pair_of(), images[:1], [0])):
        with pytest.raises(ConfigError, match="give at least two images"):
            call()


UNITS = {
    "one": (4, [4]),
    "numpy": (np.array([1, 4]), [1, 4]),
    "tensor": (torch.tensor([1, 4]), [1, 4]),
    "mask": ([True, False], "units are bool"),
    "tensor mask": (torch.ones(8, dtype=torch.bool), "units are bool"),
    "floats": ([0.5], "units are float32"),
    "words": (["one"], "give their numbers"),
    "beyond": ([8], "units 0 to 7"),
    "negative": ([-1], "units 0 to 7"),
    "none": ([], "at least one"),
}


@pytest.mark.parametrize("kind", UNITS)
def test_units_of_any_kind(kind, images):
    units, right = UNITS[kind]
    if isinstance(right, list):
        expected = maximisation.maximise(conv_net(), "3", right, images, 0.5, 2).images
        agrees(features.maximise(conv_net(), "3", units, images, 0.5, 2).images, expected)
    else:
        with pytest.raises(ConfigError, match=right):
            features.maximise(conv_net(), "3", units, images, 0.5, 2)


SETTINGS = {
    "position": (lambda m, x: features.maximise(m, "3", 0, x, 0.5, 1, position="center"), "no position 'center'"),
    "position of units": (lambda m, x: features.choose_units(m, "3", x, position="max"), "choose from centre, mean"),
    "baseline": (lambda m, x: features.attribute(m, x, 0, baseline="black"), "no baseline 'black'; choose from zero"),
    "method": (lambda m, x: features.attribute(m, x, 0, "lime"), "no attribution method 'lime'"),
    "box": (lambda m, x: features.maximise(m, "3", 0, x, 0.5, 1, box="none"), "box='none': whether images stay in"),
    "radius in words": (lambda m, x: features.maximise(m, "3", 0, x, "far", 1), "not a number: 'far'"),
    "no radius": (lambda m, x: features.maximise(m, "3", 0, x, 0, 1), "radius=0.0: the l2 radius must be positive"),
    "steps": (lambda m, x: features.maximise(m, "3", 0, x, 0.5, 2.5), "steps=2.5: give a whole number"),
    "count": (lambda m, x: features.choose_units(m, "3", x, 0), "count=0: give a whole number"),
    "nan": (
        lambda m, x: features.maximise(m, "3", 0, x, float("nan"), 1),
        "radius=nan: the l2 radius must be positive",
    ),
    "maps": (lambda m, x: features.deletion_insertion(m, x, 0, x[:, :, :3]), r"the maps have shape \(5, 1, 3, 6\)"),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_make_no_sense_are_one_line(kind, images):
    call, message = SETTINGS[kind]
    with pytest.raises(CotoolkitError, match=message):
        call(conv_net(), images)


def test_layers_go_by_the_names_that_they_have_in_the_network(images):
    for wrong, message in {"module.3": "no layer 'module.3'; it has: 0, 1,", "": "no layer ''"}.items():
        with pytest.raises(ModelError, match=message):
            features.choose_units(nn.DataParallel(conv_net()), wrong, images)
    model = conv_net()
    with pytest.raises(ModelError, match="no layer Conv2d: layers go by name"):
        features.choose_units(model, model[3], images)


def table(models, images, labels=LABELS, **options):
    return features.feature_table(models, images, labels, **{**ROLES, **options})


def pair_of():
    return {"clean": conv_net(seed=1), "robust": conv_net(seed=2)}


pair = pytest.fixture(scope="module")(pair_of)


@pytest.fixture(scope="module")
def expected_table(pair):
    images = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    setting = ImageSetting(images, LABELS, ThreatModel(0.1), effort=CHEAP)
    return compare_features(pair, setting, clean="clean", robust="robust")


TABLES = {
    "as they are": (lambda m: m, lambda x: x, {}),
    "one wrapped": (lambda m: {**m, "clean": nn.DataParallel(m["clean"])}, lambda x: x, {}),
    "one in float64": (lambda m: {**m, "robust": copy.deepcopy(m["robust"]).double()}, lambda x: x.numpy(), {}),
    "levels": (
        lambda m: {name: Taking(one, lambda x: x / 255) for name, one in m.items()},
        lambda x: x * 255,
        {"bounds": (0, 255)},
    ),
    "prepared": (lambda m: {name: image_model(one, shape=(1, 6, 6)) for name, one in m.items()}, lambda x: x, {}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_any_networks(kind, pair, images, expected_table):
    change, scaled, options = TABLES[kind]
    found = table(change(pair), scaled(images), LABELS.tolist(), **options)
    keys = ["model", "layer", "statistic"]
    assert found[keys].equals(expected_table[keys])
    np.testing.assert_allclose(found["value"], expected_table["value"], rtol=2e-2, atol=2e-3)


def test_a_network_under_two_names_is_twice_in_the_table(pair, images):
    found = table({**pair, "again": pair["clean"]}, images)
    columns = ["layer", "statistic", "value"]
    first, again = (found[found["model"] == name][columns].reset_index(drop=True) for name in ("clean", "again"))
    assert first.equals(again)


LIES = {
    "a list": (lambda m, x, y: (list(m.values()), x, y), ConfigError, "models are a list; give the networks by name"),
    "one network": (lambda m, x, y: (m["clean"], x, y), ConfigError, "models are a Sequential"),
    "no networks": (lambda m, x, y: ({}, x, y), ConfigError, "there are none"),
    "numbers": (lambda m, x, y: ({0: m["clean"]}, x, y), ConfigError, "not all keys are names"),
    "no network": (lambda m, x, y: ({**m, "x": "net"}, x, y), ModelError, "model 'x': .*Module is needed, not a str"),
    "a tuple": (lambda m, x, y: ({**m, "x": After(m["clean"], lambda z: (z,))}, x, y), ModelError, "'x': .*forward="),
    "a mask": (lambda m, x, y: (m, y > 0, y), DataError, r"give \(N, C, H, W\)"),
    "masks": (lambda m, x, y: (m, x > 0.5, y), DataError, "images are bool"),
    "no images": (lambda m, x, y: (m, x[:0], y[:0]), DataError, "there are none"),
    "channels last": (lambda m, x, y: (m, x.permute(0, 2, 3, 1), y), DataError, "channels first"),
    "normalised": (lambda m, x, y: (m, (x - 0.5) / 0.2, y), DataError, "outside the bounds 0 to 1"),
    "one-hot": (lambda m, x, y: (m, x, torch.eye(3)[y]), DataError, "one-hot"),
    "labels beyond": (lambda m, x, y: (m, x, y + 1), DataError, "the model has 3 outputs"),
}  # fmt: skip


@pytest.mark.parametrize("entrance", ["feature_table", "classified_correctly"])
@pytest.mark.parametrize("kind", LIES)
def test_what_no_table_can_be_made_of_is_one_line(kind, entrance, pair, images):
    change, error, message = LIES[kind]
    with pytest.raises(error, match=message) as raised:
        (table if entrance == "feature_table" else features.classified_correctly)(*change(pair, images, LABELS))
    assert "\n" not in str(raised.value)


def test_other_architectures_and_options_are_one_line(pair, images):
    with pytest.raises(ModelError, match="model 'x' is not of the architecture of 'clean'"):
        table({**pair, "x": nn.Sequential(nn.Flatten(), nn.Linear(36, 3))}, images)
    with pytest.raises(CotoolkitError, match="mean and std go together"):
        table(pair, images, mean=0.5)
    with pytest.raises(ConfigError, match="effort is a dict; give Effort"):
        table(pair, images, effort={"units": 2})
    with pytest.raises(ConfigError, match="directions: some entries are nan"):
        table(pair, images, directions=np.full((1, 1, 6, 6), np.nan))
    found = table(pair, images, directions=np.ones((1, 1, 6, 6), np.float16))
    assert "fgsm_direction_share" in set(found["statistic"])
    assert len(table(pair, 3 * images, box="none"))
