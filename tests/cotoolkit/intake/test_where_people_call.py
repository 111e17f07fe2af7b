"""Modes and defaults around a call, units of what comes back, radii, and that nothing is changed."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from cotoolkit import ThreatModel, attacks
from cotoolkit.core.errors import ConfigError
from cotoolkit.evaluation import Accuracy, evaluate
from cotoolkit.evaluation.protocol import run_protocol
from tests._helpers.brought import MEAN, NORMALISED, PROTOCOL, STD, call, in_levels, refused, unnormalised
from tests._helpers.brought_networks import After
from tests._helpers.networks import conv_net

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


@pytest.mark.parametrize("shape", [(1, 7, 13), (3, 9, 5), (4, 6, 6), (13, 1, 1), (2, 64, 1), (64, 4, 4)], ids=str)
def test_any_size_and_channels(shape):
    network = nn.Sequential(
        nn.Conv2d(shape[0], 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
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


def in_two_halves(model, images, labels, threat, **options):
    """PGD of two steps, one after the other."""
    first = attacks.pgd(model, images, labels, threat, steps=1, alpha=0.01, **options)
    return attacks.pgd(model, images, labels, threat, steps=1, alpha=0.01, start=first.delta, **options)


def test_a_start_is_in_the_units_of_the_images(plain):
    model, images, labels, threat = plain
    unit = in_two_halves(model, images, labels, threat)
    assert torch.allclose(unit.delta, attacks.pgd(model, images, labels, threat, steps=2, alpha=0.01).delta, atol=1e-6)
    levels = in_two_halves(in_levels(model), 255 * images, labels, threat, bounds=(0, 255))
    assert torch.allclose(levels.delta, 255 * unit.delta, atol=1e-3)
    assert torch.allclose(levels.start, 255 * unit.start, atol=1e-3)
    normalised = in_two_halves(unnormalised(model), (images - MEAN[0]) / STD[0], labels, threat, **NORMALISED)
    assert torch.allclose(normalised.delta, unit.delta / STD[0], atol=1e-4)
    given = unit.start.double().numpy()
    again = attacks.pgd(model, images, labels, threat, steps=1, alpha=0.01, start=given)
    assert torch.equal(again.delta, unit.delta)
    assert again.delta.dtype == torch.float32


def test_a_start_may_be_rounded_and_may_be_one_for_all_images(plain):
    model, images, labels, threat = plain
    signs = torch.where(images > 0.5, 1.0, -1.0)
    half = images.half()
    for start, given, where in (
        ((signs * threat.epsilon).bfloat16(), images, threat),
        ((half + signs.half() * threat.epsilon) - half, half, threat),
        ((signs * 0.03 * 255).round(), (255 * images).byte(), ThreatModel(0.03)),  # 7.65 levels
        (signs[:1] * threat.epsilon, images, threat),
    ):
        found = attacks.pgd(model, given, labels, where, steps=1, start=start)
        scale = 255 if given.dtype == torch.uint8 else 1
        assert found.start.abs().max() <= scale * where.epsilon * (1 + 1e-6)
        assert found.start.shape == images.shape
    with pytest.raises(ConfigError, match="leaves the ball"):
        attacks.pgd(model, images, labels, threat, start=(1.3 * threat.epsilon * signs).half())
    with pytest.raises(ConfigError, match="leaves the ball"):  # whole numbers of no uint8 image
        attacks.pgd(model, images, labels, threat, start=signs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": lambda x: 5 + 0 * x}, "start leaves the ball: its linf norm is 5"),
        ({"start": lambda x: x[1:]}, "start is of shape"),
        ({"start": lambda x: x * float("nan")}, "start is nan"),
        ({"start": lambda x: "none"}, "start: give a perturbation as a tensor"),
        ({"alpha": lambda x: 2}, "alpha is 2, beyond the whole range"),
    ],
)
def test_settings_of_pgd_that_make_no_sense_are_one_line(settings, message, plain):
    made = {name: make(plain[1]) for name, make in settings.items()}
    refused(ConfigError, message, lambda: attacks.pgd(*plain, steps=1, **made))


@pytest.mark.parametrize("draws", [-3, 1.5, "three", None])
def test_draws_of_noise_are_counted(draws, plain):
    refused(ConfigError, "draws", lambda: attacks.margin_attack(*plain, steps=1, generator=NO_SEED, draws=draws))
    refused(ConfigError, "k is None", lambda: attacks.n_fgsm(*plain, generator=NO_SEED, k=None))


NO_SEED = torch.Generator()

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
