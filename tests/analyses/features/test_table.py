import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from analyses.core.statistics import bootstrap
from analyses.features import STATISTICS, classified_correctly, feature_table
from analyses.features.gradients import (
    direction_share,
    fgsm_perturbations,
    input_gradients,
)
from analyses.features.maximisation import total_variation
from analyses.features.observed import Effort, maximised_units
from analyses.features.spectra import high_frequency_share
from analyses.features.table import _interval
from analyses.features.table_statistics import OF_UNITS
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, DataError, ModelError
from interventions import InterventionError
from tests._helpers.toys import conv_net, fingerprint, linear

pytestmark = pytest.mark.usefixtures("short_paths")
CHEAP = {"effort": Effort(path_steps=10, shap_samples=3, units=4, starts=2, ascent_steps=4)}


def data(count=12):
    images = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    return images, torch.arange(count) % 3


@pytest.fixture(scope="module")
def models():
    return {"clean": conv_net(seed=1), "robust": conv_net(seed=2), "twin": conv_net(seed=1), "other": conv_net(seed=3)}


@pytest.fixture(scope="module")
def table(models, short_paths):
    images, labels = data()
    directions = torch.randn(3, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    before = {name: fingerprint(model) for name, model in models.items()}
    found = feature_table(
        models, images, labels, clean="clean", robust="robust", epsilon=0.1, directions=directions, **CHEAP
    )
    assert {name: fingerprint(model) for name, model in models.items()} == before
    return found


def test_the_table_has_every_documented_statistic_of_every_model_once(table, models):
    assert list(table.columns) == ["model", "layer", "statistic", "value", "low", "high", "n"]
    assert not table.duplicated(["model", "layer", "statistic"]).any()
    for name in models:
        mine = table[table["model"] == name]
        assert set(mine["statistic"]) == set(STATISTICS)
        assert set(mine["layer"]) == {"", "0", "3", "7"}  # first, middle and last hidden layer
    assert table["value"].notna().all()
    inside = table[table["n"] > 1]
    assert (inside["low"] <= inside["value"] + 1e-9).all()
    assert (inside["value"] <= inside["high"] + 1e-9).all()


def test_a_twin_is_its_model_and_agrees_with_it_fully(table):
    clean, twin = (table[table["model"] == name].drop(columns="model") for name in ("clean", "twin"))
    np.testing.assert_array_equal(clean["value"], twin["value"])
    with_clean = twin[twin["statistic"].str.endswith("with_clean")]
    assert with_clean["value"].to_numpy() == pytest.approx(1)
    assert len(with_clean) == 11
    assert (table[table["statistic"].str.endswith("with_clean") & (table["model"] == "other")]["value"] < 0.9).all()


def test_band_shares_sum_to_one_and_the_null_is_rank_over_entries(table):
    wide = table[table["layer"] == ""].pivot(index="model", columns="statistic", values="value")
    for name in ("input_gradient", "fgsm"):
        total = sum(wide[f"{name}_{band}_share"] for band in ("low", "mid", "high"))
        assert total.to_numpy() == pytest.approx(1)
    assert wide["direction_share_null"].to_numpy() == pytest.approx(3 / 36)
    nulls = table[table["statistic"] == "direction_share_null"]
    assert (nulls["n"] == 0).all()
    assert nulls[["low", "high"]].isna().all(axis=None)


def test_the_seed_decides_and_directions_are_optional(models):
    images, labels = data(6)
    two = {name: models[name] for name in ("clean", "robust")}
    first, second = (
        feature_table(two, images, labels, clean="clean", robust="robust", epsilon=0.1, **CHEAP) for _ in range(2)
    )
    assert first.equals(second)
    assert set(STATISTICS) - set(first["statistic"]) == {
        "input_gradient_direction_share",
        "fgsm_direction_share",
        "direction_share_null",
    }


def test_a_vision_transformer_has_a_table():
    def transformer(seed):
        torch.manual_seed(seed)
        model = VisionTransformer(6, 3, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=10, num_classes=3)
        nn.init.normal_(model.heads.head.weight)  # it starts at zero, without a gradient
        return model

    images, labels = torch.rand(6, 3, 6, 6, generator=torch.Generator().manual_seed(2)), torch.arange(6) % 3
    models = {"clean": transformer(1), "robust": transformer(2)}
    table = feature_table(models, images, labels, clean="clean", robust="robust", epsilon=0.1, **CHEAP)
    assert len(set(table["layer"])) == 4
    gains = table[table["statistic"] == "maximised_gain"]["value"]
    assert len(gains) == 6
    assert (gains > 0).all()


def test_the_interval_is_close_to_the_bias_corrected_one():
    values = np.random.default_rng(5).normal(size=200)
    expected = bootstrap(values)
    holed = np.concatenate([values, [np.nan] * 3])
    for low, high in (_interval(values, 0), _interval(holed, 1)):
        assert low == pytest.approx(expected.low, abs=0.012)
        assert high == pytest.approx(expected.high, abs=0.012)


def test_maximisation_of_linear_units_by_hand():
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(3, 1, 6, 6, generator=generator)
    images = torch.rand(9, 1, 6, 6, generator=generator)
    effort = Effort(path_steps=1, shap_samples=1, units=2, starts=2, ascent_steps=5)
    units = maximised_units(linear(weight), "1", [2, 0], images, 0.7, effort, box=False)
    found = {name: statistic.compute(units) for name, statistic in OF_UNITS.items()}
    own = weight[[2, 0]]
    length, spread = own.flatten(1).norm(dim=1), (images.flatten(1) @ own.flatten(1).T).std(dim=0)
    torch.testing.assert_close(found["maximised_gain"], 0.7 * length / spread)
    torch.testing.assert_close(found["maximised_total_variation"], total_variation(own) * 0.7 / length)
    shares = found["maximised_high_frequency_share"]
    torch.testing.assert_close(shares, high_frequency_share(own), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found["maximised_stability"], torch.ones(2, dtype=torch.float64))


def test_images_that_all_models_know():
    weight = torch.eye(2).view(2, 1, 1, 2)
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).view(3, 1, 1, 2)
    two = {"a": linear(weight), "b": linear(weight.flip(0))}
    labels = torch.tensor([0, 1, 1])
    assert classified_correctly({"a": two["a"]}, images, labels).tolist() == [True, True, False]
    assert not classified_correctly(two, images, labels).any()


def test_gradients_and_perturbations_of_a_linear_model_by_hand():
    weight = torch.tensor([[3.0, -1.0], [0.0, 0.0]]).view(2, 1, 1, 2)
    model, images, labels = linear(weight), torch.full((2, 1, 1, 2), 0.5), torch.tensor([0, 1])
    p = float(torch.sigmoid(torch.tensor(1.0)))  # of class 0, at logits (1, 0)
    gradient = input_gradients(model, images, labels).flatten(1)
    torch.testing.assert_close(
        gradient, torch.tensor([[-3.0, 1.0], [0, 0]]) * (1 - p) + torch.tensor([[0.0, 0], [3, -1]]) * p
    )
    delta = fgsm_perturbations(model, images, labels, ThreatModel(0.1))
    torch.testing.assert_close(delta.flatten(1), torch.tensor([[-0.1, 0.1], [0.1, -0.1]]))
    axis = torch.tensor([[1.0, 0.0], [2.0, 0.0]]).view(2, 1, 1, 2)
    share = direction_share(torch.tensor([[3.0, 4.0], [1e-30, 0.0]]).view(2, 1, 1, 2), axis)
    assert share.share.tolist() == pytest.approx([9 / 25, 1])
    assert share.null == 0.5  # two parallel directions of two entries have rank 1


def test_random_vectors_have_the_null_share_in_a_span():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4000, 1, 6, 6, generator=generator)
    found = direction_share(vectors, torch.randn(5, 1, 6, 6, generator=generator))
    assert found.null == pytest.approx(5 / 36)
    assert found.share.mean().item() == pytest.approx(found.null, abs=0.004)


def test_bad_input_is_refused_in_one_line(models):
    images, labels = data(4)

    def call(some=models, x=images, y=labels, **options):
        return feature_table(some, x, y, **{"clean": "clean", "robust": "robust", "epsilon": 0.1, **options})

    with pytest.raises(ConfigError, match="robust='strong' is none of the models: clean, robust, twin, other"):
        call(robust="strong")
    with pytest.raises(ConfigError, match="'clean' cannot be both the clean and the robust model"):
        call(robust="clean")
    with pytest.raises(ConfigError, match="there are none"):
        call({})
    with pytest.raises(DataError, match="4 labels for 1 image"):
        call(x=images[0])
    with pytest.raises(DataError, match="3 labels for 4 images"):
        call(y=labels[:3])
    with pytest.raises(InterventionError, match=r"it is \(n, 1, 6, 6\)"):
        call(directions=torch.ones(2, 36), **CHEAP)
    with pytest.raises(ConfigError, match="not zero"):
        call(directions=torch.zeros(2, 1, 6, 6), **CHEAP)
    with pytest.raises(ModelError, match="model 'x' is not of the architecture of 'clean'"):
        call({**models, "x": conv_net(classes=4)})
    shallow = {"clean": linear(torch.ones(3, 1, 6, 6)), "robust": linear(torch.ones(3, 1, 6, 6))}
    with pytest.raises(ModelError, match="no hidden"):
        call(shallow, **CHEAP)
