import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.purification.synthetic_world.ball_attack import BallAttack, ascent, random_direction, universal_direction
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SparseCoding, SyntheticWorld, generators


def case(seed, d=9, points=8, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    net = SymmetricNet.ruled(torch.randn(2, 6, d, generator=random, dtype=dtype), 0.2)
    x = torch.randn(2, points, d, generator=random, dtype=dtype)
    return net, x, torch.randint(0, 2, (2, points), generator=random).to(dtype) * 2 - 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    norm=st.sampled_from(["l2", "linf"]),
    radius=st.floats(1e-4, 10),
    steps=st.integers(1, 7),
)
def test_perturbations_stay_in_the_ball(seed, norm, radius, steps):
    net, x, y = case(seed)
    delta = BallAttack(norm, radius, steps).perturb(net.input_gradient, x, y)
    sizes = delta.norm(dim=-1) if norm == "l2" else delta.abs().amax(-1)
    assert (sizes <= radius * (1 + 1e-9)).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("steps", [1, 5])
def test_both_attacks_are_optimal_against_a_linear_score(norm, steps):
    _, x, y = case(0)
    w = torch.randn(2, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    delta = BallAttack(norm, 0.3, steps).perturb(w.expand_as, x, y)
    loss = y * (delta * w).sum(-1)
    worst = -0.3 * (w.norm(dim=-1) if norm == "l2" else w.abs().sum(-1))  # the dual norm
    torch.testing.assert_close(loss, worst.expand_as(loss))


def test_fgm_is_the_gradient_of_the_loss_made_as_long_as_the_radius():
    net, x, y = case(3)
    leaf = x.clone().requires_grad_()
    loss = torch.nn.functional.softplus(-y * net(leaf)).sum()
    (gradient,) = torch.autograd.grad(loss, leaf)
    expected = 0.2 * torch.nn.functional.normalize(gradient, dim=-1)
    torch.testing.assert_close(BallAttack("l2", 0.2).perturb(net.input_gradient, x, y), expected)
    expected = 0.2 * gradient.sign()
    torch.testing.assert_close(BallAttack("linf", 0.2).perturb(net.input_gradient, x, y), expected)


def test_without_a_gradient_there_is_no_perturbation():
    flat, y = torch.zeros(1, 3, 4), torch.ones(1, 3)
    assert torch.equal(ascent(flat, y, "l2"), flat)
    assert torch.equal(BallAttack("l2", 0.1, 3).perturb(torch.zeros_like, flat, y), flat)


def test_survivors_are_right_at_the_start_at_every_step_and_at_the_end():
    net, x, y = case(4, points=200)
    attack = BallAttack("l2", 0.4, 4)
    delta, right = torch.zeros_like(x), net(x) * y > 0
    for _ in range(4):  # by hand: steps of 2.5 / 4 of the radius, projected
        leaf = (x + delta).requires_grad_()
        (gradient,) = torch.autograd.grad((-y * net(leaf)).sum(), leaf)
        delta = delta + 0.25 * torch.nn.functional.normalize(gradient, dim=-1)
        delta = delta * (0.4 / delta.norm(dim=-1, keepdim=True)).clamp(max=1)
        right = right & (net(x + delta) * y > 0)
    assert torch.equal(attack.survivors(net, x, y), right)
    assert 0 < right.float().mean() < (net(x) * y > 0).float().mean()


def test_directions_are_unit_vectors_against_the_label():
    world = SyntheticWorld.draw(SparseCoding(20, 4), (0, 1))
    y = world.sample(30, generators((0, 1), "order")).y
    universal = universal_direction(world, y)
    torch.testing.assert_close(universal.norm(dim=-1), torch.ones(2, 30))
    aligned = (universal @ world.dictionary) @ world.signs[..., None]
    torch.testing.assert_close(aligned.squeeze(-1), -y * 20**0.5, atol=1e-4, rtol=0)
    fixed = random_direction(20, y, generators((0, 1), "attack"))
    torch.testing.assert_close(fixed * y[..., None], (fixed[:, :1] * y[:, :1, None]).expand_as(fixed))
    each = random_direction(20, y, generators((0, 1), "attack"), each=True)
    torch.testing.assert_close(each.norm(dim=-1), torch.ones(2, 30))
    assert (each[0] @ each[0].T).fill_diagonal_(0).abs().max() < 0.95
