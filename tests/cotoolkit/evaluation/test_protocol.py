import numpy as np
import pytest
import torch

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.seeding import generator
from cotoolkit.evaluation.accuracy import Accuracy
from cotoolkit.evaluation.protocol import Protocol, evaluate, named_protocol, run_protocol
from tests._helpers.networks import Linear, conv_net


def full_loop(model, images, labels, threat, protocol, seed, batch_size):
    """The plain evaluation: every restart and every step on every point. Returns robust points and gradients taken."""
    model.eval()
    robust, gradients = [], 0
    for first in range(0, len(images), batch_size):
        x, y = images[first : first + batch_size], labels[first : first + batch_size]
        draws = generator(seed, "evaluation", first)
        held = model(x).argmax(1) == y
        for _ in range(protocol.restarts):
            delta = threat.random_start(x, draws)
            for _ in range(protocol.steps):
                found = input_gradient(model, x + delta, y)
                gradients += len(x)
                held &= found.logits.argmax(1) == y
                delta = threat.project(x, delta + protocol.step_size * threat.epsilon * threat.steepest(found.gradient))
            held &= model(x + delta).argmax(1) == y
        robust.append(held)
    return torch.cat(robust), gradients


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_early_freezing_finds_what_the_full_loop_finds(norm, seed):
    model = conv_net().double().eval()
    draws = torch.Generator().manual_seed(seed)
    images = torch.rand(60, 1, 6, 6, generator=draws).double()
    with torch.no_grad():
        model[-1].bias -= model(images).mean(0)  # so that no class wins everywhere
    labels = model(images).argmax(1)  # all correct, so that the attack decides
    threat = ThreatModel(0.08 if norm == "linf" else 0.3, norm)
    protocol = Protocol(steps=6, restarts=3)
    expected, full = full_loop(model, images, labels, threat, protocol, seed, 25)
    found = run_protocol(model, images, labels, threat, protocol, seed=seed, batch_size=25)
    assert 0 < expected.sum() < 60  # some points held and some fell
    assert torch.equal(found.correct, expected)
    assert found.gradient_evaluations < full


def test_early_freezing_saves_twentyfold_on_a_broken_network():
    # Every point lies just on the right side: a network without robustness.
    model = Linear(torch.full((16,), 1.0))
    images = torch.full((200, 1, 4, 4), 1e-4)
    images += 1e-5 * torch.rand(200, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.ones(200, dtype=torch.int64)
    found = run_protocol(model, images, labels, ThreatModel(0.1, box="none"), "pgd-50-10")
    assert found.accuracy.value < 0.02
    assert found.gradient_evaluations <= 200 * 500 / 20


def test_a_point_fooled_at_any_step_is_not_robust():
    class Narrow(torch.nn.Module):
        """Wrong only where the single pixel lies in [0.52, 0.55]; further on it is right again."""

        def forward(self, x):
            pixel = x.flatten(1)[:, :1]
            inside = ((pixel > 0.52) & (pixel < 0.55)).float()
            return torch.cat([pixel + 10 * inside, torch.zeros_like(pixel)], 1) * torch.tensor([[1.0, 1.0]])

    image, label = torch.full((1, 1, 1, 1), 0.51), torch.tensor([1])
    # logits (pixel, 0): label 0 would be right; here label 1 is wrong at once, label 0 only outside the window
    found = run_protocol(Narrow(), image, label, ThreatModel(0.1), Protocol(steps=4, random_start=False))
    assert found.accuracy.value == 0
    steps = Protocol(steps=4, step_size=0.25, random_start=False)

    class Wrong(Narrow):
        def forward(self, x):
            pixel = x.flatten(1)[:, :1]
            inside = ((pixel > 0.52) & (pixel < 0.55)).float().detach()
            return torch.cat([-pixel, -10 + 20 * inside], 1)

    end = Wrong()(image + 0.1).argmax(1)
    assert end.item() == 0  # the last iterate, alone, would call it robust
    found = run_protocol(Wrong(), image, torch.tensor([0]), ThreatModel(0.1), steps)
    assert found.accuracy.value == 0


def test_logits_that_are_not_finite_count_as_fooled():
    class Broken(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3] * torch.nan

    found = run_protocol(Broken(), torch.rand(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64), ThreatModel(0.1), "clean")
    assert found.accuracy.value == 0


def test_clean_and_fgsm_protocols_against_direct_computation():
    model = conv_net().eval()
    images = torch.rand(50, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(4, (50,), generator=torch.Generator().manual_seed(2))
    threat = ThreatModel(0.05)
    clean = model(images).argmax(1) == labels
    delta = threat.project(images, 0.05 * input_gradient(model, images, labels).gradient.sign())
    after = model(images + delta).argmax(1) == labels
    assert torch.equal(run_protocol(model, images, labels, threat, "clean").correct, clean)
    assert torch.equal(run_protocol(model, images, labels, threat, "fgsm").correct, after)


def test_fgsm_accuracy_can_exceed_clean_accuracy():
    # Label leaking in the extreme: label 1 is right only where a pixel has been moved off the grid of 1/8.
    class Leaky(torch.nn.Module):
        def forward(self, x):
            score = 0.01 * x.flatten(1).sum(1)
            moved = (x * 8 - (x * 8).round()).abs().amax((1, 2, 3)) > 1e-3
            return torch.stack([torch.zeros_like(score), score + torch.where(moved, 1.0, -1.0)], 1)

    images, labels = torch.full((5, 1, 2, 2), 0.5), torch.ones(5, dtype=torch.int64)
    threat = ThreatModel(0.05)
    assert run_protocol(Leaky(), images, labels, threat, "clean").accuracy.value == 0
    assert run_protocol(Leaky(), images, labels, threat, "fgsm").accuracy.value == 1
    assert run_protocol(Leaky(), images, labels, threat, "pgd-5").accuracy.value == 0


def test_evaluation_leaves_the_model_alone():
    model = conv_net().train()
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    run_protocol(model, torch.rand(8, 1, 6, 6), torch.zeros(8, dtype=torch.int64), ThreatModel(0.1), "pgd-3-2")
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())


def test_names_of_protocols():
    assert named_protocol("pgd-50-10") == Protocol(steps=50, restarts=10)
    assert named_protocol("pgd-10") == Protocol(steps=10)
    assert named_protocol("fgsm") == Protocol(steps=1, step_size=1.0, random_start=False, last_only=True)
    assert named_protocol("clean").steps == 0
    for wrong in ("pgd-0", "pgd", "pgd-50-0", "apgd", ""):
        with pytest.raises(ConfigError, match="unknown evaluation protocol"):
            named_protocol(wrong)
    with pytest.raises(ConfigError, match="did you mean pgd-50"):
        named_protocol("pdg-50")


def test_cards_differ_where_the_number_would():
    cards = {
        named_protocol(name).card(threat)["hash"]
        for name in ("pgd-50", "pgd-50-10", "fgsm")
        for threat in (ThreatModel(0.1), ThreatModel(0.2), ThreatModel(0.1, "l2"), ThreatModel(0.1, box="none"))
    }
    assert len(cards) == 12
    assert named_protocol("pgd-50").card(ThreatModel(0.1)) == named_protocol("pgd-50-1").card(ThreatModel(0.1))


def test_wilson_interval_by_hand():
    # 8 of 10 at z = 1.96: centre (0.8 + z²/20) / (1 + z²/10), half width z sqrt(0.016 + z²/400) / (1 + z²/10).
    accuracy = Accuracy.of(torch.tensor([True] * 8 + [False] * 2))
    z = 1.959963985
    centre, half = (0.8 + z**2 / 20) / (1 + z**2 / 10), z * (0.016 + z**2 / 400) ** 0.5 / (1 + z**2 / 10)
    assert accuracy == pytest.approx((0.8, centre - half, centre + half, 10))


def test_refuses_an_empty_set():
    with pytest.raises(DataError, match="there are none"):
        evaluate(conv_net(), torch.rand(0, 1, 6, 6), torch.zeros(0, dtype=torch.int64), ThreatModel(0.1), "clean")


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": -5}, {"steps": True}, {"steps": 2.5}, {"steps": 10, "restarts": 0}, {"steps": 10, "restarts": -1},
        {"steps": 10, "step_size": 0}, {"steps": 10, "step_size": -0.25}, {"steps": 10, "step_size": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_attacks_that_are_none_are_refused(settings):
    with pytest.raises(ConfigError, match="Protocol: ") as caught:
        Protocol(**settings)
    assert "\n" not in str(caught.value)


def test_numbers_of_a_protocol_are_of_any_kind():
    assert Protocol(steps=np.int64(3), restarts=2.0, step_size="1/4") == Protocol(steps=3, restarts=2)
