import math
import random

import pytest

from cotoolkit.evaluation.probe import FIRST_LOOK, MORE
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.criterion import EARLY_ERROR, BreakpointCriterion
from cotoolkit.monitor.dating import WINDOW, date
from tests._helpers.scripted import Script, result


def criterion_of(best=0.5):
    criterion = BreakpointCriterion(MonitorConfig(), classes=10)
    criterion.update(1, result(best))
    return criterion


def dated(pgd, good, detected, total=10_000):
    script = Script(pgd, total=total)
    script.iteration = detected
    found = date(script, criterion_of(), (good, good), detected, result(pgd(detected)))
    assert script.iteration == detected  # the trainer is left where it was
    return found, script


def noisy(seed, centre=200, width=12, noise=0.06):
    """PGD accuracy that falls from 0.5 to 0 within about `width` iterations, up and down on the way."""

    def pgd(i):
        fall = 0.5 / (1 + math.exp((i - centre) / (width / 4)))
        return min(1, max(0, fall + random.Random(seed * 10_007 + i).gauss(0, noise)))

    return pgd


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(("good", "detected"), [(190, 230), (100, 300), (0, 500), (195, 203)])
def test_the_first_and_the_lasting_crossing_of_an_oscillation_are_those_of_a_dense_look(seed, good, detected):
    pgd = noisy(seed, noise=0.04)

    def broken(i):
        return pgd(i) < 0.25

    detected = next(i for i in range(detected, detected + 100) if broken(i))  # a probe that raises the question
    found, _ = dated(pgd, good, detected)
    # First: broken, and every one of the window before it is intact.
    assert broken(found.iteration)
    window = range(max(good + 1, found.iteration - WINDOW), found.iteration)
    assert not any(broken(i) for i in window)
    assert set(window) <= found.measured.keys()
    # Sustained: broken from there on for a window, the one before it intact unless it is the first.
    lasting = [
        i for i in range(found.iteration, detected + WINDOW + 1) if all(broken(j) for j in range(i, i + WINDOW + 1))
    ]
    if found.sustained is None:
        assert not lasting
    else:
        assert found.sustained == lasting[0]
        assert found.sustained == found.iteration or not broken(found.sustained - 1)
    # The interval covers both, and every crossing in between.
    assert good < found.earliest <= found.iteration <= (found.sustained or found.iteration) <= found.latest
    assert (found.before, found.after) == (found.iteration - 1, found.sustained or detected)


def test_an_excursion_before_the_break_is_its_first_crossing():
    # Broken at 100 and from 110 on: bisection alone would find 110.
    found, _ = dated(lambda i: 0.0 if i == 100 or i >= 110 else 0.5, 0, 160)
    assert (found.iteration, found.sustained) == (100, 110)
    assert (found.earliest, found.latest) == (100, 110)
    # One more than a window earlier, it is another matter.
    found, _ = dated(lambda i: 0.0 if i == 110 - WINDOW - 1 or i >= 110 else 0.5, 0, 160)
    assert (found.iteration, found.sustained) == (110, 110)
    # And excursions that hold each other by the hand are one.
    steps = range(20, 110, WINDOW)
    found, _ = dated(lambda i: 0.0 if i in steps or i >= 110 else 0.5, 0, 160)
    assert (found.iteration, found.sustained) == (20, 110)


def test_a_long_excursion_does_not_pass_for_the_crossing_that_lasts():
    # Broken from 20 to 95 and from 110 on: 14 intact iterations in between are too few to end the excursion.
    found, _ = dated(lambda i: 0.0 if 20 <= i <= 95 or i >= 110 else 0.5, 0, 200)
    assert (found.iteration, found.sustained, found.earliest, found.latest) == (20, 110, 20, 110)
    for at, probe in found.measured.items():
        assert not (found.sustained <= at and probe.pgd > 0.25)


@pytest.mark.parametrize("seed", range(20))
def test_what_dating_saw_agrees_with_its_dates_whatever_the_blocks(seed):
    draws = random.Random(seed)
    edges = sorted(draws.sample(range(1, 200), 9))

    def pgd(i):  # blocks of any length, broken from the last edge on
        return 0.0 if sum(i >= edge for edge in edges) % 2 else 0.5

    found, _ = dated(pgd, 0, 220)
    assert pgd(found.iteration) == 0
    assert all(pgd(i) for i in range(max(1, found.iteration - WINDOW), found.iteration))
    assert all(probe.pgd == 0 for at, probe in found.measured.items() if at >= found.sustained)
    assert all(pgd(i) == 0 for i in range(found.sustained, found.sustained + WINDOW + 1))
    assert found.earliest <= found.iteration <= found.sustained <= found.latest


def test_the_crossing_that_lasts_is_looked_for_beyond_the_probe_that_raised_the_question():
    # Broken at 100, 102, 104, ... and from 111 on; an alarm asks at 104.
    def pgd(i):
        return 0.0 if i >= 111 or (i >= 100 and i % 2 == 0) else 0.5

    found, _ = dated(pgd, 80, 104)
    assert (found.iteration, found.sustained, found.latest) == (100, 110, 110)
    found, script = dated(pgd, 80, 104, total=109)  # the run ends
    assert (found.iteration, found.sustained, found.latest, found.after) == (100, None, 109, 104)
    assert max(script.measured) == 109
    found, _ = dated(lambda i: 0.0 if i >= 100 and i % 2 == 0 else 0.5, 80, 104)  # never for good
    assert (found.iteration, found.sustained, found.latest) == (100, None, 121)


def test_the_interval_of_a_slow_fall_reaches_beyond_the_window():
    # By 0.2 points an iteration: half at 225, with an interval of +-6 points or 30 iterations.
    found, _ = dated(lambda i: max(0.0, min(0.5, 0.5 - 0.002 * (i - 100))), 0, 500)
    assert 224 <= found.iteration <= found.sustained <= 228
    assert 180 <= found.earliest <= found.iteration - WINDOW
    assert found.sustained + WINDOW <= found.latest <= 270


@pytest.mark.parametrize("truth", [101, 102, 333, 589, 600])
def test_dating_repeats_and_probes_no_more_than_it_says(truth):
    found, script = dated(lambda i: 0.5 if i < truth else 0.0, 100, 600)
    assert found.iteration == found.sustained == found.earliest == found.latest == truth
    assert script.repeated <= 2 * 500
    assert len(script.measured) == len(set(script.measured))
    assert len(script.measured) <= math.log2(500) + 2 * WINDOW + WINDOW
    assert 600 not in script.measured


def test_a_slow_fall_costs_three_times_the_interval_at_most():
    _, script = dated(lambda i: max(0.0, min(0.5, 0.5 - 0.001 * (i - 50))), 0, 500)
    assert script.repeated <= 3 * 500


# --- how early a probe may end ----------------------------------------------------------------------------------------


def exact(hits, points, share):
    """Probability of that many hits."""
    return math.comb(points, hits) * share**hits * (1 - share) ** (points - hits)


@pytest.mark.parametrize("truth", [0.0, 0.1, 0.2, 0.374, 0.376, 0.4, 0.5, 0.9])
def test_a_look_errs_as_rarely_as_stated(truth):
    # FGSM accuracy is 1 in every sample: all rests on PGD accuracy, and the threshold is 0.375.
    criterion = criterion_of()
    for points in (FIRST_LOOK, MORE * FIRST_LOOK):
        wrong = 0.0
        for hits in range(points + 1):
            partial = result(hits / points, fgsm=1.0, points=points)
            if criterion.decided(partial) and criterion.is_broken(partial) != (truth < 0.375):
                wrong += exact(hits, points, truth)
        assert wrong <= 3 * EARLY_ERROR


def test_clear_cases_are_decided_at_the_first_look_and_close_ones_are_not():
    criterion = criterion_of()
    assert criterion.decided(result(0.0, fgsm=0.9, points=FIRST_LOOK))
    assert criterion.decided(result(0.6, fgsm=0.65, clean=0.95, points=FIRST_LOOK))
    assert not criterion.decided(result(0.25, fgsm=0.9, points=FIRST_LOOK))
    assert not criterion.decided(result(0.0, fgsm=0.3, points=FIRST_LOOK))  # PGD is low; is the gap above 0.2?
    assert criterion.decided(result(0.0, fgsm=0.3, points=2048))
    criterion.record_breakpoint(10)
    assert criterion.decided(result(0.0, fgsm=0.9, points=FIRST_LOOK))  # still broken
    assert not criterion.decided(result(0.6, fgsm=0.7, points=FIRST_LOOK))  # a recovery takes all points


def test_the_best_is_taken_from_complete_probes_alone():
    criterion = criterion_of(0.5)
    partial = result(0.75, points=FIRST_LOOK)
    assert criterion.update(2, type(partial)(**{**vars(partial), "complete": False})) == "intact"
    assert (criterion.best, criterion.best_iteration) == (0.5, 1)
