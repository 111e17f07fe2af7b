"""Networks and images that people bring to the analyses of mixtures, one row a record: the right value, or one line."""

import copy

import pytest
import torch
from torch import nn

from analyses import mixtures
from analyses.mixtures import edits
from analyses.mixtures.statistics import sensitivity
from cotoolkit.core.errors import ConfigError, DataError, ModelError
from cotoolkit.intake.preparation import image_model
from tests._helpers.brought_mixtures import (
    ENTRANCES,
    MEAN,
    STD,
    TRUSTED,
    agrees,
    direction,
    small,
    state,
)
from tests._helpers.brought_networks import Returning, Taking
from tests._helpers.toys import fingerprint

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
    right = TRUSTED[entrance](small(0), small(1), 1.2 * images)
    agrees(ENTRANCES[entrance](small(0), small(1), 1.2 * images, leave=True), right)


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
