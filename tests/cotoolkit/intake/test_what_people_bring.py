"""What people bring to `evaluate` and `attacks`, one row a record: the right number, or one clear line.

The rows are from public reports about neighbouring libraries.
"""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from cotoolkit import BreakpointMonitor, ThreatModel, attacks, diagnose
from cotoolkit.core.errors import ConfigError, DataError, ModelError
from cotoolkit.evaluation import evaluate
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.intake.model import ImageModel
from cotoolkit.intake.preparation import image_model
from cotoolkit.models import Normalised
from cotoolkit.models.normalise import Statistics
from tests._helpers.brought import (
    MEAN,
    NORMALISED,
    PROTOCOL,
    STD,
    Before,
    Double,
    Output,
    Reentrant,
    Shared,
    call,
    in_levels,
    refused,
    transposed,
    unnormalised,
)
from tests._helpers.brought_networks import After

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
    "an ImageModel of probabilities": lambda m: (
        {"model": image_model(After(m, lambda z: z.softmax(1)), shape=(1, 8, 8))},
        None,
    ),
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


IMAGES = {
    "normalised": (lambda x: (x - 0.3) / 0.36, {}, r"from -0\.83\d* to 1\.94\d*, outside .* 0 to 1.*mean and std"),
    "levels": (lambda x: 255 * x, {}, "pixels run from 0 to 255, outside the bounds 0 to 1; state 0,255"),
    "unit in wide bounds": (lambda x: x, {"bounds": (0, 255)}, r"as in \[0, 1\] and not as in the bounds 0 to 255"),
    "nan": (lambda x: x.masked_fill(x == 0, torch.nan), {}, "pixels that are nan or infinite"),
    "whole numbers": (lambda x: (255 * x).long(), {}, "images are int64; give uint8"),
    "channels last": (lambda x: x.expand(-1, 3, 8, 8).permute(0, 2, 3, 1), {}, "channels first"),
    "an alpha channel, last": (lambda x: x.expand(-1, 4, 8, 8).permute(0, 2, 3, 1), {}, "leave out the alpha channel"),
    "a dictionary": (lambda x: {"images": x}, {}, "images must be tensors or arrays of numbers, not a dict"),
    "a loader": (DataLoader, {}, "images must be tensors or arrays of numbers, not a DataLoader"),
    "none": (lambda x: x[:0], {}, "there are none"),
    "a vector": (lambda x: x.flatten(), {}, r"give \(N, C, H, W\)"),
    "a word": (lambda x: "digits", {}, "images must be tensors or arrays"),
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
    wide = 1.4 * images
    found = evaluate(model, wide, labels, free, PROTOCOL)
    assert torch.equal(found.correct, run_protocol(model, wide, labels, free, PROTOCOL).correct)
    for far in (255 * images, (images - 0.3) / 0.36):
        refused(DataError, "outside the bounds 0 to 1", lambda far=far: evaluate(model, far, labels, free, PROTOCOL))
    normalised, given = (images - MEAN[0]) / STD[0], unnormalised(model)
    found = evaluate(given, normalised, labels, free, PROTOCOL, **NORMALISED)
    right = run_protocol(model, images, labels, free, PROTOCOL)
    assert abs(found.accuracy.value - right.accuracy.value) <= 0.02


OPTIONS = {
    "batch_size -1": ({"batch_size": -1}, "batch_size: give a whole number, 1 or more, not -1"),
    "batch_size 0": ({"batch_size": 0}, "batch_size: give a whole number, 1 or more, not 0"),
    "batch_size 2.5": ({"batch_size": 2.5}, "batch_size: give a whole number, 1 or more, not 2.5"),
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


def test_a_prepared_model_is_tried_on_another_shape(plain):
    model, images, labels, threat = plain
    prepared = image_model(model, shape=(1, 8, 8))
    wide = nn.functional.pad(images, (2, 2, 2, 2))
    message = r"the model fails on images of shape \(1, 12, 12\)"
    refused(ModelError, message, lambda: evaluate(prepared, wide, labels, threat, "fgsm"))
    assert evaluate(prepared, images, labels, threat, "clean").accuracy.points == len(labels)


@pytest.mark.parametrize("pixel", [1.01, -0.02, 1.1])
def test_a_pixel_outside_does_not_make_images_normalised_ones(pixel, plain):
    """Resizing overshoots, and pixels less a mean lie well inside the bounds."""
    model, images, labels, threat = plain
    spoiled = images.clone()
    spoiled[3, 0, 2, 2] = pixel
    takes = {"mean": 0.45, "std": 0.25}
    refused(DataError, "outside the bounds", lambda: evaluate(model, spoiled, labels, threat, "clean", **takes))


def test_black_and_white_levels_are_refused(plain):
    model, images, labels, threat = plain
    bits = (images > 0.5).byte()
    refused(
        DataError,
        r"uint8 pixels are 0 and 1.*images\.float\(\)",
        lambda: evaluate(model, bits, labels, threat, "clean"),
    )
    assert evaluate(model, 0 * bits, labels, threat, "clean").accuracy.points == len(labels)


PREPARED = {
    "mean and std": ({"mean": 0.45, "std": 0.25}, "mean: image_model has been told"),
    "forward": ({"forward": lambda model, images: model(images)}, "forward: image_model has been told"),
    "binary": ({"binary": True}, "binary: image_model has been told"),
}


@pytest.mark.parametrize("kind", PREPARED)
def test_a_prepared_model_is_told_once_whoever_takes_it(kind, plain):
    model, images, labels, threat = plain
    options, message = PREPARED[kind]
    prepared, data = image_model(model, shape=(1, 8, 8)), (images, labels)
    refused(ConfigError, message, lambda: evaluate(prepared, *data, threat, "clean", **options))
    refused(ConfigError, message, lambda: diagnose(prepared, data, epsilon=0.1, budget="quick", **options))
    refused(ConfigError, message, lambda: BreakpointMonitor(prepared, data, epsilon=0.1, **options))


def test_a_prepared_model_of_two_classes_cannot_have_labels_of_ten(plain):
    _, images, labels, _ = plain
    prepared = image_model(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), shape=(1, 8, 8))
    message = "the last layer has 2 outputs, the data 10 classes"
    refused(ModelError, message, lambda: diagnose(prepared, (images, labels), epsilon=0.1, budget="quick"))
    refused(ModelError, message, lambda: BreakpointMonitor(prepared, (images, labels), epsilon=0.1))


def test_a_prepared_copy_cannot_be_watched_and_the_network_itself_can(plain):
    model, images, labels, threat = plain
    copied = image_model(copy.deepcopy(model).double(), shape=(1, 8, 8))
    message = "made from a copy of the network, which does not train"
    refused(ModelError, message, lambda: BreakpointMonitor(copied, (images, labels), epsilon=threat.epsilon))
    monitor = BreakpointMonitor(image_model(model, shape=(1, 8, 8)), (images, labels), epsilon=threat.epsilon)
    clean = run_protocol(model, images, labels, threat, "clean").accuracy.value
    assert monitor.probe().clean == pytest.approx(clean, abs=1e-6)


def test_broken_outputs_are_told_wherever_they_are(plain, caplog):
    model, images, labels, threat = plain
    images = images.clone()
    images[-1] = 0.123
    broken = After(Before(lambda x: x, model), lambda z: z)
    broken.forward = lambda x: model(x).masked_fill((x == 0.123).all(3).all(2), torch.nan)
    found = evaluate(broken, images, labels, threat, "clean")
    assert found.broken == 1
    assert not found.correct[-1]
    assert "the outputs for 1 of 100 images are nan or infinite" in caplog.text
