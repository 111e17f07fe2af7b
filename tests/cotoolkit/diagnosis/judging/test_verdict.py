"""The rules of the verdict, on made-up measurements that differ in what a rule asks for."""

from typing import NamedTuple

import pytest

from cotoolkit.diagnosis import thresholds
from cotoolkit.diagnosis.judging.verdict import reach_verdict
from tests._helpers.measured import EPSILON, measurements, risen, share

CO, MASKING = "catastrophic overfitting", "gradient masking (other)"

CLEAN_TRAINED = {"clean": 0.95, "fgsm": 0.3, "pgd": 0.0, "worst": 0.0}
"""As on CIFAR at 8/255: a gap above 0.2, and no sign that the one step is misled."""

OVERFITTED = {"clean": 0.9, "fgsm": 0.85, "pgd": 0.02, "worst": 0.0, "alignment": 0.05}


class Case(NamedTuple):
    name: str
    changes: dict[str, object]
    label: str


CASES = [
    Case("robust", {}, "robust"),
    Case("clean-trained", CLEAN_TRAINED, "not robust"),
    Case("clean-trained, unaligned gradients", {**CLEAN_TRAINED, "alignment": 0.1}, "not robust"),
    Case("never trained", {"clean": 0.1, "fgsm": 0.1, "pgd": 0.08, "worst": 0.05}, "not robust"),
    Case("labels in another order", {"clean": 0.02, "renamed": 0.9, "fgsm": 0, "pgd": 0, "worst": 0}, "inconclusive"),
    Case("outputs that tell a little", {"clean": 0.1, "renamed": 0.3, "fgsm": 0, "pgd": 0, "worst": 0}, "not robust"),
    Case("never trained, with dropout", {"clean": 0.1, "fgsm": 0.1, "pgd": 0, "worst": 0, "spread": 1}, "not robust"),
    Case("overfitted, FGSM accuracy rises", {**OVERFITTED, "rise": risen(1, 0.85, 0.3)}, CO),
    Case("overfitted, FGSM lowers the loss", {**OVERFITTED, "abnormal": 0.6}, CO),
    Case("overfitted, a boundary between", {**OVERFITTED, "distorted": 0.4}, CO),
    Case("overfitted, FGSM helps", {**OVERFITTED, "fgsm": 0.99}, CO),
    Case("a gap without any sign", OVERFITTED, "not robust"),
    Case(
        "overfitted at a larger radius",
        {**OVERFITTED, "fgsm": 0.2, "rise": risen(2, 0.8, 0.6), "pgd_radii": {1.0: 0.1, 2.0: 0.0}},
        CO,
    ),
    Case("a small rise far away", {**CLEAN_TRAINED, "rise": risen(2, 0.45, 0.15)}, "not robust"),
    Case("zero gradients", {"pgd": 0.88, "worst": 0.03, "zero": 0.9}, MASKING),
    Case("zero gradients that PGD does not need", {**CLEAN_TRAINED, "zero": 0.3}, "not robust"),
    Case("Square beats PGD", {"worst": 0.1, "duels": {"black-box": (50, 0, 1e-9)}}, MASKING),
    Case("margin a little better than PGD", {"duels": {"margin": (8, 0, 0.004)}}, "robust"),
    Case("Square is a little luckier", {"duels": {"black-box": (4, 0, 0.06)}}, "robust"),
    Case("nothing works without a radius", {"unbounded": 0.9}, MASKING),
    Case("random outputs", {"spread": 0.3}, MASKING),
    Case("random outputs, broken", {**CLEAN_TRAINED, "spread": 0.3}, MASKING),
    Case("around the threshold", {"pgd": 0.24, "worst": 0.23}, "inconclusive"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_rule(case):
    verdict = reach_verdict(measurements(**case.changes), EPSILON)
    assert verdict.label == case.label
    assert verdict.reason
    assert verdict.speaks_for


def test_evidence_says_what_it_is_compared_with_and_who_says_so():
    found = measurements(**OVERFITTED, distorted=0.4, abnormal=0.6, rise=risen(1, 0.85, 0.3), zero=0.5, spread=1)
    for one in reach_verdict(found, EPSILON).evidence:
        assert one.source
        assert one.sentence.endswith(".")
        assert one.threshold is not None
        assert not set(one.supports) & set(one.against)
        if one.low is not None:
            assert one.low <= one.value <= one.high


def test_the_share_that_fgsm_keeps_is_compared_with_what_decides():
    # 8 / 15 of clean accuracy, and less than is called robust: the one step works.
    evidence = reach_verdict(measurements(clean=0.3, fgsm=0.16, pgd=0.1, worst=0.1), EPSILON).evidence
    one = next(one for one in evidence if one.signal == "FGSM accuracy, as a share of clean")
    assert one.value == pytest.approx(8 / 15)
    assert one.threshold == pytest.approx(0.2 / 0.3)
    assert one.supports == ("not robust",)


def test_a_verdict_on_few_points_is_less_sure():
    sure, less, guess = (reach_verdict(measurements(few=few), EPSILON) for few in (128, 64, 20))
    assert [verdict.label for verdict in (sure, less)] == ["robust", "robust"]
    assert [verdict.confidence for verdict in (sure, less)] == ["high", "moderate"]
    assert "64 points" in less.reason
    assert guess.confidence == "low"


def test_evidence_against_makes_it_less_sure():
    verdict = reach_verdict(measurements(alignment=0.1), EPSILON)
    assert verdict.label == "robust"
    assert verdict.confidence == "low"  # both alignments speak against it
    assert "gradient_alignment" in verdict.reason
    assert {one.signal for one in verdict.speaks_against} == {"gradient_alignment", "perturbation_alignment"}


@pytest.mark.parametrize(("classes", "least"), [(2, 0.75), (3, 2 / 3), (4, 0.5), (10, 0.2), (100, 0.02)])
def test_the_least_accuracy_by_hand(classes, least):
    assert thresholds.least_accuracy(classes) == pytest.approx(least)


def test_the_floor_follows_clean_accuracy_where_there_are_many_classes():
    assert thresholds.floor(100, share(0.8, 1000)) == pytest.approx(0.2)
    assert thresholds.floor(10, share(0.6, 1000)) == pytest.approx(0.2)


def test_two_classes_by_chance_are_not_robust():
    # Half right under attack is what guessing gives with two classes, and robust with ten.
    accuracies = {"clean": 0.95, "fgsm": 0.6, "pgd": 0.5, "worst": 0.5}
    assert reach_verdict(measurements(classes=2, **accuracies), EPSILON).label == "not robust"
    assert reach_verdict(measurements(classes=10, **accuracies), EPSILON).label == "robust"
