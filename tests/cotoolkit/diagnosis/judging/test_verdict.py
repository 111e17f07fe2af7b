"""The rules of the verdict, on made-up measurements that differ in what a rule asks for."""

from typing import NamedTuple

import pytest

from cotoolkit.diagnosis import thresholds
from cotoolkit.diagnosis.judging.advice import MEANINGS
from cotoolkit.diagnosis.judging.verdict import reach_verdict, rests_on_points_left
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
    Case("PGD still falls", {"converged": False}, "inconclusive"),
    Case("PGD still falls, and AutoAttack looked at the rest", {"converged": False, "opinion": 0.47}, "robust"),
    Case("the last attack still falls", {"late": 0.06}, "inconclusive"),
    Case("PGD still falls on a network that others fool", {**CLEAN_TRAINED, "converged": False}, "not robust"),
    Case("PGD overrates it, and it is robust", {"duels": {"margin": (20, 0, 1e-6)}, "worst": 0.35}, "robust"),
    Case("PGD overrates it, and it is not", {"duels": {"margin": (50, 0, 1e-9)}, "worst": 0.03}, "not robust"),
    Case(
        "the cross-entropy vanishes",
        {"duels": {"margin": (50, 0, 1e-9)}, "worst": 0.03, "gradient": 1e-7},
        MASKING,
    ),
    Case(
        "the margin finds what Square finds",
        {"duels": {"margin": (19, 0, 1e-6), "black-box": (19, 0, 1e-6)}, "worst": 0.35},
        "robust",
    ),
    Case("only the last attack fools it", {"worst": 0.03}, "not robust"),
    Case("only AutoAttack fools it", {"opinion": 0.03}, "not robust"),
    Case("only the last attack fools it, and one step is misled", {"worst": 0.03, "abnormal": 0.4}, CO),
    Case("overfitted, which takes PGD many steps", {**OVERFITTED, "pgd": 0.47, "longest": 0.2, "abnormal": 0.4}, CO),
    Case(
        "maybe overfitted, and PGD still falls",
        {**OVERFITTED, "pgd": 0.6, "longest": 0.55, "worst": 0.5, "abnormal": 0.4, "converged": False},
        "inconclusive",
    ),
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


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("perturbation_alignment", 0.3, 0.7), ("step_collinearity", 0.2, 0.6), ("linearisation_error", 3.0, 0.2)],
)
def test_published_values_speak_but_do_not_decide(name, low, high):
    bent, straight = (reach_verdict(measurements(shapes={name: value}), EPSILON) for value in (low, high))
    assert bent.label == straight.label == "robust"
    (against,) = [one for one in bent.evidence if one.signal == name]
    assert against in bent.speaks_against
    assert "Table 3" in against.source
    assert any(one.signal == name for one in straight.speaks_for)


def test_steps_for_classes_say_where_they_are_blind():
    (seen,) = [one for one in reach_verdict(measurements(), 8 / 255).evidence if one.signal == "label_information"]
    assert "At this radius that says little" in seen.sentence
    assert not seen.supports
    (seen,) = [one for one in reach_verdict(measurements(), 16 / 255).evidence if one.signal == "label_information"]
    assert "says little" not in seen.sentence
    carried = reach_verdict(measurements(shapes={"label_information": 0.8}), 16 / 255)
    assert any(one.signal == "label_information" for one in carried.speaks_against)


def test_every_verdict_says_what_it_means_and_what_to_do():
    verdicts = [reach_verdict(measurements(**case.changes), EPSILON) for case in CASES]
    assert {verdict.label for verdict in verdicts} == set(MEANINGS)
    for verdict in verdicts:
        assert verdict.meaning == MEANINGS[verdict.label]
        assert verdict.advice.endswith(".")
    robust = reach_verdict(measurements(opinion=0.47), EPSILON)
    assert "47 %" in robust.advice
    assert any("AutoAttack" in one.signal for one in robust.evidence)


def test_a_second_opinion_is_asked_for_where_a_verdict_rests_on_points_left():
    asked = {
        name: rests_on_points_left(measurements(**changes), EPSILON)
        for name, changes in {
            "robust": {}, "still falling": {"converged": False}, "fooled": CLEAN_TRAINED, "masked": {"zero": 0.9},
        }.items()
    }  # fmt: skip
    assert asked == {"robust": True, "still falling": True, "fooled": False, "masked": False}


def test_a_verdict_on_few_points_is_less_sure():
    sure, less, guess = (reach_verdict(measurements(few=few), EPSILON) for few in (128, 64, 20))
    assert [verdict.label for verdict in (sure, less)] == ["robust", "robust"]
    assert [verdict.confidence for verdict in (sure, less)] == ["high", "moderate"]
    assert "64 points" in less.reason
    assert guess.confidence == "low"


def test_where_one_step_alone_fails_not_robust_is_not_sure():
    verdict = reach_verdict(measurements(**{**OVERFITTED, "alignment": 0.8}), EPSILON)
    assert (verdict.label, verdict.confidence) == ("not robust", "low")
    assert verdict.reason.endswith("and one step alone fails, as after catastrophic overfitting.")
    assert reach_verdict(measurements(**CLEAN_TRAINED), EPSILON).confidence == "high"


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
