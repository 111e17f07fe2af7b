"""What people bring to `evaluate` and `attacks`, one row a record: the right number, or one clear line.

The rows are from public reports about neighbouring libraries.
"""

import copy
import re
from collections import OrderedDict, namedtuple
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from cotoolkit import ThreatModel, attacks
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from cotoolkit.evaluation import Accuracy, evaluate
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.intake.model import ImageModel
from cotoolkit.intake.preparation import image_model
from cotoolkit.models import Normalised
from cotoolkit.models.normalise import Statistics
from tests._helpers.networks import conv_net

POINTS = 100
MEAN, STD = (0.3,), (0.36,)
PROTOCOL = "pgd-5"


@pytest.fixture(scope="module")
def plain(robust):
    """The network, points and threat, and what is right."""
    images, labels = robust.images[:POINTS], robust.labels[:POINTS]
    return robust.model, images, labels, ThreatModel(robust.epsilon)


@pytest.fixture(scope="module")
def expected(plain):
    found = run_protocol(*plain, PROTOCOL)
    assert 0.2 < found.accuracy.value < 0.9  # there is something to be wrong about
    return found


class After(nn.Module):
    """A network and a function of what it returns."""

    def __init__(self, network, function):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, images):
        return self.function(self.network(images))


class Before(nn.Module):
    """A network and a function of what it is given."""

    def __init__(self, function, network):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, images):
        return self.network(self.function(images))


class Double(nn.Module):
    """Float64 weights, images of any type."""

    def __init__(self, network):
        super().__init__()
        self.network = copy.deepcopy(network).double()

    def forward(self, images):
        return self.network(images.to(next(self.parameters()).dtype))


class Reentrant(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return checkpoint(self.network, images, use_reentrant=True)


class Shared(nn.Module):
    """A network under two names."""

    def __init__(self, network):
        super().__init__()
        self.encoder, self.model = network, nn.Sequential(network)

    def forward(self, images):
        return self.model(images)


Output = namedtuple("Output", ["logits", "hidden"])


def unnormalised(network):
    """The network as one that takes normalised images."""
    mean, std = MEAN[0], STD[0]
    return Before(lambda x: x * std + mean, network)


def transposed(images):
    """Equal images with other strides."""
    return images.transpose(2, 3).contiguous().transpose(2, 3)


def in_levels(network):
    return Before(lambda x: x / 255, network)


NORMALISED = {"mean": MEAN, "std": STD}
MODELS = {
    "normalised images": lambda m: ({"model": unnormalised(m), **NORMALISED}, lambda x: (x - MEAN[0]) / STD[0]),
    "pixels with mean and std": lambda m: ({"model": unnormalised(m), **NORMALISED}, None),
    "0..255 floats": lambda m: ({"model": in_levels(m), "bounds": (0, 255)}, lambda x: 255 * x),
    "signed": lambda m: ({"model": Before(lambda x: (x + 1) / 2, m), "bounds": (-1, 1)}, lambda x: 2 * x - 1),
    "levels with mean and std": lambda m: (
        {"model": unnormalised(m), "mean": 255 * MEAN[0], "std": 255 * STD[0], "bounds": (0.0, 255.0)},
        lambda x: 255 * x,
    ),
    "an output object": lambda m: ({"model": After(m, lambda z: Output(z, None))}, None),
    "a dictionary": lambda m: ({"model": After(m, lambda z: {"loss": None, "logits": z})}, None),
    "a model output": lambda m: ({"model": After(m, lambda z: OrderedDict(logits=z))}, None),
    "a tuple with forward": lambda m: (
        {"model": After(m, lambda z: (z, 1)), "forward": lambda model, images: model(images)[0]},
        None,
    ),
    "float64": lambda m: ({"model": copy.deepcopy(m).double()}, None),
    "float64 inside": lambda m: ({"model": Double(m)}, None),
    "in place": lambda m: ({"model": Before(lambda x: x.mul_(2).div_(2), m)}, None),
    "viewed": lambda m: ({"model": Before(lambda x: x.view(len(x), 1, 8, 8), m)}, transposed),
    "re-entrant checkpoints": lambda m: ({"model": Reentrant(m)}, None),
    "scripted": lambda m: ({"model": torch.jit.trace(m, torch.rand(4, 1, 8, 8))}, None),
    "frozen": lambda m: ({"model": torch.jit.freeze(torch.jit.trace(m, torch.rand(4, 1, 8, 8)))}, None),
    "two names": lambda m: ({"model": Shared(m)}, None),
    "in parallel": lambda m: ({"model": nn.DataParallel(m)}, None),
    "compiled": lambda m: ({"model": torch.compile(m, backend="eager")}, None),
    "softmax": lambda m: ({"model": After(m, lambda z: z.softmax(1))}, None),
    "log-softmax": lambda m: ({"model": After(m, lambda z: z.log_softmax(1))}, None),
    "a module's own normalisation": lambda m: (
        {"model": Normalised(unnormalised(m), Statistics(MEAN, STD))},
        None,
    ),
    "numpy images": lambda m: ({"model": m}, lambda x: x.numpy()),
    "float64 images": lambda m: ({"model": m}, lambda x: x.double()),
    "images that want a gradient": lambda m: ({"model": m}, lambda x: x.clone().requires_grad_()),
    "an ImageModel": lambda m: ({"model": image_model(m, shape=(1, 8, 8))}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_however_it_comes_gets_the_same_number(name, plain, expected):
    model, images, labels, threat = plain
    given, convert = MODELS[name](copy.deepcopy(model))
    brought = images if convert is None else convert(images)
    before = torch.as_tensor(brought).detach().clone()
    network = given.pop("model")
    found = evaluate(network, brought, labels, threat, PROTOCOL, **given)
    assert abs(found.accuracy.value - expected.accuracy.value) <= 0.02  # round-off moves a point at the boundary
    assert torch.equal(torch.as_tensor(brought).detach(), before)
    if not isinstance(network, ImageModel):
        assert evaluate(network, brought, labels, threat, "clean", **given).accuracy.value == pytest.approx(
            run_protocol(model, images, labels, threat, "clean").accuracy.value
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_low_precision_is_measured_in_float32(dtype, plain):
    model, images, labels, threat = plain
    low = copy.deepcopy(model).to(dtype)
    found = evaluate(low, images, labels, threat, PROTOCOL)
    assert torch.equal(
        found.correct, run_protocol(copy.deepcopy(low).float(), images, labels, threat, PROTOCOL).correct
    )
    assert next(low.parameters()).dtype == dtype
    assert attacks.fgsm(low, images, labels, threat).delta.dtype == torch.float32


LABELS = {
    "int64": lambda y: y,
    "a column": lambda y: y[:, None],
    "a row": lambda y: y[None],
    "a list": lambda y: y.tolist(),
    "a tuple": lambda y: tuple(y.tolist()),
    "a list of tensors": list,
    "numpy": lambda y: y.numpy(),
    "numpy column": lambda y: y.numpy()[:, None],
    "int32": lambda y: y.int(),
    "int16": lambda y: y.short(),
    "int8": lambda y: y.char(),
    "uint8": lambda y: y.byte(),
    "uint16": lambda y: y.to(torch.uint16),
    "float32": lambda y: y.float(),
    "float16": lambda y: y.half(),
    "numpy float64": lambda y: y.numpy().astype(float),
    "a pandas column": lambda y: pd.Series(y.numpy(), index=range(7, 7 + len(y))),
    "big-endian": lambda y: y.numpy().astype(">i4"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_give_the_same_number(kind, plain):
    model, images, labels, threat = plain
    right = run_protocol(*plain, "fgsm")
    assert torch.equal(evaluate(model, images, LABELS[kind](labels), threat, "fgsm").correct, right.correct)
    delta = attacks.fgsm(model, images, LABELS[kind](labels), threat).delta
    assert torch.equal(delta, attacks.fgsm(model, images, labels, threat).delta)


REFUSED_LABELS = {
    "one-hot": (lambda y: F.one_hot(y, 10), r"one-hot.*labels\.argmax\(1\)"),
    "one-hot floats": (lambda y: F.one_hot(y, 10).float(), r"one-hot.*labels\.argmax\(1\)"),
    "soft": (lambda y: 0.9 * F.one_hot(y, 10) + 0.01, r"soft.*labels\.argmax\(1\)"),
    "one for all": (lambda y: y[:1], "one label for 100 images"),
    "a number for all": (lambda y: 3, "one label for 100 images"),
    "too few": (lambda y: y[:-1], "99 labels for 100 images"),
    "beyond the outputs": (lambda y: y + 1, "labels go up to 10, and the model has 10 outputs, 0 to 9"),
    "-1": (lambda y: y - 1, "labels go down to -1"),
    "ignored": (lambda y: torch.where(y == 0, -100, y), "where -100 marks images to ignore, leave those out"),
    "fractions": (lambda y: y + 0.5, "whole numbers"),
    "nan": (lambda y: torch.where(y == 0, torch.nan, y), "missing, nan or infinite"),
    "words": (lambda y: [str(one) for one in y.tolist()], "whole numbers"),
    "None": (lambda y: None, "whole numbers"),
    "maps": (lambda y: y.view(-1, 1, 1).expand(-1, 2, 2), "labels have shape"),
}


@pytest.mark.parametrize("entrance", ["evaluate", "pgd", "square_attack"])
@pytest.mark.parametrize("kind", REFUSED_LABELS)
def test_labels_that_mean_nothing_are_one_line(kind, entrance, plain):
    model, images, labels, threat = plain
    change, message = REFUSED_LABELS[kind]
    refused(DataError, message, lambda: call(entrance, model, images, change(labels), threat))


def call(entrance, model, images, labels, threat, **options):
    draws = torch.Generator().manual_seed(0)
    if entrance == "evaluate":
        return evaluate(model, images, labels, threat, "pgd-2", **options)
    if entrance == "pgd":
        return attacks.pgd(model, images, labels, threat, generator=draws, steps=2, **options)
    return attacks.square_attack(model, images, labels, threat, queries=3, generator=draws, **options)


def refused(error, message, act):
    with pytest.raises(error) as caught:
        act()
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


IMAGES = {
    "normalised": (lambda x: (x - 0.3) / 0.36, {}, r"from -0\.83\d* to 1\.94\d*, outside .* 0 to 1.*mean and std"),
    "levels": (lambda x: 255 * x, {}, "pixels run from 0 to 255, outside the bounds 0 to 1; state 0,255"),
    "unit in wide bounds": (lambda x: x, {"bounds": (0, 255)}, r"as in \[0, 1\] and not as in the bounds 0 to 255"),
    "nan": (lambda x: x.masked_fill(x == 0, torch.nan), {}, "pixels that are nan or infinite"),
    "whole numbers": (lambda x: (255 * x).long(), {}, "images are int64; give uint8"),
    "channels last": (lambda x: x.expand(-1, 3, 8, 8).permute(0, 2, 3, 1), {}, "channels first"),
    "none": (lambda x: x[:0], {}, "there are none"),
    "a vector": (lambda x: x.flatten(), {}, r"give \(N, C, H, W\)"),
    "a word": (lambda x: "digits", {}, "images must be a tensor or an array"),
}  # fmt: skip


@pytest.mark.parametrize("entrance", ["evaluate", "pgd", "square_attack"])
@pytest.mark.parametrize("kind", IMAGES)
def test_images_that_mean_nothing_are_one_line(kind, entrance, plain):
    model, images, labels, threat = plain
    change, options, message = IMAGES[kind]
    refused(DataError, message, lambda: call(entrance, model, change(images), labels, threat, **options))


def test_a_prepared_model_says_what_it_takes(plain, expected):
    model, images, labels, threat = plain
    prepared = image_model(in_levels(model), shape=(1, 8, 8), bounds=(0, 255))
    found = evaluate(prepared, 255 * images, labels, threat, PROTOCOL)
    assert abs(found.accuracy.value - expected.accuracy.value) <= 0.02
    refused(
        ConfigError,
        "bounds: image_model has been told",
        lambda: evaluate(prepared, 255 * images, labels, threat, PROTOCOL, bounds=(0, 254)),
    )


def test_images_may_leave_their_range_without_a_box(plain):
    model, images, labels, threat = plain
    free = ThreatModel(threat.epsilon, box="none")
    found = evaluate(model, 2 * images, labels, free, PROTOCOL)
    assert torch.equal(found.correct, run_protocol(model, 2 * images, labels, free, PROTOCOL).correct)


OPTIONS = {
    "batch_size -1": ({"batch_size": -1}, "batch_size is -1"),
    "batch_size 0": ({"batch_size": 0}, "batch_size is 0"),
    "batch_size 2.5": ({"batch_size": 2.5}, "batch_size is 2.5"),
    "mean alone": ({"mean": 0.3}, "mean and std go together"),
    "mean in levels": ({"mean": 127.5, "std": 60.0}, "mean must lie in the bounds, 0 to 1"),
    "std in levels": ({"mean": 0.5, "std": 60.0}, "std is above the width of the bounds"),
    "mean of three": ({"mean": (0.1, 0.2, 0.3), "std": (1, 1, 1)}, "mean has 3 numbers, the images have 1 channel"),
    "mean in words": ({"mean": "imagenet", "std": "imagenet"}, "mean: give a number"),
    "bounds in reverse": ({"bounds": (1, 0)}, "bounds are 1 and 0"),
    "bounds of one": ({"bounds": 255}, "bounds are 255"),
    "binary of ten": ({"binary": True}, "binary: the model has 10 outputs"),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_make_no_sense_are_one_line(kind, plain):
    options, message = OPTIONS[kind]
    refused(ConfigError, message, lambda: evaluate(*plain, PROTOCOL, **options))


NETWORKS = {
    "a tuple": (lambda m: After(m, lambda z: (z, z)), r"a tuple of 2; .*forward=lambda model, images: .*\[0\]"),
    "another dictionary": (lambda m: After(m, lambda z: {"out": z}), "returns a dict with 'out'"),
    "no gradient": (lambda m: After(m, lambda z: z.detach()), "no gradient reaches the images"),
    "whole pixels": (lambda m: Before(lambda x: (8 * x).int() / 8, m), "no gradient reaches the images"),
    "numpy inside": (lambda m: Before(lambda x: torch.from_numpy(x.numpy()), m), "no gradient reaches the images"),
    "a function": (lambda m: m.forward, "a torch.nn.Module is needed, not a method"),
    "another shape": (lambda m: nn.Conv2d(3, 10, 8), r"fails on images of shape \(1, 8, 8\)"),
    "maps": (lambda m: nn.Conv2d(1, 10, 3), r"returns float32 of shape \(2, 10, 6, 6\)"),
    "lazy": (lambda m: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "lazy layer"),
}  # fmt: skip


@pytest.mark.parametrize("entrance", ["evaluate", "pgd"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_models_that_cannot_be_attacked_are_one_line(kind, entrance, plain):
    model, images, labels, threat = plain
    change, message = NETWORKS[kind]
    refused(ModelError, message, lambda: call(entrance, change(model), images, labels, threat))


@pytest.mark.parametrize("kind", ["no gradient", "whole pixels", "numpy inside"])
def test_without_a_gradient_there_are_clean_accuracy_and_the_square_attack(kind, plain):
    model, images, labels, threat = plain
    blind = NETWORKS[kind][0](model)
    right = run_protocol(blind, images, labels, threat, "clean")
    assert torch.equal(evaluate(blind, images, labels, threat, "clean").correct, right.correct)
    survived = attacks.square_attack(
        blind, images, labels, threat, queries=20, generator=torch.Generator().manual_seed(0)
    )
    assert survived.float().mean() < right.accuracy.value


# --- two classes, one output ------------------------------------------------------------------------------------------

ONE_OUTPUT = {
    "(N, 1)": (lambda z: z[:, None], {}),
    "(N,)": (lambda z: z, {}),
    "said so": (lambda z: z[:, None], {"binary": True}),
    "a sigmoid": (lambda z: z.sigmoid()[:, None], {}),
    "an object": (lambda z: Output(z[:, None], None), {}),
    "a squeeze": (lambda z: z[:, None].squeeze(), {}),
}


def zero_or_not(logits):
    """The log-odds that a digit is not 0."""
    return logits[:, 1:].logsumexp(1) - logits[:, 0]


@pytest.mark.parametrize("kind", ONE_OUTPUT)
def test_one_output_is_two_classes(kind, plain):
    model, images, labels, threat = plain
    binary = (labels != 0).long()
    two = After(model, lambda z: torch.stack([torch.zeros(len(z)), zero_or_not(z)], 1))
    right = run_protocol(two, images, binary, threat, PROTOCOL)
    function, options = ONE_OUTPUT[kind]
    one = After(model, lambda z: function(zero_or_not(z)))
    for labels_given in (binary, binary.float()[:, None], binary.bool()):
        found = evaluate(one, images, labels_given, threat, PROTOCOL, **options)
        assert abs(found.accuracy.value - right.accuracy.value) <= 0.02
    delta = attacks.fgsm(one, images, binary, threat, **options).delta
    agreed = (delta == attacks.fgsm(two, images, binary, threat).delta).float().mean()
    assert agreed > 0.99


def test_one_output_cannot_have_three_classes(plain):
    model, images, labels, threat = plain
    one = After(model, lambda z: zero_or_not(z)[:, None])
    refused(
        DataError,
        "labels go up to 9, and the model has 2 outputs",
        lambda: evaluate(one, images, labels, threat, "clean"),
    )


# --- where it is called -----------------------------------------------------------------------------------------------


def test_inside_inference_mode(plain, expected):
    with torch.inference_mode():
        model, images, labels, threat = plain
        inside = images.clone(), labels.clone()
        found = evaluate(model, *inside, threat, PROTOCOL)
        delta = attacks.fgsm(model, *inside, threat).delta
    assert torch.equal(found.correct, expected.correct)
    assert torch.equal(delta, attacks.fgsm(model, images, labels, threat).delta)


def test_inside_no_grad_and_autocast(plain, expected):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(evaluate(*plain, PROTOCOL).correct, expected.correct)


def test_under_a_float64_default(plain, expected):
    torch.set_default_dtype(torch.float64)
    try:
        found = evaluate(*plain, PROTOCOL)
        made = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        evaluate(made, plain[1], plain[2], plain[3], PROTOCOL)
        delta = attacks.rs_fgsm(*plain, generator=torch.Generator().manual_seed(0)).delta
    finally:
        torch.set_default_dtype(torch.float32)
    assert abs(found.accuracy.value - expected.accuracy.value) <= 0.02  # other random starts
    assert delta.dtype == torch.float32


def test_under_deterministic_algorithms(plain, expected):
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(evaluate(*plain, PROTOCOL).correct, expected.correct)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_single_image(plain):
    model, images, labels, threat = plain
    whole = run_protocol(model, images, labels, threat, "fgsm").correct
    squeezed = After(model, torch.squeeze)
    for at in range(5):
        one = evaluate(squeezed, images[at : at + 1], labels[at], threat, "fgsm")
        assert one.accuracy == Accuracy.of(whole[at : at + 1])


@pytest.mark.parametrize("shape", [(1, 7, 13), (3, 9, 5), (4, 6, 6)], ids=str)
def test_any_size_and_channels(shape):
    network = nn.Sequential(nn.Conv2d(shape[0], 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    images = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6) % 3
    found = evaluate(network, images.numpy(), labels.numpy(), ThreatModel(0.1), "pgd-3-2")
    assert torch.equal(found.correct, run_protocol(network, images, labels, ThreatModel(0.1), "pgd-3-2").correct)


# --- units ------------------------------------------------------------------------------------------------------------


def test_perturbations_come_in_the_units_of_the_images(plain):
    model, images, labels, threat = plain
    unit = attacks.fgsm(model, images, labels, threat)
    levels = attacks.fgsm(in_levels(model), 255 * images, labels, threat, bounds=(0, 255))
    assert torch.allclose(levels.delta, 255 * unit.delta, atol=1e-3)
    assert torch.allclose(levels.gradient, unit.gradient / 255, atol=1e-4)
    normalised = (images - MEAN[0]) / STD[0]
    scaled = attacks.fgsm(unnormalised(model), normalised, labels, threat, **NORMALISED)
    assert torch.allclose(scaled.delta, unit.delta / STD[0], atol=1e-4)
    pixels = attacks.fgsm(model, (255 * images).byte(), labels, threat)
    assert pixels.delta.abs().max() <= 255 * threat.epsilon + 1e-3


RADII = {
    "text": "8/255",
    "spaces": " 8 / 255 ",
    "float": 8 / 255,
    "fraction": Fraction(8, 255),
    "numpy": np.float64(8 / 255),
    "numpy, single": np.float32(8 / 255),
    "0-d array": np.array(8 / 255),
    "0-d tensor": torch.tensor(8 / 255),
}


@pytest.mark.parametrize("kind", RADII)
def test_a_radius_of_any_kind_is_the_same(kind):
    assert ThreatModel(RADII[kind]).epsilon == pytest.approx(8 / 255, rel=1e-6)
    assert str(ThreatModel(RADII[kind])) == "linf 8/255, box_then_eps"


@pytest.mark.parametrize("radius", [8, [0.1], None, True, "big", -0.1, float("nan"), float("inf"), 1j], ids=repr)
def test_a_radius_that_makes_no_sense_is_one_line(radius):
    refused(ConfigError, "epsilon", lambda: ThreatModel(radius))


@pytest.mark.parametrize("threat", [8 / 255, "8/255", None], ids=repr)
def test_a_threat_that_is_none(threat, plain):
    refused(ConfigError, "ThreatModel", lambda: evaluate(*plain[:3], threat, "fgsm"))


def test_an_l2_radius_in_pixel_levels(plain):
    refused(ConfigError, "reaches every image in l2", lambda: evaluate(*plain[:3], ThreatModel(128, "l2"), "fgsm"))


# --- left as it was ---------------------------------------------------------------------------------------------------


class Stateful(nn.Module):
    """Every kind of state that a forward pass moves in training mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(4, track_running_stats=True)
        self.batch_norm = nn.BatchNorm2d(4)
        self.conv = nn.utils.spectral_norm(nn.Conv2d(1, 4, 3))
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(4 * 36, 4))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images):
        self.calls += 1
        return self.head(self.batch_norm(self.norm(self.conv(images))).flatten(1))


@pytest.mark.parametrize("entrance", ["evaluate", "pgd", "square_attack"])
@pytest.mark.parametrize("training", [True, False])
def test_an_attack_leaves_everything_as_it_was(entrance, training):
    torch.manual_seed(0)
    network = Stateful().train(training)
    network.head.bias.grad = torch.ones(4)
    before = copy.deepcopy(network.state_dict())
    images, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 4
    call(entrance, network, images, labels, ThreatModel(0.1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training == training for module in network.modules())
    assert torch.equal(network.head.bias.grad, torch.ones(4))


def test_in_training_mode_an_attack_sees_the_statistics_of_its_batch():
    network = conv_net(norm=True).train()
    images, labels = torch.rand(8, 1, 6, 6), torch.arange(8) % 4
    trained, evaluated = (
        attacks.fgsm(network, images, labels, ThreatModel(0.1), bn_mode=mode) for mode in ("train", "eval")
    )
    assert not torch.equal(trained.logits, evaluated.logits)


def test_every_refusal_is_of_the_package():
    assert issubclass(ConfigError, CotoolkitError)
