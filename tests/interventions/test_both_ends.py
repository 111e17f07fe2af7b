"""What goes into an intervention and what comes out of it: checked alike, and told in one line."""

import sys
from typing import ClassVar

import pytest
import torch
from pydantic.dataclasses import dataclass
from sklearn.datasets import load_digits
from torch import nn

from cotoolkit.core.errors import ConfigError, CotoolkitError
from cotoolkit.core.registry import STRICT
from interventions import (
    Clip,
    Compose,
    Inject,
    Intervention,
    InterventionError,
    InterventionLayer,
    LabelNoise,
    LowPass,
    Project,
    SwapFrequencies,
    fingerprint,
    from_json,
    to_json,
)

IMAGES, LABELS = torch.linspace(0, 1, 96).reshape(2, 3, 4, 4), torch.tensor([0, 1])


def refused(error, message, action):
    with pytest.raises(error, match=message) as caught:
        action()
    assert isinstance(caught.value, CotoolkitError)
    assert "\n" not in str(caught.value)


def test_levels_of_few_bits_are_levels():
    digits = load_digits()
    images, labels = torch.tensor(digits.images)[:, None], torch.tensor(digits.target)
    inject = Inject("paired", beta="8/255")
    refused(InterventionError, "images reach 16; give them in", lambda: inject(images, labels, classes=10))
    darkest = images.flatten(1).amax(1).argmin()
    one = images[darkest : darkest + 1], labels[darkest : darkest + 1]
    refused(InterventionError, "images reach 14; give them in", lambda: inject(*one, classes=10))
    injected, _ = inject(images / 16, labels, classes=10)
    assert round(255 * (injected - images / 16).abs().max().item()) == 8


@pytest.mark.parametrize("intervention", [LowPass(2), Inject("paired", 0.1), Clip(), Compose([LowPass(2)]), Compose()])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: 255 * x, "images reach 255; give them in"),
        (lambda x: -16 * x, "images reach -16; give them in"),
        (lambda x: x / 0, "images have pixels that are nan or infinite"),
    ],
)
def test_pixels_of_other_units_are_refused(intervention, change, message):
    refused(InterventionError, message, lambda: intervention(change(IMAGES), LABELS, classes=2))


def test_images_that_left_the_unit_range_are_taken():
    injected = Inject("paired", 1)(IMAGES, LABELS, classes=2)[0]
    assert Compose(3 * [Inject("paired", 1)])(injected, LABELS, classes=2)[0].max() > 4
    noise = torch.randn(9, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert LowPass(4)(noise)[0].min() < -2


@pytest.mark.parametrize("generator", [0, 10, "0", torch.tensor(0)])
@pytest.mark.parametrize("intervention", [LabelNoise(0.1), SwapFrequencies(2), LowPass(2), Compose([LabelNoise(0.1)])])
def test_a_seed_is_no_generator(intervention, generator):
    message = (
        r"generator is .*, no torch.Generator: pass torch.Generator\(\).manual_seed\(0\); classes=10 goes by its name"
    )
    refused(InterventionError, message, lambda: intervention(IMAGES, LABELS, generator, classes=10))
    refused(InterventionError, message, lambda: Inject("paired", 0.1)(IMAGES, LABELS, generator))


@pytest.mark.parametrize("text", ["nonsense", "", "{", "[" * 100_000, None, 3])
def test_what_is_no_json_is_one_line(text):
    refused(
        ConfigError, 'is no JSON .*; give what to_json writes, such as {"name": "low_pass"}', lambda: from_json(text)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", r"not an intervention: \[1\]; give a name or a mapping with a name"),
        ("null", "not an intervention: None"),
        ("{}", "an intervention needs a name: choose from"),
        ('{"name": 3}', "an intervention needs a name: choose from"),
        ('{"name": "low_pas"}', "unknown intervention 'low_pas': did you mean low_pass"),
        ('{"name": "inject", "carrier": [1], "beta": 0}', r"not a carrier: \[1\]"),
        ('{"name": "compose", "parts": [5]}', "not an intervention: 5"),
    ],
)
def test_what_is_json_of_something_else_is_one_line(text, message):
    refused(ConfigError, message, lambda: from_json(text))


def test_json_of_an_intervention_is_read_from_bytes_too():
    assert from_json(to_json(LowPass(3)).encode()) == LowPass(3)
    assert from_json('"low_pass"') == LowPass()
    assert to_json("low_pass") == to_json(LowPass())
    assert fingerprint({"name": "low_pass", "bandwidth": 3}) == fingerprint(LowPass(3))
    refused(ConfigError, "not an intervention: 5", lambda: to_json(5))


@dataclass(frozen=True, config=STRICT)
class Mine(Intervention):
    """Somebody's own class, whose work is whatever the test says."""

    name: ClassVar[str] = "mine"
    work: ClassVar = staticmethod(lambda images, labels: (images, labels))

    def apply(self, images, labels, generator, classes):
        return self.work(images, labels)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda x, y: (x * 255, y), "the images that mine returns reach 255; give them in"),
        (lambda x, y: ((x * 255).byte(), y), "the images that mine returns must be floating"),
        (lambda x, y: (x / 0, y), "the images that mine returns have pixels that are nan or infinite"),
        (lambda x, y: (x[:, :, 1:], y), r"mine must return images of shape \(2, 3, 4, 4\), not \(2, 3, 3, 4\)"),
        (lambda x, y: (x.numpy(), y), "mine must return images of shape .*, not a ndarray"),
        (lambda x, y: x, "mine must return images and labels, not a Tensor"),
        (lambda x, y: None, "mine must return images and labels, not a NoneType"),
        (lambda x, y: (x, y.float()), "labels must be integers, not torch.float32"),
        (lambda x, y: (x, y + 9), "labels run from 9 to 10"),
        (lambda x, y: x @ y.float(), r"mine fails: RuntimeError: .* \(test_both_ends.py, line \d+\)"),
        (lambda x, y: sys.exit(3), r"mine fails: SystemExit: 3 \(test_both_ends.py, line \d+\)"),
        (lambda x, y: {}[0], r"mine fails: KeyError: 0 \(test_both_ends.py, line \d+\)"),
    ],
)
@pytest.mark.parametrize("around", [lambda one: one, lambda one: Compose([one, Clip()])])
def test_what_comes_out_is_checked_as_what_goes_in(work, message, around, monkeypatch):
    monkeypatch.setattr(Mine, "work", staticmethod(work))
    monkeypatch.setattr("interventions.base.INTERVENTIONS._classes", {"mine": Mine, "clip": Clip, "compose": Compose})
    refused(InterventionError, message, lambda: around(Mine())(IMAGES, LABELS, classes=10))


@pytest.mark.parametrize("intervention", [LowPass(2), Project("paired"), Compose([LowPass(2), Project("paired")])])
def test_inside_a_model_images_are_in_its_own_units(intervention):
    layer = nn.Sequential(InterventionLayer(intervention, classes=2))
    whole, _ = intervention(IMAGES, None, classes=2)
    torch.testing.assert_close(layer(255 * IMAGES) / 255, whole)
    assert layer(torch.full((1, 3, 4, 4), torch.nan)).isnan().all()  # of a run that diverged
    refused(InterventionError, "images must be floating", lambda: layer(IMAGES.long()))
    refused(InterventionError, r"images must be \(B, C, H, W\)", lambda: layer(IMAGES[0]))
