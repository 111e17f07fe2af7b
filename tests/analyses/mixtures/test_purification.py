"""The five items on planted networks whose answers are known."""

import math

import pytest
import torch
from torch import nn

from analyses.mixtures import purification_items
from analyses.mixtures.edits import put_back_parts
from cotoolkit.core.errors import ModelError
from tests._helpers.planted_mixtures import planted, random_rows

WORLD = planted(0)


def network(rows):
    model = nn.Sequential(nn.Linear(64, 48, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(rows)
    return model


def robust_accuracy(model):
    """1 without any of the mixture, 0.2 with all of it, in proportion to its share."""
    mixed = float((model[0].weight.detach() @ WORLD.mixture).mean() - (WORLD.pure @ WORLD.mixture).mean()) / WORLD.e
    return 1 - 0.8 * mixed


START, CLEAN, ROBUST = network(random_rows(1, 48, 64)), network(WORLD.units), network(WORLD.pure)
ATOMS = {"0": WORLD.features}


def held(table):
    return (
        table.groupby("item", sort=False)["holds"].agg(lambda rows: None if None in list(rows) else all(rows)).to_dict()
    )


def test_a_planted_purification_meets_all_five():
    same = network(WORLD.units + 0.05 * random_rows(2, 48, 64) / 8)
    found = purification_items(START, CLEAN, ROBUST, atoms=ATOMS, accuracy=robust_accuracy, control=same)
    assert held(found) == dict.fromkeys(("angle", "shared_removal", "sparser", "causal", "control"), True)
    assert list(found.columns) == ["layer", "item", "measure", "value", "needed", "holds"]
    assert set(found["layer"]) == {"0"}
    value = found.set_index("measure")["value"]
    assert value["share of units turned by less than 45 degrees"] == 1
    assert value["relative fall of the units' energy along it"] > 0.9
    # the shared part that is put back is e (1 - 1/64) of e: all of the gain but a 64th
    assert value["share of the gain lost with the shared part put back"] == pytest.approx(1, abs=0.03)
    assert value["the same with random directions"] < 0.1


def test_items_without_what_they_need_are_open():
    found = purification_items(START, CLEAN, ROBUST)
    assert held(found) == {"angle": True, "shared_removal": True, "sparser": None, "causal": None, "control": None}
    assert found.loc[found["holds"].isna(), "value"].isna().all()


def test_more_clean_training_is_no_purification():
    further = network(WORLD.units + 0.3 * random_rows(3, 48, 64) / 8)
    found = purification_items(START, CLEAN, further, atoms=ATOMS, accuracy=robust_accuracy)
    assert held(found)["angle"]
    assert not held(found)["shared_removal"]
    assert not held(found)["sparser"]


def test_a_new_network_fails_the_angle():
    other = network(random_rows(4, 48, 64))
    found = purification_items(START, CLEAN, other)
    assert not held(found)["angle"]


def test_a_control_that_purifies_as_well_fails_item_five():
    found = purification_items(START, CLEAN, ROBUST, atoms=ATOMS, control=ROBUST)
    assert held(found)["control"] is False
    unknown = purification_items(START, CLEAN, ROBUST, control=ROBUST)  # item 3 might still tell them apart
    assert held(unknown)["control"] is None


@pytest.mark.parametrize("of_robust", [0.5, 0.4])
def test_without_a_gain_in_robust_accuracy_the_causal_items_are_open(of_robust):
    def accuracy(model):
        if torch.equal(model[0].weight, CLEAN[0].weight):
            return 0.5
        return of_robust if torch.equal(model[0].weight, ROBUST[0].weight) else 0.0

    found = purification_items(START, CLEAN, ROBUST, accuracy=accuracy)
    found = found.set_index("item").loc["causal"]
    assert found["holds"].tolist() == [None, None]
    assert all(math.isnan(value) for value in found["value"])


def test_accuracy_is_asked_of_the_two_networks_the_edit_and_its_controls():
    asked = []
    purification_items(START, CLEAN, ROBUST, accuracy=lambda model: asked.append(model) or float(len(asked)))
    assert len(asked) == 2 + 4
    assert [model[0].weight.tolist() for model in asked[:2]] == [CLEAN[0].weight.tolist(), ROBUST[0].weight.tolist()]
    mixed = put_back_parts(ROBUST, CLEAN, ["0"])[0].weight.detach()
    assert float((asked[2][0].weight.detach() - mixed).norm()) < 0.1 * float(
        mixed.norm()
    )  # v_i lacks its part on M_j(i)


def test_units_that_never_fire_do_not_count():
    silent = torch.zeros(48, dtype=torch.bool)
    silent[:20] = True
    networks = []
    for rows, noise in ((WORLD.units, 0), (WORLD.pure, 1)):
        model = nn.Sequential(nn.Linear(64, 48), nn.ReLU())
        with torch.no_grad():
            model[0].weight.copy_(torch.where(silent[:, None], random_rows(noise, 48, 64) / 8, rows))
            model[0].bias.copy_(torch.where(silent, -100.0, 0.0))
        networks.append(model)
    start = nn.Sequential(nn.Linear(64, 48), nn.ReLU())
    share = "share of units turned by less than 45 degrees"
    for images, expected in ((None, 28 / 48), (random_rows(5, 100, 64), 1)):
        found = purification_items(start, *networks, images=images).set_index("measure")["value"]
        assert found[share] == pytest.approx(expected)


def causal(found, layer="0"):
    return found[(found["item"] == "causal") & (found["layer"] == layer)]["value"].tolist()


def test_a_layer_that_training_left_alone_loses_nothing_by_batch_norm():
    def normed(rows, bias):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.Linear(48, 3))
        with torch.no_grad():
            model[0].weight.copy_(rows)
            model[0].bias.fill_(bias)
        return model

    clean, robust = normed(WORLD.units, 0.0), normed(WORLD.pure, 1.0)
    robust[1].running_mean.fill_(5.0)  # as training left it, not what the images give
    found = purification_items(
        normed(random_rows(1, 48, 64), 0.0),
        clean,
        robust,
        accuracy=lambda model: float(model[1].running_mean.mean()),
        images=random_rows(5, 100, 64),
    )
    assert causal(found, "2") == pytest.approx([0, 0], abs=1e-3)


def test_dead_units_do_not_set_the_direction_put_back():
    stray = torch.zeros(20, 64)
    stray[:, 0] = 0.01
    across = torch.zeros(20, 64)
    across[:, 1] = 0.01  # dead, and all that they were is gone: a rest of length 1
    networks = []
    for rows, dead in ((random_rows(1, 48, 64), stray), (WORLD.units, across), (WORLD.pure, stray)):
        model = nn.Sequential(nn.Linear(64, 68, bias=False))
        model[0].weight.data = torch.cat([rows, dead])
        networks.append(model)
    found = purification_items(*networks, accuracy=lambda model: robust_accuracy(nn.Sequential(live_part(model))))
    assert causal(found)[0] == pytest.approx(1, abs=0.03)


def live_part(model):
    part = nn.Linear(64, 48, bias=False)
    part.weight.data = model[0].weight.detach()[:48]
    return part


@pytest.mark.parametrize("dead", [0, 1])
def test_a_layer_without_a_live_unit_is_open(dead):
    networks = [CLEAN, ROBUST]
    networks[dead] = network(torch.zeros(48, 64))
    found = purification_items(START, *networks, atoms=ATOMS, accuracy=robust_accuracy, control=CLEAN)
    assert found["holds"].isna().all()
    assert found["value"].isna().all()
    assert len(found) == 8


def test_codes_that_are_all_empty_leave_item_three_open():
    apart = torch.eye(65)[:, :64]  # no atom but the last, and that one is zero
    found = purification_items(START, CLEAN, ROBUST, atoms={"0": apart[64:]})
    assert held(found)["sparser"] is None


def test_networks_must_be_alike():
    with pytest.raises(ModelError, match="layer 0: 48 units x 64 weights in start, 3 units x 64 weights in robust"):
        purification_items(START, CLEAN, nn.Sequential(nn.Linear(64, 3)))
