"""Targets, units, layers and settings that people give to the analyses of features: right, or one clear line."""

import logging

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from analyses import features
from analyses.features import maximisation
from analyses.features.attributions import attribution, integrated_gradients
from analyses.features.attributions.integrated_gradients import TOLERANCE
from analyses.features.gradients import gradients_of_loss
from analyses.features.table import all_correct
from cotoolkit.attacks import gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from tests._helpers.brought_features import LABELS, THREAT, agrees
from tests._helpers.brought_networks import Heard, Returning, Taking
from tests._helpers.toys import conv_net

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
def test_targets_of_any_kind(kind, method, images, monkeypatch):
    monkeypatch.setattr(integrated_gradients, "MOST_PARTS", 2)
    change, message = TARGETS[kind]
    if message is None:
        right = attribution.attribute(conv_net(), images, LABELS, method, steps=24)
        agrees(features.attribute(conv_net(), images, change(LABELS), method, steps=24), right)
    else:
        with pytest.raises(DataError, match=message):
            features.attribute(conv_net(), images, change(LABELS), method, steps=24)


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
    "steps": (lambda m, x: features.maximise(m, "3", 0, x, 0.5, 2.5), "steps: give a whole number, 1 or more, not 2.5"),
    "count": (lambda m, x: features.choose_units(m, "3", x, 0), "count: give a whole number, 1 or more, not 0"),
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
