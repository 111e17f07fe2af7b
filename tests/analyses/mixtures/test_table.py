import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from analyses.mixtures import STATISTICS, mixture_table
from analyses.mixtures.statistics.sparse import sparsity
from cotoolkit.core.errors import ConfigError, ModelError


def network(width=6):
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.ReLU(), nn.Conv2d(width, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10)
    )


def moved(model, size, seed):
    """The model with noise on its weights, of this size relative to each weight's own."""
    generator = torch.Generator().manual_seed(seed)
    model = copy.deepcopy(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(size * weight.std() * torch.randn(weight.shape, generator=generator))
    return model


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    start = network()
    clean = moved(start, 3, 1)
    robust = moved(clean, 0.3, 2)
    return {"start": start, "clean": clean, "later": moved(clean, 0.6, 3), "robust": robust}


@pytest.fixture(scope="module")
def table(models):
    return mixture_table(models, start="start", clean="clean", robust="robust")


def test_every_row_is_documented_and_there_once(table):
    assert list(table.columns) == ["model", "layer", "kind", "n_units", "n_in", "live", "statistic", "value", "null"]
    assert set(table["statistic"]) == set(STATISTICS)
    assert not table.duplicated(["model", "layer", "statistic"]).any()
    first = table[table["layer"] == "0"].iloc[0]
    assert tuple(first[["kind", "n_units", "n_in", "live"]]) == ("conv", 6, 9, 6)
    assert list(table["layer"].unique()) == ["0", "2", "5"]


def test_values_are_known_and_in_their_ranges(table):
    assert np.isfinite(table["value"]).all()
    shares = table["statistic"].str.match(r"under_|pure_|dense_|energy_|reached|same_sign|abs_cos|removed_top1$|r2_")
    assert table.loc[shares, "value"].between(-1e-6, 1 + 1e-6).all()
    ranks = table["statistic"].str.endswith(("_rank", "code_participation_units"))
    assert (table.loc[ranks, "value"] >= 1 - 1e-4).all()


def test_a_model_is_not_compared_with_itself(table):
    for name in ("start", "clean", "robust"):
        own = table[(table["model"] == name) & table["statistic"].str.endswith(f"_{name}")]
        assert set(own["statistic"]) <= {"u1_cos_clean"}
    assert "mixture_ratio" not in set(table.loc[table["model"] == "robust", "statistic"])


def test_numbers_of_one_layer_by_numpy(models, table):
    def rows(name):
        found = models[name][2].weight.detach().double().flatten(1).numpy()
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    value = table[(table["model"] == "later") & (table["layer"] == "2")].set_index("statistic")["value"]
    later, clean, robust = rows("later"), rows("clean"), rows("robust")
    cosines = (later * robust).sum(1)
    assert value["cos_robust"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert value["angle_mean_robust"] == pytest.approx(np.degrees(np.arccos(cosines)).mean(), abs=1e-3)
    assert value["pure_lineage"] == pytest.approx((cosines**2).mean(), abs=1e-5)
    assert value["dense_lineage"] == pytest.approx(1 - (cosines**2).mean(), abs=1e-5)
    assert value["under_45_robust"] == (cosines > 0.5**0.5).mean()
    u1 = np.linalg.svd(clean)[2][0]
    assert value["energy_clean_u1"] == pytest.approx(((later @ u1) ** 2).mean(), abs=1e-5)
    energies = np.linalg.svd(later, compute_uv=False) ** 2 / 8
    assert value["energy_own_u1"] == pytest.approx(energies[0], abs=1e-5)
    assert value["w_participation"] == pytest.approx(1 / (energies**2).sum(), rel=1e-4)
    change = (models["later"][2].weight - models["start"][2].weight).detach().flatten().double().numpy()
    assert value["change_density_start"] == pytest.approx(
        (change**2).sum() ** 2 / (change**4).sum() / change.size, rel=1e-4
    )
    assert value["change_size_start"] == pytest.approx(
        np.linalg.norm(change) / float(models["start"][2].weight.detach().norm()), rel=1e-4
    )


def test_the_same_seed_gives_the_same_table_whatever_other_models_there_are(models, table):
    fewer = {name: models[name] for name in ("robust", "clean", "start")}
    again = mixture_table(fewer, start="start", clean="clean", robust="robust")
    kept = table[table["model"] != "later"]
    keys = ["model", "layer", "statistic"]
    pd.testing.assert_frame_equal(
        again.sort_values(keys, ignore_index=True), kept.sort_values(keys, ignore_index=True), rtol=1e-5
    )


def test_without_a_start():
    models = {name: nn.Linear(9, 6) for name in ("clean", "robust")}
    table = mixture_table(models, start=None, clean="clean", robust="robust")
    assert not table["statistic"].str.endswith("_start").any()


def test_one_network_can_have_two_roles():
    models = {name: nn.Linear(9, 6) for name in ("clean", "robust")}
    table = mixture_table(models, start="clean", clean="clean", robust="robust")
    robust = table[table["model"] == "robust"].set_index("statistic")["value"]
    assert robust["angle_start"] == robust["angle_clean"]


def test_permuted_units_are_alike_in_the_matched_statistics_only():
    torch.manual_seed(4)
    models = {name: nn.Sequential(nn.Linear(30, 20)) for name in ("clean", "robust")}
    with torch.no_grad():
        models["clean"][0].weight.copy_(models["robust"][0].weight[torch.randperm(20)])
    found = mixture_table(models, start=None, clean="clean", robust="robust")
    value = found[found["model"] == "clean"].set_index("statistic")["value"]
    assert value["pure_matched"] == pytest.approx(1)
    assert value["pure_lineage"] < 0.3
    assert value["l0_units"] == 1
    assert value["code_top1_units"] == pytest.approx(1)


def test_dead_units_are_left_out():
    torch.manual_seed(5)
    models = {name: nn.Sequential(nn.Linear(30, 20)) for name in ("clean", "robust")}
    with torch.no_grad():
        for model in models.values():
            model[0].weight[7] = 0
        models["clean"][0].weight[8] = 0
    table = mixture_table(models, start=None, clean="clean", robust="robust")
    assert set(table["live"]) == {19}
    assert np.isfinite(table["value"]).all()


@pytest.mark.parametrize("dead", ["weights", "outputs"])
def test_layers_without_a_live_unit_are_left_out(models, dead):
    images = torch.rand(20, 1, 6, 6)
    known = {name: models[name] for name in ("clean", "later", "robust")}
    for name in ("clean", "robust"):
        broken = {**known, name: copy.deepcopy(models[name])}
        with torch.no_grad():
            if dead == "weights":
                broken[name][2].weight.zero_()
            else:
                broken[name][2].bias.fill_(-1000)
        table = mixture_table(broken, start=None, clean="clean", robust="robust", images=images)
        assert set(table["layer"]) == {"0", "5"}


def test_a_layer_of_zeros_of_another_model_is_left_out(models):
    broken = {**models, "later": copy.deepcopy(models["later"])}
    broken["later"][2].weight.data.zero_()
    table = mixture_table(broken, start="start", clean="clean", robust="robust")
    assert table.groupby("model")["layer"].nunique().to_dict() == {"start": 3, "clean": 3, "robust": 3, "later": 2}


def test_a_unit_of_zeros_does_not_count_as_explained():
    torch.manual_seed(9)
    models = {name: nn.Sequential(nn.Linear(30, 8)) for name in ("clean", "robust")}
    models["clean"][0].weight.data[3] = 0
    table = mixture_table(models, start=None, clean="clean", robust="robust")
    value = table[table["model"] == "clean"].set_index("statistic")["value"]
    clean, robust = (models[name][0].weight.detach() for name in ("clean", "robust"))
    others = sparsity(clean[[0, 1, 2, 4, 5, 6, 7]], robust)
    assert value["r2_units"] == pytest.approx(float(others.r2.mean()))
    assert value["reached_units"] == others.reached.float().mean()


def test_the_clean_network_has_no_null_on_the_direction_fitted_to_it(table):
    null = table[table["statistic"] == "energy_removed_u2"].set_index("model")["null"]
    assert null["clean"].isna().all()
    assert null.drop("clean").notna().all()


def test_layers_of_one_unit_or_one_weight_have_a_table():
    torch.manual_seed(6)
    models = {name: nn.Sequential(nn.Linear(1, 6), nn.ReLU(), nn.Linear(6, 1)) for name in ("0", "clean", "robust")}
    table = mixture_table(models, start="0", clean="clean", robust="robust")
    assert set(table["n_units"]) == {1, 6}


def test_folding_reaches_the_table():
    torch.manual_seed(7)
    models = {name: nn.Sequential(nn.Linear(9, 6), nn.BatchNorm1d(6)) for name in ("clean", "robust")}
    for model in models.values():
        nn.init.uniform_(model[1].weight, 0.5, 2)
    models["robust"][1].weight.data[0] = -1.0
    roles = {"start": None, "clean": "clean", "robust": "robust", "images": torch.randn(30, 9)}
    tables = [mixture_table(models, fold=fold, **roles).set_index(["model", "statistic"]) for fold in (False, True)]
    plain, folded = (found["value"] for found in tables)
    assert folded["robust", "cos_clean"] != pytest.approx(plain["robust", "cos_clean"])  # one unit is turned round
    assert folded["robust", "abs_cos_clean"] == pytest.approx(plain["robust", "abs_cos_clean"], rel=1e-5)


def test_silent_units_are_left_out():
    torch.manual_seed(8)
    models = {name: nn.Sequential(nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3)) for name in ("clean", "robust")}
    for model in models.values():
        model[0].bias.data[2] = -100.0
    models["clean"][0].bias.data[4] = -100.0
    models["robust"][2].bias.data[0] = -100.0  # a logit is never silent
    table = mixture_table(models, start=None, clean="clean", robust="robust", images=torch.randn(50, 9))
    assert table.groupby("layer")["live"].unique().map(list).to_dict() == {"0": [5], "2": [3]}
    with torch.no_grad():
        models["robust"][0].weight[2] *= torch.randn(9)
    again = mixture_table(models, start=None, clean="clean", robust="robust", images=torch.randn(50, 9))
    for statistic in ("angle_robust", "pure_dictionary", "energy_clean_u1", "energy_removed_u2", "l0_units"):
        values = [found.loc[found["statistic"] == statistic, "value"].tolist() for found in (table, again)]
        assert values[0] == pytest.approx(values[1])


def test_what_cannot_be_compared_is_said_in_a_line(models):
    with pytest.raises(ConfigError, match="no model pgd; there are: start, clean, later, robust"):
        mixture_table(models, start="start", clean="clean", robust="pgd")
    with pytest.raises(ConfigError, match="clean cannot be both the clean and the robust network"):
        mixture_table(models, start="start", clean="clean", robust="clean")
    with pytest.raises(ConfigError, match="folded only with images"):
        mixture_table(models, start="start", clean="clean", robust="robust", fold=True)
    wider = {**models, "wide": network(width=7)}
    with pytest.raises(ModelError, match="layer 0: 7 units x 9 weights in wide, 6 units x 9 weights in robust"):
        mixture_table(wider, start="start", clean="clean", robust="robust")
