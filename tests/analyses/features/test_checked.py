"""Networks and images that people bring to the analyses of features, one row a record: the right value, or one line."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from analyses import features
from cotoolkit.core.errors import DataError, ModelError
from tests._helpers.brought_features import ENTRANCES, LABELS, TRUSTED, agrees
from tests._helpers.brought_networks import Returning, Taking
from tests._helpers.toys import conv_net, fingerprint

MEAN, STD = 0.4, 0.3
pytestmark = pytest.mark.usefixtures("short_paths")


class Reentrant(nn.Sequential):
    def forward(self, images):
        return checkpoint(super().forward, images, use_reentrant=True)


class Output:
    def __init__(self, logits):
        self.logits = logits


def squeezed(images):
    """Networks lose the batch axis of a lone image in this way."""
    return images.squeeze(0) if len(images) == 1 else images


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


@pytest.mark.parametrize("entrance", [name for name in ENTRANCES if name not in ("curves", "units", "gradient shap")])
def test_a_single_image(entrance, images):
    right = TRUSTED[entrance](conv_net(), images[:1], LABELS[:1])
    model = Returning(conv_net(), squeezed)
    agrees(ENTRANCES[entrance](model, images[:1], LABELS[:1]), right)


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


def test_layers_go_by_the_names_that_they_have_in_the_network(images):
    for wrong, message in {"module.3": "no layer 'module.3'; it has: 0, 1,", "": "no layer ''"}.items():
        with pytest.raises(ModelError, match=message):
            features.choose_units(nn.DataParallel(conv_net()), wrong, images)
    model = conv_net()
    with pytest.raises(ModelError, match="no layer Conv2d: layers go by name"):
        features.choose_units(model, model[3], images)
