"""Tables of features of networks that people bring: the right values, or one clear line."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from analyses import features
from analyses.features.observed import ImageSetting
from analyses.features.table import compare_features
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from cotoolkit.intake.preparation import image_model
from tests._helpers.brought_features import CHEAP, LABELS, ROLES
from tests._helpers.brought_networks import After, Taking
from tests._helpers.toys import conv_net

pytestmark = pytest.mark.usefixtures("short_paths")


def table(models, images, labels=LABELS, **options):
    return features.feature_table(models, images, labels, **{**ROLES, **options})


def pair_of():
    return {"clean": conv_net(seed=1), "robust": conv_net(seed=2)}


pair = pytest.fixture(scope="module")(pair_of)


@pytest.fixture(scope="module")
def expected_table(pair, short_paths):
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
    assert len(table(pair, 1.4 * images, box="none"))


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


def test_how_activations_vary_takes_two_images(images):
    for call in (lambda: features.choose_units(conv_net(), "3", images[:1]), lambda: table(pair_of(), images[:1], [0])):
        with pytest.raises(ConfigError, match="give at least two images"):
            call()
