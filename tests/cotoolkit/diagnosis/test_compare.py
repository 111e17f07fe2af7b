"""Two networks, point by point."""

import pytest
from scipy.stats import binomtest

from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.compare import compare_diagnoses, compare_networks, mcnemar
from tests._helpers.measured import attack, diagnosis

NAMES = ("last", "best")


def robust_as(pgd, fgsm=0.6, **held):
    """The example with other accuracies under PGD and FGSM."""
    found = diagnosis()
    measured = found.measurements.model_copy(
        update={
            "pgd": attack("pgd-20", "multi-step", pgd, 1000, steps=20),
            "fgsm": (attack("fgsm", "single-step", fgsm, 1000),),
        }
    )
    points = found.points.model_copy(update={"held": {**found.points.held, **held}})
    return found.model_copy(update={"measurements": measured, "points": points})


@pytest.mark.parametrize(("one", "other"), [(0, 0), (3, 9), (9, 3), (1, 0), (20, 21), (5, 5)])
def test_mcnemar_is_the_binomial_test_of_the_pairs_that_differ(one, other):
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(expected, rel=1e-9)


def test_points_that_only_one_gets_right_are_counted():
    first = robust_as(0.5, **{"pgd-20": "1" * 300 + "0" * 700})
    second = robust_as(0.5, **{"pgd-20": "0" * 100 + "1" * 250 + "0" * 650})
    rows = {row.attack: row for row in compare_diagnoses(first, second, names=NAMES).rows}
    row = rows["pgd-20"]
    assert (row.only_first, row.only_second, row.points) == (100, 50, 1000)
    assert (row.first, row.second) == (0.3, 0.25)
    assert row.low < -0.05 < row.high
    assert row.high < 0
    assert rows["clean"].p_value == 1
    assert rows["worst"].points == 128


@pytest.mark.parametrize(("first", "second"), [(0.02, 0.5), (0.5, 0.02)])
def test_whichever_lost_its_robustness_is_told(first, second):
    found = compare_diagnoses(robust_as(first), robust_as(second), names=NAMES)
    stronger, weaker = reversed(NAMES) if first < second else NAMES
    assert (found.loss, found.stronger, found.weaker) == ("lost", stronger, weaker)
    assert f"Use {stronger}." in found.sentence


@pytest.mark.parametrize(
    ("first", "second", "loss"),
    [
        ((0.5, 0.6), (0.45, 0.58), "not lost"),
        ((0.05, 0.6), (0.02, 0.6), "nothing to lose"),
        # FGSM accuracy fell as far as PGD accuracy: whatever was lost, one step sees it.
        ((0.02, 0.03), (0.5, 0.6), "not lost"),
    ],
)
def test_other_pairs(first, second, loss):
    assert compare_diagnoses(robust_as(*first), robust_as(*second), names=NAMES).loss == loss


@pytest.mark.parametrize(
    ("label", "loss", "words"),
    [
        ("robust", "lost", "Use best."),
        ("inconclusive", "lost", "Use best, whose own verdict is inconclusive, though."),
        ("catastrophic overfitting", "nothing to lose", "use neither"),
        ("not robust", "nothing to lose", "(best: not robust; last: not robust)"),
    ],
)
def test_a_network_that_stronger_attacks_fool_is_recommended_to_nobody(label, loss, words):
    def called(found, label):
        return found.model_copy(update={"verdict": found.verdict.model_copy(update={"label": label})})

    last, best = called(robust_as(0.02), "not robust"), called(robust_as(0.5), label)
    found = compare_diagnoses(last, best, names=NAMES)
    assert found.loss == loss
    assert words in found.sentence


def test_other_points_or_radii_are_refused():
    first, second = diagnosis(), diagnosis()
    moved = second.points.model_copy(update={"places": tuple(range(1, 1001))})
    with pytest.raises(DataError, match="different points"):
        compare_diagnoses(first, second.model_copy(update={"points": moved}), names=NAMES)
    wider = second.protocol.model_copy(update={"epsilon": 0.2})
    with pytest.raises(DataError, match=r"radii 0\.1 and 0\.2"):
        compare_diagnoses(first, second.model_copy(update={"protocol": wider}), names=NAMES)
    boxless = second.protocol.model_copy(update={"box": "none"})
    with pytest.raises(DataError, match="different boxes"):
        compare_diagnoses(first, second.model_copy(update={"protocol": boxless}), names=NAMES)


def test_what_is_asked_for_reaches_both_diagnoses(monkeypatch):
    asked = []

    def told(model, data, **settings):
        asked.append((model, settings))
        return robust_as(0.5)

    monkeypatch.setattr("cotoolkit.diagnosis.compare.diagnose", told)
    settings = {"budget": "standard", "points": 60, "autoattack": False, "seed": 3, "device": "cpu", "bounds": (0, 255)}
    settings["box"] = "eps_then_box"
    compare_networks("one", "other", "data", epsilon=0.1, names=NAMES, **settings)
    assert asked == [("one", {"epsilon": 0.1, **settings}), ("other", {"epsilon": 0.1, **settings})]
