import dataclasses

import numpy as np
import pytest

from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.criterion import BreakpointCriterion
from tests._helpers.scripted import result


def heard(accuracies, fgsm=0.7):
    """A criterion that has taken in probes of these PGD accuracies, one per 10 iterations, and its findings."""
    criterion, findings = BreakpointCriterion(MonitorConfig(), classes=10), []
    for number, pgd in enumerate(accuracies, start=1):
        findings.append(criterion.update(10 * number, result(pgd, fgsm)))
        if findings[-1] == "breaks":
            criterion.record_breakpoint(10 * number)
    return criterion, findings


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_least_robustness_can_be_reached_with_any_number_of_classes(classes):
    criterion = BreakpointCriterion(MonitorConfig(), classes)
    assert 1 / classes < criterion.floor < 1
    assert criterion.verdict(result(0.9, 0.95), result(0.9, 0.95)) == "robust"
    assert criterion.verdict(result(1 / classes), result(1 / classes)) == "not robust"


def test_a_break_is_a_fall_to_half_of_the_best_that_one_step_does_not_see():
    criterion, findings = heard([0.3, 0.5, 0.26, 0.25])
    assert findings == ["intact"] * 3 + ["breaks"]
    assert (criterion.best, criterion.best_iteration, criterion.broken_at, criterion.breakpoints) == (0.5, 20, 40, 1)
    assert criterion.verdict(result(0.0), result(0.0)) == "catastrophic overfitting"


def test_a_fall_below_three_quarters_is_one_if_fgsm_accuracy_rises():
    criterion = BreakpointCriterion(MonitorConfig(), classes=10)
    assert criterion.update(10, result(0.4, 0.4, points=512)) == "intact"
    assert not criterion.is_broken(result(0.31, 0.7))  # 78 % of the best
    assert not criterion.is_broken(result(0.29, 0.57))  # FGSM accuracy is 1.97 times PGD accuracy
    assert criterion.update(20, result(0.29, 0.6, points=512)) == "breaks"


def test_a_fall_with_fgsm_is_no_catastrophic_overfitting():
    criterion = BreakpointCriterion(MonitorConfig(), classes=10)
    # PGD accuracy falls to a fifth. FGSM accuracy relative to it grows from 1.2 to 2.3, less than twofold.
    assert [criterion.update(i, one) for i, one in enumerate([result(0.5, 0.6), result(0.1, 0.23)])] == ["intact"] * 2
    # Threefold, but neither FGSM accuracy (a half) nor clean accuracy (four fifths) stays.
    assert not criterion.is_broken(result(0.08, 0.29, clean=0.7))
    assert criterion.is_broken(result(0.08, 0.3, clean=0.7))
    assert criterion.is_broken(result(0.08, 0.29, clean=0.73))
    assert criterion.verdict(result(0.1, 0.2), result(0.1, 0.2)) == "not robust"


def test_a_network_that_never_was_robust_cannot_break():
    criterion, findings = heard([0.1, 0.0], fgsm=0.9)
    assert findings == ["intact", "intact"]
    assert criterion.verdict(result(0.0, 0.9), result(0.0, 0.9)) == "not robust"


def test_recovery_needs_more_than_the_threshold_and_a_second_break_counts():
    # Broken from 0.25 down, recovered from 0.4 on.
    criterion, findings = heard([0.5, 0.0, 0.3, 0.39, 0.4, 0.3, 0.1])
    assert findings == ["intact", "breaks", "broken", "broken", "recovers", "intact", "breaks"]
    assert criterion.breakpoints == 2
    assert criterion.verdict(result(0.0), result(0.0)) == "catastrophic overfitting"


def test_recovered_runs_have_their_own_verdict():
    criterion, _ = heard([0.5, 0.0, 0.5])
    assert criterion.verdict(result(0.5), result(0.5)) == "recovered"


@pytest.mark.parametrize(
    ("last", "train", "verdict"),
    [
        (result(0.50), result(0.52), "robust"),
        (result(0.40), result(0.60), "robust overfitting"),  # 20 of 200 points lost, none won
        (result(0.40), result(0.42), "robust"),  # training robustness fell as well: no overfitting
        (result(0.49), result(0.60), "robust"),  # 2 points lost are chance
        (result(0.455), result(0.60), "robust"),  # nine tenths are left
        (result(0.445), result(0.60), "robust overfitting"),
        (result(0.40), result(0.44), "robust"),  # and nine tenths of what holds on training points
    ],
)
def test_robust_overfitting_is_told_from_a_break(last, train, verdict):
    assert heard([0.5, 0.5])[0].verdict(last, train) == verdict


def test_points_exchanged_are_no_overfitting():
    other = [i >= 108 for i in range(200)]  # 92 robust points, all others than at the best probe
    assert heard([0.5])[0].verdict(result(0.46, robust=other), result(0.6)) == "robust"


def test_an_attack_that_helps_the_network_is_a_break_by_itself():
    criterion = BreakpointCriterion(MonitorConfig(), classes=10)  # no probe has found it robust, nor will one
    assert criterion.update(10, result(pgd=0.08, fgsm=0.12, clean=0.2)) == "intact"
    # One of the three numbers changed at a time: FGSM accuracy 0.2 above clean, PGD below half of FGSM, 0.2 apart.
    assert criterion.is_broken(result(pgd=0.1, fgsm=0.41, clean=0.2))
    assert not criterion.is_broken(result(pgd=0.1, fgsm=0.4, clean=0.2))
    assert not criterion.is_broken(result(pgd=0.21, fgsm=0.41, clean=0.2))
    assert not criterion.is_broken(result(pgd=0.0, fgsm=0.19, clean=0.0))
    assert criterion.update(20, result(pgd=0.0, fgsm=0.9, clean=0.2)) == "breaks"
    criterion.record_breakpoint(20)
    assert criterion.update(30, result(pgd=0.05, fgsm=0.9, clean=0.2)) == "broken"
    assert criterion.verdict(result(pgd=0.0, fgsm=0.9), result(0.0)) == "catastrophic overfitting"
    assert criterion.update(40, result(pgd=0.08, fgsm=0.12, clean=0.2)) == "recovers"


def test_intervals_say_when_a_break_may_be_and_when_it_must():
    criterion = heard([0.5])[0]  # broken from 0.25 down; the 95 % interval there is about +-6 points on 200
    may = [criterion.may_be_broken(result(pgd)) for pgd in (0.4, 0.35, 0.28, 0.2, 0.0)]
    assert may == [False, False, True, True, True]
    # FGSM accuracy is at least 63 %, so that its ratio to PGD accuracy has doubled, to 2.8, at 22.7 % and below.
    surely = [criterion.surely_broken(result(pgd)) for pgd in (0.28, 0.22, 0.17, 0.15, 0.0)]
    assert surely == [False, False, False, True, True]


@pytest.mark.parametrize(("points", "finding"), [(64, "doubtful"), (512, "breaks")])
def test_few_points_leave_a_loss_in_doubt(points, finding):
    """From 16 to 6 %, as with a hundred classes: by 0.16 in the root's arcsine, with 0.09 or 0.03 to a deviation."""
    criterion = BreakpointCriterion(MonitorConfig(), classes=100)
    assert criterion.update(1, result(0.16, 0.2, clean=0.5, points=points)) == "intact"
    fallen = result(0.06, 0.3, clean=0.5, points=points)
    assert criterion.is_broken(fallen)
    assert criterion.update(2, fallen) == finding
    assert criterion.best == pytest.approx(0.16)  # doubtful weights are not the best, and nothing to go back to


@pytest.mark.parametrize("classes", [100, 200])
@pytest.mark.parametrize("had", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("fgsm_after", [0.6, 1.0, 2.0])
def test_many_classes_break_as_ten_do(classes, had, fgsm_after):
    """Clean accuracy 40 to 60 %, PGD accuracy 5 to 20 %: no accuracy moves by 0.2, and the network is lost."""
    criterion = BreakpointCriterion(MonitorConfig(), classes)
    points = MonitorConfig().points_for(classes)
    fgsm = 1.25 * had
    assert criterion.update(1, result(had, fgsm, clean=0.5, points=points)) == "intact"
    for noise in (0.8, 1.1, 0.9):  # the restlessness of a healthy run
        assert criterion.update(2, result(noise * had, noise * fgsm, clean=0.5, points=points)) == "intact"
    assert criterion.update(3, result(0.6 * had, 0.7 * fgsm, clean=0.3, points=points)) == "intact"  # all falls
    assert criterion.update(4, result(0.1 * had, fgsm_after * fgsm, clean=0.55, points=points)) == "breaks"
    criterion.record_breakpoint(4)
    best = criterion.best
    assert criterion.update(5, result(0.7 * best, fgsm, clean=0.5, points=points)) == "broken"
    assert criterion.update(6, result(0.9 * best, fgsm, clean=0.5, points=points)) == "recovers"


@pytest.mark.parametrize("had", [0.4, 0.1])
def test_the_ends_of_intervals_bound_all_between(had):
    """Lost by comparison, and helped by the attack, which want opposite ends of clean accuracy."""
    draws = np.random.default_rng(0)
    criterion = heard([had], fgsm=0.5)[0]
    for _ in range(300):
        pgd, fgsm, clean = np.sort(draws.random((3, 2)), axis=1).tolist()
        inside = [result(*(draws.uniform(*ends) for ends in (pgd, fgsm, clean)), points=1000) for _ in range(20)]
        states = {criterion.is_broken(one) for one in inside}
        if criterion._is_broken(criterion._least((clean, fgsm, pgd))):
            assert states == {True}
            assert criterion._is_broken(criterion._most((clean, fgsm, pgd)))
        if not criterion._is_broken(criterion._most((clean, fgsm, pgd))):
            assert states == {False}


def test_probes_come_early_then_at_the_interval():
    due = [iteration for iteration in range(1, 1501) if MonitorConfig(interval=500).scheduled(iteration)]
    assert due == [32, 64, 128, 256, 500, 1000, 1500]
    assert not any(MonitorConfig(interval=0).scheduled(iteration) for iteration in range(1, 600))


@pytest.mark.parametrize("accuracies", [[], [0.5, 0.3], [0.5, 0.0]])
def test_state_survives_a_round_trip(accuracies):
    criterion, _ = heard(accuracies)
    twin = BreakpointCriterion(MonitorConfig(), classes=10)
    twin.load_state(criterion.state())
    assert vars(twin) == vars(criterion)


def test_a_network_that_was_never_very_robust_has_something_to_lose():
    """As one convolution with four filters at 10/255: PGD accuracy of 17 %, and then none."""
    _, findings = heard([0.12, 0.17, 0.15, 0.0], fgsm=0.27)
    assert findings == ["intact"] * 3 + ["breaks"]
    _, findings = heard([0.1, 0.14, 0.12, 0.0], fgsm=0.27)
    assert findings == ["intact"] * 4


def test_a_few_points_do_not_make_a_network_robust():
    criterion = BreakpointCriterion(MonitorConfig(), classes=10)
    few = dataclasses.replace(result(0.5), points=2)
    assert criterion.verdict(few, few) == "not robust"
    assert criterion.verdict(result(0.5), result(0.5)) == "robust"
