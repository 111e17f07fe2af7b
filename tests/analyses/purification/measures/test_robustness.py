import math

import pytest
import torch

from analyses.purification.measures.coefficients import units
from analyses.purification.measures.edits import (
    dense_mixtures,
    single_edits,
    transfer_statistics,
    with_mixtures_of,
    without_mixtures,
)
from analyses.purification.measures.robustness import (
    JudgedPoints,
    accuracy,
    contents,
    curves,
    fgm_accuracy,
    half_radius,
    moved_accuracy,
    pgd_accuracy,
)
from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import generators
from tests._helpers.planted_world import planted

BETA = 0.25


@pytest.fixture(scope="module")
def scene():
    world, weights, _ = planted(1.5, 0.12)
    pure = planted(1.5, 0.0)[1]
    probe = JudgedPoints.draw(world, 1200, generators((0, 1), "evaluation"))
    return world, SymmetricNet.ruled(weights, BETA), SymmetricNet.ruled(pure, BETA), probe


def test_blocks_are_the_points(scene):
    *_, probe = scene
    assert [part.batch.y.shape[-1] for part in probe.blocks()] == [500, 500, 200]
    assert torch.equal(torch.cat([part.batch.x for part in probe.blocks()], 1), probe.batch.x)


def test_accuracies_by_hand(scene):
    world, net, _, probe = scene
    x, y = probe.batch.x, probe.batch.y
    torch.testing.assert_close(accuracy(net, probe), (net(x) * y > 0).float().mean(-1))
    moved = x - 0.1 * y[..., None] * world.dense_direction[:, None]
    torch.testing.assert_close(moved_accuracy(net, probe, "universal", 0.1), (net(moved) * y > 0).float().mean(-1))
    delta = BallAttack("linf", 0.02).perturb(net.input_gradient, x, y)
    torch.testing.assert_close(fgm_accuracy(net, probe, 0.02, "linf"), (net(x + delta) * y > 0).float().mean(-1))


def test_curves_are_the_accuracies_at_each_radius(scene):
    _, net, _, probe = scene
    radii = (0.0, 0.05, 0.2)
    found = curves(net, probe, radii)
    assert set(found) == {"fgm", "pgd", "universal", "random", "random_each"}
    for place, radius in enumerate(radii):
        by_hand = {
            "fgm": fgm_accuracy(net, probe, radius),
            "pgd": pgd_accuracy(net, probe, radius),
            "universal": moved_accuracy(net, probe, "universal", radius),
            "random_each": moved_accuracy(net, probe, "random_each", radius),
        }
        for name, value in by_hand.items():
            # one point in a thousand may fall on the other side by rounding
            torch.testing.assert_close(found[name][:, place], value, atol=2e-3, rtol=0)


def test_half_of_the_points_stand_at_the_half_radius(scene):
    _, net, _, probe = scene
    found = half_radius(net, probe, high=3.0)
    for seed in range(2):
        assert fgm_accuracy(net, probe, found[seed].item())[seed].item() == pytest.approx(0.5, abs=0.01)


def test_a_mixture_makes_a_net_fragile_along_the_dense_direction(scene):
    world, net, pure, probe = scene
    assert (moved_accuracy(net, probe, "universal", 0.1) < moved_accuracy(pure, probe, "universal", 0.1)).all()
    x, y = probe.batch.x, probe.batch.y
    dense, own = (
        contents(BallAttack("l2", 0.1).perturb(n.input_gradient, x, y), probe.batch, world) for n in (net, pure)
    )
    assert (dense["universal_cosine"] > own["universal_cosine"]).all()
    # a pure net's gradient is made of the atoms whose units are open
    assert (own["active_energy"] > 0.9).all()


def test_contents_of_known_perturbations(scene):
    world, _, _, probe = scene
    found = contents(probe.directions["universal"] * 0.3, probe.batch, world)
    torch.testing.assert_close(found["universal_cosine"], torch.ones(2))
    active = (probe.batch.z != 0).float().mean((1, 2))  # the dense direction has 1/d of its energy on every atom
    torch.testing.assert_close(found["active_energy"], active)


def test_mixtures_can_be_taken_out_and_put_back(scene):
    world, net, pure, _ = scene
    bare = without_mixtures(net, world)
    left = bare.weights @ world.dictionary
    # what is left of a planted residual: its own entry, where the projection on w* put -alpha eps (d - 1) / d
    d = world.coding.d
    top = torch.arange(d).repeat(2)
    assert torch.equal(bare.bias, net.bias)
    others = left.clone()
    others[:, torch.arange(2 * d), top] = 0
    assert others.abs().max().item() == pytest.approx(1.5 * 0.12 / d, rel=1e-3)
    restored = with_mixtures_of(pure, net, world)
    torch.testing.assert_close(restored.weights - pure.weights, net.weights - bare.weights, atol=1e-6, rtol=0)
    assert torch.equal(restored.bias, pure.bias)
    aligned = 1.5 * 0.12 * (d - 1) / math.sqrt(d)
    sizes = dense_mixtures(units(net.weights, world), world).norm(dim=-1)
    torch.testing.assert_close(sizes, torch.full((2, 2 * d), aligned), atol=1e-5, rtol=0)


def test_restored_mixtures_are_in_units_of_the_features(scene):
    world, net, pure, _ = scene
    from dataclasses import replace

    larger = with_mixtures_of(replace(pure, weights=3 * pure.weights), net, world)
    torch.testing.assert_close(larger.weights, 3 * with_mixtures_of(pure, net, world).weights, atol=1e-5, rtol=0)


def test_single_edits_are_nothing_on_a_pure_net(scene):
    world, net, pure, probe = scene
    assert single_edits(pure, probe, world).tolist() == [0, 0]
    assert (single_edits(net, probe, world) < 0.05).all()


def test_a_net_transfers_to_itself(scene):
    _, net, pure, probe = scene
    found = transfer_statistics(net, net, pure, probe, 0.1)
    torch.testing.assert_close(found["transfer_clean"], fgm_accuracy(net, probe, 0.1))
    torch.testing.assert_close(found["perturbation_cosine"], torch.ones(2))
