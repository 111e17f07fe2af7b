"""A user's own function as an intervention."""

import sys

import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import UnknownName
from interventions import Compose, Inject, InterventionError, OwnIntervention, parse_intervention

CODE = """
def brighter(images, labels, beta):
    return images + beta * labels[:, None, None, None]

def cut(images, labels, beta):
    return images[:, :, 1:]

def broken(images, labels, beta):
    raise KeyError("nothing here")

def levels(images, labels, beta):
    return images * 255

def bytes_(images, labels, beta):
    return (images * 255).byte()

def marks(images, labels, beta):
    return images > 0.5

def in_place(images, labels, beta):
    images *= 255
    labels.zero_()
    return images

def normalised(images, labels, beta):
    return (images - 0.13) / 0.31

def sunken(images, labels, beta):
    return images - beta

def holes(images, labels, beta):
    return images / 0

def doubled(images, labels, beta):
    return images.double()

def array(images, labels, beta):
    return images.numpy()

def pair(images, labels, beta):
    return images, labels

def two(images, labels):
    return images

def four(images, labels, beta, classes):
    return images

def any_number(*parts, **named):
    return parts[0]
"""

IMAGES = torch.arange(32.0).reshape(2, 1, 4, 4) / 31


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "change_of_mine.py").write_text(CODE)
    yield
    sys.modules.pop("change_of_mine", None)


def test_the_function_is_called_with_labels_and_strength():
    images, labels = torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2])
    changed, same = OwnIntervention("change_of_mine:brighter", beta=0.5)(images, labels, classes=3)
    assert torch.equal(changed, images + torch.tensor([0.0, 0.5, 1.0])[:, None, None, None])
    assert same is labels


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("change_of_mine:cut", InterventionError, r"must return images of shape \(2, 1, 4, 4\), not \(2, 1, 3, 4\)"),
        ("change_of_mine:levels", InterventionError, "images that change_of_mine:levels returns reach 255; .*divide"),
        ("change_of_mine:in_place", InterventionError, "images that change_of_mine:in_place returns reach 255"),
        ("change_of_mine:bytes_", InterventionError, r"must be floating, in \[0, 1\], not torch.uint8"),
        ("change_of_mine:marks", InterventionError, r"must be floating, in \[0, 1\], not torch.bool"),
        ("change_of_mine:normalised", InterventionError, "pixels from -0.41.* to 2.8.* for images from 0 to 1; return"),
        ("change_of_mine:holes", InterventionError, "pixels that are nan or infinite"),
        ("change_of_mine:array", InterventionError, r"must return images of shape \(2, 1, 4, 4\), not a ndarray"),
        ("change_of_mine:pair", InterventionError, r"must return images of shape \(2, 1, 4, 4\), not a tuple"),
        (
            "change_of_mine:two",
            InterventionError,
            r"does not take \(images, labels, beta\); write a function f\(images",
        ),
        ("change_of_mine:four", InterventionError, r"does not take \(images, labels, beta\)"),
        ("change_of_mine:broken", InterventionError, "failed: KeyError: 'nothing here'"),
        ("change_of_mine:absent", ConfigError, "'absent' does not exist"),
        ("no_such_module_of_mine:f", ConfigError, "no module 'no_such_module_of_mine'"),
    ],
)
def test_what_goes_wrong_is_one_line(target, error, message):
    with pytest.raises(error, match=message) as caught:
        OwnIntervention(target)(IMAGES, torch.tensor([0, 1]))
    assert "\n" not in str(caught.value)


def test_dark_levels_are_seen_by_how_far_they_leave_the_range_of_the_images():
    with pytest.raises(InterventionError, match=r"pixels from 0 to 5\.1 for images from 0 to 0\.02"):
        OwnIntervention("change_of_mine:levels")(0.02 * IMAGES, torch.tensor([0, 1]))


def test_what_it_is_given_stays_as_it_was():
    images, labels = 1e-3 * IMAGES, torch.tensor([0, 1])
    changed, same = OwnIntervention("change_of_mine:in_place")(images, labels)
    assert torch.equal(changed, 255 * (1e-3 * IMAGES))
    assert torch.equal(images, 1e-3 * IMAGES)
    assert same.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_pixels_may_leave_the_range_by_the_whole_of_it_and_again(dtype):
    sunken = OwnIntervention("change_of_mine:sunken", beta=1)
    images, labels = IMAGES.to(dtype), torch.tensor([0, 1])
    changed, _ = Compose([sunken, sunken, sunken])(images, labels)
    torch.testing.assert_close(changed, images - 3, atol=0.02, rtol=0)
    with pytest.raises(InterventionError, match="pixels from -8 to -7 for images from 0 to 1"):
        OwnIntervention("change_of_mine:sunken", beta=8)(images, labels)


def test_the_images_keep_their_type_and_any_signature_that_fits_will_do():
    for name in ("doubled", "any_number"):
        changed, _ = OwnIntervention(f"change_of_mine:{name}")(IMAGES, torch.tensor([0, 1]))
        assert changed.dtype == torch.float32
        assert torch.equal(changed, IMAGES)


def test_text_with_a_colon_is_own_code():
    assert parse_intervention("change_of_mine:brighter") == OwnIntervention("change_of_mine:brighter")
    with_beta = {"name": "change_of_mine:brighter", "beta": "8/255"}
    assert parse_intervention(with_beta) == OwnIntervention("change_of_mine:brighter", beta=8 / 255)
    assert parse_intervention({"name": "inject", "carrier": "paired", "beta": 0.1}) == Inject("paired", beta=0.1)
    assert Compose(["change_of_mine:brighter"]).parts == (OwnIntervention("change_of_mine:brighter"),)
    with pytest.raises(UnknownName):
        parse_intervention("injekt")


def test_it_is_part_of_a_run_and_its_identity():
    config = RunConfig.parse({"intervention": {"name": "change_of_mine:brighter", "beta": 0.1}})
    assert config.to_data()["intervention"] == {"name": "own", "target": "change_of_mine:brighter", "beta": 0.1}
    assert RunConfig.parse(config.to_data()) == config
    other = RunConfig.parse({"intervention": {"name": "change_of_mine:brighter", "beta": 0.2}})
    assert other.identity != config.identity
