import pytest
import torch
from pyautoattack.square import SquareAttack

from cotoolkit.attacks.square import square_attack, square_side
from cotoolkit.attacks.threat_model import ThreatModel
from tests._helpers.networks import Linear, conv_net


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_sides_are_those_of_the_paper():
    # 28 x 28 and 10,000 queries: sqrt(0.8 * 784) = 25 until query 10, then 0.4 (18), ..., 0.8 / 512 (1).
    sides = [square_side(query, 10_000, 28, 28) for query in (0, 10, 11, 51, 201, 8001)]
    assert sides == [25, 25, 18, 13, 9, 1]


def test_fewer_queries_run_through_the_same_sides():
    assert [square_side(query, 100, 28, 28) for query in (0, 1, 99)] == [25, 13, 1]


def test_it_finds_what_there_is_to_find_on_a_linear_network():
    """A stripe or a square cannot mix signs within itself, but 1 x 1 squares reach every corner of the ball."""
    weight = torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1, 1]).view(1, 3, 3)
    images = torch.full((2, 1, 3, 3), 0.5)
    model, labels = Linear(weight), torch.tensor([1, 1])  # score w.x = 0.5; an attack takes up to 9 epsilon away
    near, far = ThreatModel(0.05), ThreatModel(0.06)
    assert square_attack(model, images, labels, near, queries=400, generator=draws()).all()
    assert not square_attack(model, images, labels, far, queries=400, generator=draws()).any()


def test_it_agrees_with_autoattacks(standard):
    """Means of three runs each, as both draw their own numbers: they differ by 0.04, give or take 0.025."""
    images, labels = standard.images[:120], standard.labels[:120]
    clean = standard.model(images).argmax(1) == labels
    for epsilon in (0.1, 0.2):
        ours, theirs = [], []
        for seed in range(3):
            threat = ThreatModel(epsilon)
            held = square_attack(standard.model, images, labels, threat, queries=150, generator=draws(seed))
            assert not (held & ~clean).any()
            ours.append(held)
            attack = SquareAttack(
                standard.model, n_queries=150, eps=epsilon, resc_schedule=True, seed=seed, device="cpu"
            )
            fooled = attack.perturb(images[clean], labels[clean])
            theirs.append(
                torch.zeros_like(clean).masked_scatter(clean, standard.model(fooled).argmax(1) == labels[clean])
            )
        shares = [torch.stack(found).float().mean().item() for found in (ours, theirs)]
        assert shares[0] == pytest.approx(shares[1], abs=0.12)


def test_a_batch_at_a_time_and_the_modes_afterwards():
    model = conv_net().train()
    images, labels = torch.rand(5, 1, 6, 6, generator=draws()), torch.tensor([0, 1, 2, 3, 0])
    state = {name: value.clone() for name, value in model.state_dict().items()}
    square_attack(model, images, labels, ThreatModel(0.1), queries=5, generator=draws(), batch_size=2)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())


def test_the_same_draws_give_the_same_points(standard):
    images, labels = standard.images[:40], standard.labels[:40]
    runs = [
        square_attack(standard.model, images, labels, ThreatModel(0.15), queries=20, generator=draws(7))
        for _ in range(2)
    ]
    assert torch.equal(*runs)


def test_only_linf():
    with pytest.raises(ValueError, match="linf"):
        square_attack(conv_net(), torch.rand(1, 1, 6, 6), torch.tensor([0]), ThreatModel(1, "l2"), queries=1,
                      generator=draws())  # fmt: skip
