import math

import pytest
import torch

from analyses.purification.measures.coefficients import unit_statistics, units
from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld
from tests._helpers.planted_world import planted

D, ALPHA, EPS = 24, 1.7, 0.06


def mean(values):
    return values.mean().item()


def test_planted_parts_are_recovered():
    world, weights, coefficients = planted(ALPHA, EPS, D)
    found = units(weights, world)
    torch.testing.assert_close(found.coefficients, coefficients, atol=1e-5, rtol=0)
    assert torch.equal(found.top, torch.arange(D).repeat(2).expand(2, -1))
    torch.testing.assert_close(found.alpha, ALPHA * world.signs.repeat(1, 2))
    torch.testing.assert_close(found.epsilon, torch.full((2, 2 * D), EPS), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.mixture, torch.full((2, 2 * D), EPS * ALPHA), atol=1e-6, rtol=0)
    assert found.pure.all()
    assert found.consistent.all()
    # r_i is alpha eps w* without one entry, so <r, w*> = alpha eps (d - 1) and ||r||^2 = alpha^2 eps^2 (d - 1)
    torch.testing.assert_close(found.mass, torch.full((2, 2 * D), EPS**2 * (D - 1) ** 2 / D))
    torch.testing.assert_close(found.density, torch.full((2, 2 * D), math.sqrt((D - 1) / D)))
    energy, fourth = 1 + (D - 1) * EPS**2, 1 + (D - 1) * EPS**4
    torch.testing.assert_close(found.participation, torch.full((2, 2 * D), energy**2 / fourth))
    hoyer = (math.sqrt(D) - (1 + (D - 1) * EPS) / math.sqrt(energy)) / (math.sqrt(D) - 1)
    torch.testing.assert_close(found.hoyer, torch.full((2, 2 * D), hoyer))


def test_statistics_of_a_planted_layer():
    world, weights, _ = planted(ALPHA, EPS, D)
    found = {name: mean(values) for name, values in unit_statistics(units(weights, world), k=4).items()}
    residual = EPS * math.sqrt(D - 1)
    expected = {
        "alive": 1,
        "pure_of_alive": 1,
        "coverage": 1,
        "sign_consistent": 1,
        "epsilon": EPS,
        "epsilon_all": EPS,
        "epsilon_over_k_d": EPS * D / 4,
        "epsilon_positive": 1,
        "alpha": ALPHA,
        "mixture": ALPHA * EPS,
        "residual_ratio": residual,
        "top_over_norm": 1 / math.sqrt(1 + residual**2),
        "accumulated_cosine": 1,
        "accumulated_size": EPS * (D - 1) / math.sqrt(D),  # each atom is missing once in d units
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_a_purified_layer_has_no_mixture():
    world, weights, _ = planted(ALPHA, 0.0, D)
    found = unit_statistics(units(weights, world), k=4)
    assert mean(found["epsilon"]) == pytest.approx(0, abs=1e-6)
    assert mean(found["mass"]) == pytest.approx(0, abs=1e-10)
    assert mean(found["participation"]) == pytest.approx(1, abs=1e-5)
    assert mean(found["hoyer"]) == pytest.approx(1, abs=1e-4)


def test_noise_blurs_but_does_not_bias():
    world, weights, _ = planted(ALPHA, EPS, D, copies=40, noise=0.05)
    found = unit_statistics(units(weights, world), k=4)
    # the mean of d - 1 noises of 0.05 over 960 units
    assert mean(found["mixture"]) == pytest.approx(ALPHA * EPS, abs=5 * 0.05 / math.sqrt((D - 1) * 2 * 40 * D))
    assert mean(found["accumulated_cosine"]) > 0.99


def test_a_random_layer_is_neither_pure_nor_dense():
    world = SyntheticWorld.draw(planted(1, 0, 400)[0].coding, (0,))
    found = units(torch.randn(1, 4000, 400, generator=torch.Generator().manual_seed(0)), world)
    assert not found.pure.any()
    # the null of the density, and the participation ratio of a Gaussian
    assert mean(found.density) == pytest.approx(math.sqrt(2 / (math.pi * 400)), rel=0.05)
    assert mean(found.participation) == pytest.approx(400 / 3, rel=0.02)
    statistics = unit_statistics(found, k=18)
    assert statistics["pure_of_alive"].item() == 0
    assert statistics["coverage"].item() == 0
    assert math.isnan(statistics["epsilon"].item())


def test_dead_units_are_left_out():
    world, weights, _ = planted(ALPHA, EPS, D)
    weights[:, :D] *= 0.1
    found = units(weights, world)
    assert not found.alive[:, :D].any()
    assert found.alive[:, D:].all()
    assert not found.pure[:, :D].any()


def test_signs_against_the_label_are_seen():
    world, weights, _ = planted(ALPHA, 0.0, D)
    weights[:, 0] *= -1
    found = units(weights, world)
    assert not found.consistent[:, 0].any()
    assert found.consistent[:, 1:].all()
