"""Trained networks, end to end."""

import math

import pytest
import torch
from torch import nn

from cotoolkit import diagnose
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.measurements import AutoAttackResult
from cotoolkit.diagnosis.measuring.autoattack import AutoAttackRun, autoattack
from cotoolkit.diagnosis.measuring.statistics import rate_of
from cotoolkit.diagnosis.schema import Diagnosis
from tests._helpers.small_budget import SMALL_BUDGET
from tests._helpers.trained_networks import RADIUS, Hiding, never_trained


def diagnosed(trained, model=None, **changes):
    data = (trained.images, trained.labels)
    return diagnose(
        model or trained.model, data, **{"epsilon": trained.epsilon, "budget": SMALL_BUDGET, "device": "cpu", **changes}
    )


def signals(evidence):
    return {one.signal for one in evidence}


@pytest.fixture(scope="module")
def of_overfitted(overfitted):
    return diagnosed(overfitted)


def test_a_pgd_trained_network_is_robust(robust):
    found = diagnosed(
        robust, epsilon=0.1
    )  # well inside of the radius of training: at that the last attack takes points
    assert found.verdict.label == "robust"
    assert found.measurements.worst.low > found.verdict.floor
    assert "accuracy under all attacks" in signals(found.verdict.speaks_for)
    assert found.measurements.unbounded.accuracy.value < 0.05


def test_a_network_that_fgsm_trained_is_catastrophically_overfitted(of_overfitted):
    verdict, found = of_overfitted.verdict, of_overfitted.measurements
    assert verdict.label == "catastrophic overfitting"
    assert verdict.confidence == "high"
    # Training differs between processors; that one step helps the network, and several destroy it, does not.
    clean = found.clean.accuracy.value
    assert found.fgsm_at(1, RADIUS).accuracy.value > clean > 0.6
    assert found.pgd.accuracy.value < clean - 0.4
    assert signals(verdict.speaks_for) >= {"PGD accuracy, as a share of FGSM's", "abnormal adversarial examples"}


def test_a_clean_trained_network_is_not_robust(standard):
    verdict = diagnosed(standard).verdict
    assert verdict.label == "not robust"
    assert not verdict.speaks_against


def test_a_network_that_was_never_trained_is_not_robust(standard):
    verdict = diagnosed(standard, never_trained()).verdict
    assert verdict.label == "not robust"
    assert "guessing" in verdict.reason


@pytest.mark.parametrize(
    ("how", "whose"),
    [("quantised", "standard"), ("detached", "standard"), ("scaled", "standard"), ("random", "standard"),
     ("quantised", "robust"), ("scaled", "robust"), ("random", "robust")],
)  # fmt: skip
def test_a_hidden_gradient_is_masking_whatever_it_hides(how, whose, request):
    trained = request.getfixturevalue(whose)
    verdict = diagnosed(trained, Hiding(trained.model, how)).verdict
    assert verdict.label == "gradient masking (other)"
    assert verdict.speaks_for


def test_overfitting_is_seen_from_beyond_its_radius(overfitted):
    assert diagnosed(overfitted, epsilon=1.5 * RADIUS).verdict.label == "catastrophic overfitting"


def test_it_is_repeatable_and_survives_json(of_overfitted, overfitted):
    again = diagnosed(overfitted)
    assert again.measurements == of_overfitted.measurements
    assert again.verdict == of_overfitted.verdict
    assert Diagnosis.from_json(again.to_json()) == again


def test_random_networks_are_measured_repeatably(standard):
    model = Hiding(standard.model, "random")
    first, second = (diagnosed(standard, model, points=40).measurements for _ in range(2))
    assert first == second


def test_the_default_device_changes_nothing(of_overfitted, overfitted):
    torch.set_default_device("meta")  # stands for a GPU
    try:
        assert diagnosed(overfitted).measurements == of_overfitted.measurements
    finally:
        torch.set_default_device(None)


def test_the_network_and_the_random_state_are_left_as_they_were(standard):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10)).train()
    model[1].weight.requires_grad_(False)
    model(standard.images)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.parameters()]
    random_state = torch.get_rng_state()
    diagnosed(standard, model, points=40)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_progress_runs_from_nothing_to_all(standard):
    told = []
    diagnosed(standard, points=30, progress=lambda *part: told.append(part))
    total = told[0][2]
    assert [done for _, done, _ in told] == list(range(total + 1))
    assert {part[2] for part in told} == {total}
    assert all(what for what, _, _ in told)


def test_the_protocol_and_the_passes_are_recorded(of_overfitted):
    protocol, found = of_overfitted.protocol, of_overfitted.measurements
    sweeps = [*found.fgsm, *found.pgd_steps, *found.pgd_radii]
    attacks = [found.clean, found.pgd, *sweeps, *found.strong, *found.last, found.unbounded]
    assert {attack.card for attack in attacks} <= set(protocol.cards)
    assert all(key == card["hash"] for key, card in protocol.cards.items())
    assert protocol.points == 180
    assert protocol.few == 40
    # One forward pass for the sweep's gradient and one for each radius alone come to more than this.
    assert of_overfitted.environment.forward_passes > 180 * (1 + len(SMALL_BUDGET.fgsm_radii))
    assert of_overfitted.environment.backward_passes > 180


def test_few_points_and_two_classes_are_no_error(standard):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    two = standard.labels < 2
    found = diagnose(model, (standard.images[two][:12], standard.labels[two][:12]), epsilon=0.1, budget=SMALL_BUDGET)
    assert found.verdict.label in ("not robust", "inconclusive")
    assert found.measurements.classes == 2


def test_one_gradient_is_enough_for_a_large_image_and_three_channels():
    class Bright(nn.Module):
        def forward(self, images):
            score = 50 * (images.mean((1, 2, 3)) - 0.5)
            return torch.stack([-score, score], 1)

    dark = torch.rand(40, 3, 9, 12, generator=torch.Generator().manual_seed(0)) * 0.4
    images = torch.cat([dark, 1 - dark])
    found = diagnose(Bright(), (images, torch.arange(80) // 40), epsilon="8/255", budget=SMALL_BUDGET)
    assert found.verdict.label == "robust"  # the means are 0.3 apart from the boundary, and the radius is 0.03
    assert found.measurements.signal("gradient_alignment").mean.value == pytest.approx(1)
    assert math.isclose(sum(found.measurements.spectrum.fgsm), 1, rel_tol=1e-4)


@pytest.mark.parametrize("epsilon", [0, -0.1, 1.5, "8/0", "much"])
def test_a_radius_that_is_none_is_refused(standard, epsilon):
    with pytest.raises(ConfigError, match="epsilon"):
        diagnosed(standard, epsilon=epsilon)


def test_autoattack_keeps_its_own_numbers(standard, monkeypatch):
    images, labels = standard.images[:12], standard.labels[:12]
    model = standard.model.train()
    found = autoattack(model, images, labels, ThreatModel(RADIUS), classes=10, seed=0)
    assert found.accuracy.value == 0
    assert found.version == "standard"
    assert found.attacks == ("apgd-ce", "apgd-t", "fab-t", "square")
    assert model.training
    model.eval()


@pytest.mark.parametrize(
    ("classes", "randomised", "version", "attacks"),
    [
        (2, False, "custom", ("apgd-ce", "fab", "square")),
        (2, True, "custom", ("apgd-ce",)),
        (3, False, "custom", ("apgd-ce", "fab", "square")),
        (3, True, "rand", ("apgd-ce", "apgd-dlr")),
        (4, False, "standard", ("apgd-ce", "apgd-t", "fab-t", "square")),
    ],
)
@pytest.mark.filterwarnings("ignore:it seems to be a")
def test_autoattack_takes_few_classes(classes, randomised, version, attacks):
    # Class k has a lamp of its own: two lamps differ by 0.5, so that a radius of 0.3 fools all.
    labels = torch.arange(4) % classes
    images = 0.25 + 0.5 * nn.functional.one_hot(labels, classes).float().view(4, 1, 1, classes)
    model = nn.Sequential(nn.Flatten())
    found = autoattack(model, images, labels, ThreatModel(0.3), classes=classes, seed=0, randomised=randomised)
    assert (found.version, found.attacks, found.accuracy.value) == (version, attacks, 0)


def test_autoattack_minds_the_outputs_that_no_point_shows(standard):
    two = standard.labels < 2
    found = diagnose(
        standard.model, (standard.images[two], standard.labels[two]), epsilon=RADIUS, budget="quick", points=12,
        autoattack=True, device="cpu",
    )  # fmt: skip
    assert found.measurements.autoattack.version == "standard"


def test_autoattack_gets_only_the_points_that_are_left():
    labels = torch.arange(12) % 2
    images = 0.25 + 0.5 * nn.functional.one_hot(labels, 2).float().view(12, 1, 1, 2)
    left = torch.zeros(12, dtype=torch.bool)
    left[[2, 5]] = True
    model = nn.Sequential(nn.Flatten())
    settings = {"classes": 2, "seed": 0, "randomised": True}  # which spares it the attacks that take longest
    found = autoattack(model, images, labels, ThreatModel(0.2), left=left, **settings)
    assert (found.tried, found.accuracy.value) == (2, 2 / 12)  # two lamps differ by 0.5, so nothing can be fooled
    none = autoattack(model, images, labels, ThreatModel(0.2), left=~left & left, **settings)
    assert (none.tried, none.accuracy.value) == (0, 0)


@pytest.mark.parametrize(
    ("whose", "asked", "there", "ran"),
    [("robust", None, True, True), ("robust", None, False, False), ("robust", False, True, False),
     ("standard", None, True, False)],
)  # fmt: skip
def test_a_second_opinion_is_given_where_a_verdict_rests_on_it(whose, asked, there, ran, request, monkeypatch):
    """On few points and with the opinion itself replaced, which takes long."""
    trained, told = request.getfixturevalue(whose), []

    def opinion(model, images, labels, threat, *, left, **settings):
        told.append(int(left.sum()))
        record = AutoAttackResult(
            version="standard", package="0", attacks=("square",), tried=told[-1], accuracy=rate_of(left), seconds=0
        )
        return AutoAttackRun(record, left)

    monkeypatch.setattr("cotoolkit.diagnosis.measuring.run_measurements.run_autoattack", opinion)
    monkeypatch.setattr("cotoolkit.diagnosis.diagnose.installed", lambda: there)
    budget = SMALL_BUDGET.model_copy(update={"second_opinion": True, "few": 60, "strong_steps": 3, "target_steps": 3})
    found = diagnosed(trained, budget=budget, points=60, autoattack=asked)
    assert (found.measurements.autoattack is not None) == ran
    assert told == ([round(found.measurements.worst.value * 60)] if ran else [])


def test_autoattack_that_is_not_installed_is_refused_before_anything_is_measured(standard, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(ConfigError, match=r"cotoolkit\[eval\]") as caught:
        diagnosed(standard, autoattack=True, progress=lambda *_: pytest.fail("measured"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"device": device}, "give auto, cpu or cuda") for device in ("mps", "cpu:0", "CPU", 0, None)]
    + [({"budget": budget}, "give quick, standard, thorough or a Budget") for budget in (None, 5)],
)
def test_devices_and_budgets_that_there_are_not(options, message, standard):
    with pytest.raises(ConfigError, match=message):
        diagnosed(standard, **options)


class Attention(nn.Module):
    """Two heads of attention over rows, by torch's kernels."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 10)

    def forward(self, x):
        rows = x.reshape(-1, 2, 12, 8)
        return self.head(nn.functional.scaled_dot_product_attention(rows, rows, rows).flatten(1))


def test_attention_has_second_derivatives():
    """Which its fast kernels lack."""
    draws = torch.Generator().manual_seed(1)
    data = torch.rand(180, 3, 8, 8, generator=draws), torch.arange(180) % 10
    found = diagnose(Attention().train(), data, epsilon=0.1, budget=SMALL_BUDGET, device="cpu")
    assert "it is diagnosed in evaluation mode" in found.findings[0].text
    assert not any("no second derivative" in finding.text for finding in found.findings)
