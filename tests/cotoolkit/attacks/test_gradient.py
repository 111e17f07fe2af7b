from typing import NamedTuple

import foolbox
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.threat_model import ThreatModel
from tests._helpers.networks import Linear, PassCounter, conv_net


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Case(NamedTuple):
    attack: str
    threat: ThreatModel
    options: dict
    expected: list[float]


# w = (1, -2) at x = (0.5, 0.5), label 1: the loss falls along w, so every attack moves along -w: sign (-1, 1).
HAND_COMPUTED = [
    Case("fgsm", ThreatModel(0.1), {}, [-0.1, 0.1]),
    Case("fgsm", ThreatModel(0.1), {"alpha": 0.05}, [-0.05, 0.05]),
    Case("fgsm", ThreatModel(0.1), {"alpha": 0.3}, [-0.1, 0.1]),  # projected back
    Case("fgsm", ThreatModel(0.8), {}, [-0.5, 0.5]),  # the box is nearer than the ball
    Case("fgsm", ThreatModel(0.8, box="none"), {}, [-0.8, 0.8]),
    Case("fgsm", ThreatModel(0.1, "l2"), {}, [-0.1 / 5**0.5, 0.2 / 5**0.5]),
    Case("pgd", ThreatModel(0.1), {"generator": None, "steps": 1}, [-0.1, 0.1]),
    Case("pgd", ThreatModel(0.1), {"generator": None, "steps": 2, "alpha": 0.03}, [-0.06, 0.06]),
    Case("pgd", ThreatModel(0.1), {"generator": draws(), "steps": 10}, [-0.1, 0.1]),  # any start ends in the corner
    Case("rs_fgsm", ThreatModel(0.1), {"generator": draws(), "alpha": 0.3}, [-0.1, 0.1]),
]


@pytest.mark.parametrize("case", HAND_COMPUTED, ids=lambda case: f"{case.attack}-{case.threat}")
def test_attacks_on_a_linear_model_by_hand(case):
    model = Linear(torch.tensor([1.0, -2.0]))
    images = torch.full((1, 1, 1, 2), 0.5)
    attacked = getattr(attacks, case.attack)(model, images, torch.tensor([1]), case.threat, **case.options)
    torch.testing.assert_close(attacked.delta.flatten(), torch.tensor(case.expected))


def test_input_gradient_by_hand():
    # loss = log(1 + e^-s) at s = w.x = 0: dl/ds = -1/2 for label 1, so the gradient is -w/2, for each sample alone.
    model = Linear(torch.tensor([1.0, -2.0]))
    images = torch.tensor([[1.0, 0.5], [0.0, 0.0], [0.4, 0.2]]).view(3, 1, 1, 2)
    found = attacks.input_gradient(model, images, torch.ones(3, dtype=torch.int64))
    torch.testing.assert_close(found.gradient.view(3, 2), torch.tensor([[-0.5, 1.0]]).expand(3, 2))
    torch.testing.assert_close(found.losses, torch.full((3,), 2.0).log())


def test_pgd_reaches_the_closed_form_worst_case_of_a_linear_model():
    # In the ball alone, the worst margin of s = w.x is s - epsilon |w|_1 (linf) or s - epsilon |w|_2 (l2).
    weight = torch.randn(12, generator=draws(1))
    images = torch.rand(20, 3, 2, 2, generator=draws(2))
    labels = torch.ones(20, dtype=torch.int64)
    for norm, dual in (("linf", weight.abs().sum()), ("l2", weight.norm())):
        threat = ThreatModel(0.3, norm, "none")
        delta = attacks.pgd(Linear(weight), images, labels, threat, generator=draws(3), steps=40, alpha=0.3).delta
        worst = images.flatten(1) @ weight - 0.3 * dual
        torch.testing.assert_close((images + delta).flatten(1) @ weight, worst, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_agrees_with_foolbox_from_the_same_start(norm):
    model = conv_net(norm=False).eval()
    images = 0.2 + 0.6 * torch.rand(16, 1, 6, 6, generator=draws(4))
    labels = torch.randint(4, (16,), generator=draws(5))
    threat = ThreatModel(0.1 if norm == "linf" else 0.7, norm, "eps_then_box")  # foolbox clips in this order
    kind = foolbox.attacks.LinfProjectedGradientDescentAttack if norm == "linf" else foolbox.attacks.L2PGD
    oracle = kind(abs_stepsize=threat.epsilon / 4, steps=7, random_start=False)
    _, theirs, _ = oracle(foolbox.PyTorchModel(model, bounds=(0, 1)), images, labels, epsilons=threat.epsilon)
    ours = attacks.pgd(model, images, labels, threat, generator=None, steps=7, alpha=threat.epsilon / 4, bn_mode="eval")
    torch.testing.assert_close(images + ours.delta, theirs, atol=1e-5, rtol=0)


def test_fgsm_agrees_with_foolbox():
    model = conv_net(norm=False).eval()
    images, labels = torch.rand(16, 1, 6, 6, generator=draws(6)), torch.randint(4, (16,), generator=draws(7))
    _, theirs, _ = foolbox.attacks.FGSM()(foolbox.PyTorchModel(model, bounds=(0, 1)), images, labels, epsilons=0.1)
    ours = attacks.fgsm(model, images, labels, ThreatModel(0.1), bn_mode="eval").delta
    torch.testing.assert_close(images + ours, theirs, atol=1e-6, rtol=0)


def test_n_fgsm_is_its_formula():
    model = conv_net(norm=False)
    images, labels = torch.rand(4, 1, 6, 6, generator=draws(8)), torch.tensor([0, 1, 2, 3])
    threat = ThreatModel(0.1, box="none")
    start = threat.scaled(2).random_start(images, draws(9))
    noisy = (images + start).requires_grad_()
    F.cross_entropy(model(noisy), labels, reduction="sum").backward()
    attacked = attacks.n_fgsm(model, images, labels, threat, generator=draws(9), k=2)
    torch.testing.assert_close(attacked.delta, start + 0.1 * noisy.grad.sign())
    assert attacked.delta.abs().max() > 0.2  # not projected back to the ball


def test_released_clamp_order_lets_n_fgsm_and_pgd_leave_the_ball():
    images = torch.full((1, 1, 1, 2), 1 + 8 / 255)
    model, label = Linear(torch.tensor([1.0, 1.0])), torch.tensor([1])
    released, sound = ThreatModel("2/255", box="eps_then_box"), ThreatModel("2/255")
    for threat, worst in ((released, 8 / 255), (sound, 2 / 255)):
        delta = attacks.pgd(model, images, label, threat, generator=draws(), steps=5).delta
        assert delta.abs().max().item() == pytest.approx(worst, abs=1e-6)


@pytest.mark.parametrize("overshoot", [3, 8, 14, 20])
@pytest.mark.parametrize("box", ["eps_then_box", "box_then_eps"])
def test_n_fgsm_of_pixels_outside_the_box_is_the_released_formula(overshoot, box):
    epsilon, images = 2 / 255, torch.tensor([1, 1, 0, 0.0]).view(1, 1, 1, 4)
    images = images + torch.tensor([1, 1, -1, -1.0]).view(1, 1, 1, 4) * overshoot / 255
    model, label = Linear(torch.tensor([1.0, -1.0, 1.0, -1.0])), torch.tensor([1])
    threat = ThreatModel(epsilon, box=box)
    found = attacks.n_fgsm(model, images, label, threat, generator=draws(3), k=2)
    # Released: noise of 2 epsilon, box, one step, box; nothing keeps it in a ball. Ours, where sound: in that of 3.
    delta = found.start + epsilon * found.gradient.sign()
    delta = (images + delta).clamp(0, 1) - images
    expected = delta if box == "eps_then_box" else delta.clamp(-3 * epsilon, 3 * epsilon)
    torch.testing.assert_close(found.delta, expected, atol=1e-7, rtol=0)
    assert (found.delta.abs().max() > 3 * epsilon + 1e-6) == (box == "eps_then_box" and overshoot > 3)


ATTACKS = {
    "fgsm": lambda *arguments, generator, **options: attacks.fgsm(*arguments, **options),  # noqa: PLW0108
    "rs_fgsm": attacks.rs_fgsm,
    "n_fgsm": attacks.n_fgsm,
    "pgd": attacks.pgd,
}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(ATTACKS)),
    st.floats(0, 0.5),
    st.sampled_from(["linf", "l2"]),
    st.sampled_from(["train", "eval"]),
    st.integers(0, 1000),
)
def test_attacks_stay_in_ball_and_box_and_leave_no_trace(name, epsilon, norm, bn_mode, seed):
    model = conv_net().train()
    model[3].eval()  # a frozen module has to stay so
    model[0].weight.requires_grad_(False)
    model(torch.rand(8, 1, 6, 6)).sum().backward()
    parameters = [(p.detach().clone(), p.requires_grad, p.grad) for p in model.parameters()]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    modes = [m.training for m in model.modules()]
    images, labels = torch.rand(6, 1, 6, 6, generator=draws(seed)), torch.randint(4, (6,), generator=draws(seed))
    threat = ThreatModel(epsilon, norm)

    delta = ATTACKS[name](model, images, labels, threat, generator=draws(seed), bn_mode=bn_mode).delta

    radius = 3 * epsilon if name == "n_fgsm" else epsilon
    flat = delta.flatten(1)
    assert ((flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)) <= radius + 1e-5).all()
    assert (images + delta).min() >= -1e-6
    assert (images + delta).max() <= 1 + 1e-6
    assert not delta.requires_grad
    assert delta.dtype == torch.float32
    for parameter, (value, requires, grad), before in zip(model.parameters(), parameters, grads, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.requires_grad == requires
        assert parameter.grad is grad
        assert before is None or torch.equal(parameter.grad, before)
    for buffer, value in model.named_buffers():
        assert torch.equal(value, buffers[buffer])
    assert [m.training for m in model.modules()] == modes
    assert model[1].track_running_stats


def test_batchnorm_modes_see_different_functions():
    model = conv_net().train()
    images, labels = torch.rand(6, 1, 6, 6, generator=draws()), torch.tensor([0, 1, 2, 3, 0, 1])
    with attacks.attack_mode(model, "train"):
        in_train = attacks.input_gradient(model, images, labels).logits
    with attacks.attack_mode(model, "eval"):
        in_eval = attacks.input_gradient(model, images, labels).logits
    model.eval()
    assert torch.equal(in_eval, model(images))
    model.train()
    assert torch.equal(in_train, model(images))
    assert not torch.allclose(in_train, in_eval)


@pytest.mark.parametrize("bn_mode", ["train", "eval"])
def test_modes_are_restored_after_an_error(bn_mode):
    model = conv_net().train()
    with pytest.raises(RuntimeError):
        attacks.fgsm(model, torch.rand(2, 3, 6, 6), torch.tensor([0, 1]), ThreatModel(0.1), bn_mode=bn_mode)
    assert all(m.training for m in model.modules())
    assert model[1].track_running_stats


@pytest.mark.parametrize(
    ("attack", "options", "passes"),
    [("fgsm", {}, 1), ("rs_fgsm", {}, 1), ("n_fgsm", {}, 1), ("pgd", {"steps": 7}, 7)],
)
def test_passes_of_an_attack(attack, options, passes):
    model = PassCounter(conv_net())
    images, labels = torch.rand(2, 1, 6, 6), torch.tensor([0, 1])
    ATTACKS[attack](model, images, labels, ThreatModel(0.1), generator=draws(), **options)
    assert (model.forwards, model.backwards) == (passes, passes)


def test_gradients_are_taken_even_where_they_are_switched_off():
    with torch.no_grad():
        delta = attacks.fgsm(conv_net(), torch.rand(2, 1, 6, 6), torch.tensor([0, 1]), ThreatModel(0.1)).delta
    assert delta.abs().max() > 0


def test_pgd_refuses_no_steps():
    with pytest.raises(ValueError, match="at least 1 step"):
        attacks.pgd(conv_net(), torch.rand(1, 1, 6, 6), torch.tensor([0]), ThreatModel(0.1), generator=None, steps=0)
