"""Verdicts against the truth, by hand."""

import pytest

from analyses.diagnosis_zoo.plan import ZooNetwork
from analyses.diagnosis_zoo.records import (
    DiagnosisRecord,
    Examined,
    TruthRecord,
    read_results,
    read_zoo_record,
    write_results,
    write_zoo_record,
)
from analyses.diagnosis_zoo.scoring import aims, confusion, scores, true_verdict
from cotoolkit.core.errors import DataError, RunError

POINTS = 150


def text(share, points=POINTS):
    right = round(share * points)
    return "1" * right + "0" * (points - right)


def network(kind="clean", recipe="digits-clean", name="digits, clean"):
    return ZooNetwork(name, kind, recipe)


def truth(clean=0.95, fgsm=0.9, robust=0.5, name="digits, clean"):
    return TruthRecord(
        network=name, run="0", epsilon=0.1, classes=10, places=tuple(range(POINTS)), clean=text(clean),
        fgsm=text(fgsm), robust=text(robust), attacked=("itself",), card={}, seconds=1.0, environment={},
    )  # fmt: skip


def said(label, ours, budget="quick", confidence="high", name="digits, clean", points=50):
    # Every third point, so that shares of the truth are those of the whole.
    return DiagnosisRecord(
        network=name, budget=budget, label=label, confidence=confidence, reason="", seed=0, passes=1, seconds=1.0,
        places=tuple(range(0, POINTS, POINTS // points)), withstood=text(ours, points), pgd=text(0.9, points),
        points=360, clean=0.95, fgsm=0.9, environment={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "accuracies", "label", "accepted"),
    [
        ("robust", (0.95, 0.7, 0.6), "robust", {"robust"}),
        ("clean", (0.95, 0.1, 0.0), "not robust", {"not robust"}),
        # The floor is 0.24; 0.25 of 150 points may be on either side of it.
        ("robust", (0.95, 0.5, 0.25), "robust", {"robust", "not robust"}),
        ("collapsed", (0.9, 0.9, 0.0), "catastrophic overfitting", {"catastrophic overfitting"}),
        ("half-collapsed", (0.9, 0.9, 0.3), "catastrophic overfitting", {"catastrophic overfitting"}),
        ("clean", (0.9, 0.9, 0.0), "not robust", {"not robust"}),  # no single step trained it
        ("collapsed", (0.9, 0.3, 0.0), "not robust", {"not robust"}),  # FGSM fools it
        ("overrated", (0.9, 0.8, 0.6), "robust", {"robust"}),
    ],
)
def test_the_truth_follows_from_autoattack_and_from_how_it_was_trained(kind, accuracies, label, accepted):
    found = true_verdict(network(kind), truth(*accuracies))
    assert found.label == label
    assert set(found.accepted) == accepted


def test_a_masked_network_may_be_called_what_is_inside():
    masked = "gradient masking (other)"
    found = true_verdict(network("masked"), truth(0.95, 0.9, 0.0))
    assert (found.label, set(found.accepted)) == (masked, {masked, "not robust"})
    found = true_verdict(network("masked"), truth(0.95, 0.9, 0.6))
    assert set(found.accepted) == {masked, "robust"}
    found = true_verdict(network("masked", "digits-fgsm"), truth(0.95, 0.9, 0.0))
    assert set(found.accepted) == {masked, "not robust", "catastrophic overfitting"}


def zoo():
    """A clean network called robust, and a robust one called inconclusive, at both budgets alike."""
    one, other = network(), network("robust", "digits-pgd", "digits, PGD")
    wrong = {budget: said("robust", 0.5, budget) for budget in ("quick", "standard")}
    open_ = {budget: said("inconclusive", 0.8, budget, "low", "digits, PGD") for budget in ("quick", "standard")}
    return [Examined(one, truth(robust=0.0), wrong), Examined(other, truth(robust=0.5, name="digits, PGD"), open_)]


def test_failures_are_counted_by_name():
    found = {aim.what: aim for aim in aims(scores(zoo()))}
    aim = found["quick: called robust, and AutoAttack fools it"]
    assert (aim.hits, aim.of, aim.which, aim.reached) == (1, 2, ("digits, clean",), False)
    assert aim.low == pytest.approx(0.0126, abs=1e-4)  # 1 - 0.975 ** (1 / 2)
    assert found["standard: inconclusive"].which == ("digits, PGD",)
    assert not found["standard: inconclusive"].reached
    far = next(aim for what, aim in found.items() if what.startswith("quick: further"))
    assert far.which == ("digits, clean",)  # the other is far off, too, and says that it is not sure


def test_the_confusion_table_has_a_cell_for_each_network():
    table = scores(zoo())
    counts = confusion(table[table["budget"] == "quick"])
    assert counts.loc["not robust", "robust"] == counts.loc["robust", "inconclusive"] == 1
    assert int(counts.to_numpy().sum()) == 2


def test_accuracies_are_compared_on_the_same_points():
    row = scores(zoo()).iloc[0]
    assert row["points"] == 50
    assert row["autoattack"] == 0
    assert row["off"] == pytest.approx(0.5)


def test_records_come_back_from_one_file(tmp_path):
    path = tmp_path / "zoo.json"
    write_results(zoo(), path)
    back, given = (
        scores(found).drop(columns="kind").sort_values(["network", "budget"], ignore_index=True)
        for found in (read_results(path), zoo())
    )
    assert back.equals(given)
    path.write_text("{}")
    with pytest.raises(DataError, match="holds no results"):
        read_results(path)


def test_a_damaged_record_is_told(tmp_path):
    path = tmp_path / "one.json"
    write_zoo_record(truth(), path)
    assert read_zoo_record(TruthRecord, path) == truth()
    path.write_text(path.read_text().replace("epsilon", "radius"))
    with pytest.raises(RunError, match="is no record of this zoo"):
        read_zoo_record(TruthRecord, path)
