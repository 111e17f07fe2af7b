"""The planted mixture is recovered: its direction, its size, and that one atom is left once it is removed."""

import pytest
import torch
from torch import nn

from analyses.mixtures import mixture_table
from analyses.mixtures.statistics.change import split_by_reference
from analyses.mixtures.statistics.directions import (
    coefficients,
    common_direction,
    energy_share,
    random_grams,
    removed_direction,
    top_share,
)
from analyses.mixtures.statistics.sparse import atoms_needed
from analyses.mixtures.units.hidden_units import unit_length
from tests._helpers.planted_mixtures import planted, random_rows


@pytest.mark.parametrize("seed", range(3))
def test_direction_and_size_of_a_planted_mixture(seed):
    world = planted(seed)
    u1 = common_direction(world.units)
    assert float(u1 @ world.mixture) > 0.995
    assert float(common_direction(-world.units) @ world.mixture) < -0.995
    parts = split_by_reference(world.units, world.pure)
    # <v_i, u> = e (1 - 1/d) / |u off the feature|: v_i is e * mixture less its part along M_j(i)
    assert (parts.rest @ world.mixture).mean() == pytest.approx(world.e * (1 - 1 / 64), abs=0.01)
    assert float(removed_direction(parts.rest_per_length) @ world.mixture) > 0.995
    # beta = 1 + e / sqrt(d)
    assert parts.beta.mean() == pytest.approx(1 + world.e / 8, abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_one_atom_is_left_once_the_mixture_is_removed(seed):
    world = planted(seed)
    mixed, reached = atoms_needed(world.units, world.features)
    assert reached.all()
    assert mixed.min() > 10
    removed = world.units - world.e * world.mixture
    assert atoms_needed(removed, world.features)[0].tolist() == [1.0] * 48


def test_atoms_that_repeat_span_no_more_whatever_their_round_off():
    few = random_rows(0, 30, 64)
    atoms = torch.cat([few, few, -few]) * (1 + 2e-7 * torch.randn(90, 64, generator=torch.Generator().manual_seed(0)))
    rows = torch.cat([random_rows(1, 20, 64), torch.randn(20, 30, generator=torch.Generator().manual_seed(1)) @ few])
    _, reached = atoms_needed(rows, unit_length(atoms))
    assert reached.tolist() == [False] * 20 + [True] * 20


def test_the_removed_parts_share_one_direction_far_beyond_chance():
    world = planted(3)
    parts = split_by_reference(world.units, world.pure).rest_per_length
    found = top_share(parts, random_grams(48, 64, torch.Generator().manual_seed(0)))
    assert found.share > 0.9
    assert found.share > 3 * found.null
    assert found.z > 10


def test_energy_along_the_mixture_by_hand():
    # rows (1, 0), (1, 1), (0, -2): energy along (0, 1) is 0, 1/2, 1
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -2.0]])
    assert coefficients(rows, torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0, 0.5**0.5, -1])
    assert energy_share(rows, torch.tensor([0.0, 1.0])) == pytest.approx(0.5)


def test_the_table_sees_a_planted_purification():
    world = planted(4)
    networks = {name: nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 2)) for name in ("0", "c", "r")}
    with torch.no_grad():
        networks["c"][0].weight.copy_(world.units)
        networks["r"][0].weight.copy_(world.pure)
    table = mixture_table(networks, start="0", clean="c", robust="r")
    rows = table[table["layer"] == "0"].set_index(["model", "statistic"])
    value = rows["value"]
    assert value["c", "energy_clean_u1"] > 0.2
    assert value["r", "energy_clean_u1"] < 0.05
    assert value["c", "under_45_robust"] == 1
    # tan theta = 0.6 * sqrt(1 - 1/64) / (1 + 0.6 / 8)
    assert value["c", "mixture_ratio"] == pytest.approx(0.554, abs=0.01)
    assert value["c", "pure_lineage"] == pytest.approx(1 / (1 + 0.554**2), abs=0.01)
    assert value["c", "pure_lineage"] == pytest.approx(value["c", "pure_matched"])
    assert value["c", "removed_top1_z"] > 10
    assert value["c", "off_diagonal"] > 3 * value["r", "off_diagonal"]
    assert value["r", "w_stable_rank"] > 3 * value["c", "w_stable_rank"]
    assert value["c", "same_sign_clean_u1"] == 1
