import math

import pytest
import torch
from torch.nn.functional import softplus
from torch.utils._python_dispatch import TorchDispatchMode

from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SparseCoding, SyntheticWorld, generators
from analyses.purification.synthetic_world.training import (
    BiasSchedule,
    Descent,
    initial_weights,
    products,
    train_networks,
)

CODING = SparseCoding(16, 4)


def run(seeds, steps=3, attack=None, descent=None, **rest):
    world = SyntheticWorld.draw(CODING, seeds)
    weights = initial_weights(seeds, 24, 16)
    randoms = generators(seeds, "order")
    descent = descent or Descent(batch=20)
    return world, train_networks(
        weights, world, randoms, steps=steps, descent=descent, beta=lambda _: 0.2, attack=attack, **rest
    )


def test_the_bias_waits_then_moves_then_stays():
    schedule = BiasSchedule(0.4, 0.1, 300)
    assert [schedule(step) for step in (0, 100, 150, 200, 299, 5000)] == pytest.approx([0.4, 0.4, 0.25, 0.1, 0.1, 0.1])
    usual = BiasSchedule.usual(256, 14, 10)
    assert (usual.early, usual.late) == pytest.approx((math.sqrt(2.8 * math.log(256) / 256), 0.47 / math.sqrt(14)))


def test_initial_weights_are_gaussian_and_differ_by_seed_and_draw():
    weights = initial_weights((0, 1), 300, 50)
    assert weights.std().item() == pytest.approx(0.01, rel=0.02)
    assert torch.equal(weights[1:], initial_weights((1,), 300, 50))
    assert not torch.equal(weights, initial_weights((0, 1), 300, 50, draw=2))


@pytest.mark.parametrize("attack", [None, BallAttack("l2", 0.3), BallAttack("linf", 0.05, 3)])
@pytest.mark.parametrize("cubic", [False, True])
def test_training_is_gradient_descent_by_autograd(attack, cubic):
    descent = Descent(batch=20, rate=2.0, decay=0.01, cubic=cubic)
    world, found = run((0, 1), 2, attack, descent)
    weights, randoms = initial_weights((0, 1), 24, 16), generators((0, 1), "order")
    for _ in range(2):
        batch = world.sample(20, randoms)
        x = batch.x
        if attack:
            frozen = SymmetricNet.ruled(weights, 0.2)
            x = x + attack.perturb(frozen.input_gradient, x, batch.y)
        leaf = weights.clone().requires_grad_()
        rule = SymmetricNet.ruled(weights, 0.2)
        loss = softplus(-batch.y * SymmetricNet(leaf, rule.bias)(x)).mean(-1).sum()
        norms = leaf.norm(dim=-1)
        loss = loss + 0.01 * (norms.square() / 2 + (norms**3 / 3 if cubic else 0)).sum()
        weights = weights - 2.0 * torch.autograd.grad(loss, leaf)[0]
    torch.testing.assert_close(found, weights, rtol=1e-4, atol=1e-7)


def test_a_seed_trains_the_same_whatever_runs_beside_it():
    _, alone = run((5,), attack=BallAttack("l2", 0.1))
    _, beside = run((2, 5, 9), attack=BallAttack("l2", 0.1))
    torch.testing.assert_close(alone[0], beside[1], rtol=1e-5, atol=1e-8)


def test_training_leaves_its_start_alone_and_shows_every_step():
    seen = []
    before = initial_weights((0,), 24, 16)
    run((0,), 4, watch=lambda step, weights: seen.append((step, weights.clone())))
    assert [step for step, _ in seen] == [0, 1, 2, 3, 4]
    assert torch.equal(seen[0][1], before)
    assert torch.equal(seen[-1][1], run((0,), 4)[1])


class CountProducts(TorchDispatchMode):
    """Counts products that involve the number of units, 24."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.name in ("aten::bmm", "aten::mm"):
            self.count += any(24 in tensor.shape for tensor in args)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("attack", [None, BallAttack("l2", 0.1), BallAttack("linf", 0.1), BallAttack("l2", 0.1, 10)])
def test_a_step_takes_the_products_it_says(attack):
    with CountProducts() as counter:
        run((0,), 3, attack)
    assert counter.count == 3 * products(attack)


def test_fgm_training_from_clean_weights_lowers_the_mixture():
    from analyses.purification.measures.coefficients import unit_statistics, units
    from analyses.purification.measures.robustness import JudgedPoints, pgd_accuracy

    seeds, coding, radius = (0, 1), SparseCoding(49, 6), 0.08
    world, descent = SyntheticWorld.draw(coding, seeds), Descent(batch=200)
    schedule = BiasSchedule.usual(49, 6, 300)
    after = generators(seeds, "order", 1)
    clean = train_networks(
        initial_weights(seeds, 150, 49), world, generators(seeds, "order"), steps=300, descent=descent, beta=schedule
    )
    pure = train_networks(
        clean, world, after, steps=250, descent=descent, beta=lambda _: schedule.late, attack=BallAttack("l2", radius)
    )
    probe = JudgedPoints.draw(world, 2000, generators(seeds, "evaluation"))
    before, now = (unit_statistics(units(w, world), 6) for w in (clean, pure))
    assert (before["epsilon_positive"] > 0.95).all()
    assert (before["coverage"] > 0.9).all()
    assert (now["epsilon"] < 0.6 * before["epsilon"]).all()
    assert (now["alpha"] > 0.8 * before["alpha"]).all()
    robust = [pgd_accuracy(SymmetricNet.ruled(w, schedule.late), probe, radius) for w in (clean, pure)]
    assert (robust[1] > robust[0]).all()
