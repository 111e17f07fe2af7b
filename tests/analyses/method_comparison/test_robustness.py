"""The last and the best network of a run, under three attacks and AutoAttack."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from analyses.method_comparison.plan import comparison_plan
from analyses.method_comparison.robustness import RobustnessMeasurement, attacked_checkpoints, network_accuracies
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.evaluation.worst_of_three import worst_of_three, worst_of_three_card
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.training.run import run
from tests._helpers.networks import conv_net


@pytest.fixture
def measured(tiny, tmp_path):
    (planned,) = comparison_plan("smoke", ["fgsm"]).runs()
    folder = run(planned.config, tmp_path, device="cpu")
    label = {"group": planned.group, "method": "fgsm", "seed": 0}
    return folder, RobustnessMeasurement(planned.config, label, 30, False, "cpu")


def test_each_checkpoint_has_its_accuracies(measured, tmp_path):
    folder, measurement = measured
    folder.write_checkpoint("iteration-2", folder.checkpoint("last"), 2)  # kept weights are no network of their own
    worse = {name: value + 0.5 for name, value in folder.checkpoint("last").items()}
    folder.write_checkpoint("best", worse, 2)
    folder.write_checkpoint("averaged", {name: 0 * value for name, value in worse.items()}, 3)
    assert list(attacked_checkpoints(folder)) == [("last", 3), ("best", 2), ("averaged", 3)]
    table = measurement.measure(tmp_path).set_index("checkpoint")
    config = folder.config()
    points = evaluation_points(config).first(30)
    for name in ("last", "best", "averaged"):
        model = trained(folder, name)
        found = worst_of_three(model, points, config.threat, config.seed)
        row = table.loc[name]
        assert row["robust"] == pytest.approx((found.pgd & found.margin & found.square).double().mean().item())
        assert row["robust"] <= min(row["pgd"], row["margin"], row["square"]) <= row["clean"]
        clean = run_protocol(model, points.images, points.labels, config.threat, "clean").accuracy.value
        assert row["clean"] == pytest.approx(clean)
        assert row["points"] == 30
        assert row["protocol"] == worst_of_three_card(config.threat, 30)["hash"]
        assert np.isnan(row["autoattack"])
    assert table["clean"].nunique() > 1


def test_the_same_weights_are_attacked_once(measured, tmp_path, monkeypatch):
    folder, measurement = measured
    folder.write_checkpoint("best", folder.checkpoint("last"), 3)
    calls = []
    known = network_accuracies
    monkeypatch.setattr(
        "analyses.method_comparison.robustness.network_accuracies",
        lambda *given, **named: calls.append(1) or known(*given, **named),
    )
    table = measurement.measure(tmp_path)
    assert len(calls) == 1
    assert table["robust"].nunique() == 1


def test_other_points_or_attacks_are_another_protocol(measured):
    _, measurement = measured
    paths = {
        str(RobustnessMeasurement(measurement.config, measurement.label, points, autoattack, device).protocol)
        for points in (None, 20)
        for autoattack in (False, True)
        for device in ("cpu", "cuda")
    }
    assert len(paths) == 4  # where it is measured does not count
    cards = [worst_of_three_card(ThreatModel(epsilon), 10)["hash"] for epsilon in (0.1, 0.2, 0.1)]
    assert cards[0] == cards[2] != cards[1]


def test_autoattack_takes_what_the_others_leave(tiny, monkeypatch):
    torch.manual_seed(0)
    model = conv_net(classes=4).eval()
    images = torch.rand(24, 1, 6, 6)
    labels = model(images).argmax(1)
    labels[:6] = (labels[:6] + 1) % 4  # wrong from the start
    threat, given = ThreatModel(0.004), []

    def leaves_half(network, few, true, *_, **__):
        given.append(len(few))
        return SimpleNamespace(accuracy=SimpleNamespace(value=0.5))

    monkeypatch.setattr("cotoolkit.diagnosis.measuring.autoattack.autoattack", leaves_half)
    found = network_accuracies(model, Points(images, labels, 4), threat, 0, autoattack=True)
    assert 0 < given[0] <= 18
    assert found["robust"] == pytest.approx(given[0] / 24)
    assert found["autoattack"] == pytest.approx(found["robust"] / 2)
    nobody = network_accuracies(model, Points(images, (labels + 1) % 4, 4), ThreatModel(0.9), 0, autoattack=True)
    assert nobody["robust"] == 0 == nobody["autoattack"]
    assert len(given) == 1
