import random

import pandas as pd
import pytest

from analyses.early_warning.recorded.truth import EVERY, TrueBreak, true_breaks, undated
from cotoolkit.monitor.dating import WINDOW
from tests._helpers.made_recordings import breaks_at, breaks_between, judged, recording


def dated(broken, iterations=300):
    """The two dates of the first break of a run that is broken where `broken` says."""
    found = true_breaks(recording(lambda i: 0.0 if broken(i) else 0.5, iterations=iterations).truth)
    return (found[0].first, found[0].sustained) if found else None


@pytest.mark.parametrize("at", [17, 150, 290])
def test_a_break_is_dated_to_the_iteration(at):
    found = judged(breaks_at(at))
    assert (found.kind, found.breaks) == ("terminal", (TrueBreak(at, at, 300, True),))
    assert (found.best, found.last) == (0.5, 0.5 if at == 290 else 0.0)
    assert found.dips == ()


def test_a_break_from_which_the_network_recovers_is_transient():
    found = judged(breaks_between(100, 101 + WINDOW))
    assert (found.kind, found.breaks) == ("transient", (TrueBreak(100, 100, 100 + WINDOW, False),))


def test_a_run_has_as_many_breaks_as_it_has():
    found = judged(lambda i: 0.0 if 60 <= i < 100 or 150 <= i < 152 or i >= 200 else 0.5)
    assert found.kind == "terminal"
    assert found.breaks == (TrueBreak(60, 60, 99, False), TrueBreak(200, 200, 300, True))
    assert found.dips == ((150, 151),)
    assert judged(lambda i: 0.0 if 60 <= i < 100 or 200 <= i < 240 else 0.5).kind == "transient"


def test_robustness_is_back_only_if_it_stays_back_for_a_window():
    # At WINDOW iterations in a row it holds, then it is lost again: one break.
    found = judged(lambda i: 0.0 if 60 <= i < 100 or 100 + WINDOW <= i < 200 else 0.5)
    assert found.breaks == (TrueBreak(60, 60, 199, False),)
    # Nor does it count if the run ends before that many.
    assert judged(breaks_between(60, 301 - WINDOW)).breaks == (TrueBreak(60, 60, 300, True),)
    assert judged(breaks_between(60, 300 - WINDOW)).breaks == (TrueBreak(60, 60, 299 - WINDOW, False),)


def test_a_dip_that_does_not_last_is_unclear():
    found = judged(lambda i: 0.0 if 100 <= i < 100 + WINDOW else 0.5)
    assert (found.kind, found.breaks, found.dips) == ("unclear", (), ((100, 99 + WINDOW),))


def test_excursions_before_the_break_are_its_first_crossing_as_the_engine_has_it():
    assert dated(lambda i: i == 100 or i >= 110) == (100, 110)
    # As many intact iterations as the window in between: another matter.
    assert dated(lambda i: i == 110 - WINDOW or i >= 110) == (110 - WINDOW, 110)
    assert dated(lambda i: i == 110 - WINDOW - 1 or i >= 110) == (110, 110)
    # And excursions that hold each other by the hand are one.
    assert dated(lambda i: i in range(20, 110, WINDOW) or i >= 110) == (20, 110)
    # One that lasts too short a time is an excursion, too.
    assert dated(lambda i: 100 <= i < 100 + WINDOW or i >= 120) == (100, 120)
    assert dated(lambda i: 100 <= i < 290) == (100, 100)
    assert dated(lambda i: i == 300) == (300, 300)
    assert dated(lambda i: 250 <= i < 260) is None


@pytest.mark.parametrize("seed", range(20))
def test_dates_by_their_definition(seed):
    draws = random.Random(seed)
    flags = [False] + [draws.random() < (i - 60) / 100 for i in range(1, 301)]
    first, sustained = dated(lambda i: flags[i])
    lasts = [i for i in range(301) if all(flags[i : i + WINDOW + 1])]
    assert sustained == lasts[0]
    # Between the first and the lasting one no window is intact throughout, and the one before the first is.
    assert flags[first]
    assert all(any(flags[i : i + WINDOW]) for i in range(first, sustained))
    assert not any(flags[max(0, first - WINDOW) : first])


def test_a_denser_look_finds_the_same_break_to_the_iteration():
    # Accuracy before the break is noise: with the best of every look the threshold would rise where looks are dense.
    def pgd(i):
        return (0.5 if i % EVERY == 0 else 0.9) if i < 137 else 0.3 if i < 150 else 0.2

    whole = recording(pgd).truth
    known = {*range(0, 301, EVERY), 300}
    while missing := undated(whole[whole["iteration"].isin(known)]):
        known |= missing
    part = whole[whole["iteration"].isin(known)]
    assert true_breaks(part) == true_breaks(whole) == [TrueBreak(150, 150, 300, True)]
    assert {*range(150 - WINDOW, 150 + WINDOW + 1)} <= known
    assert len(known) < 80


def test_nothing_is_undated_without_a_break_that_lasts():
    table = pd.DataFrame({"iteration": [0, 16, 32, 48], "clean": 0.9, "fgsm": 0.7, "pgd": [0.5, 0.5, 0.0, 0.5]})
    assert undated(table) == set()
    assert undated(table[:3]) == {*range(16, 32)} - {16}


def test_half_of_the_best_counts_not_of_the_last():
    # 0.6, then 0.4 for long, then 0.25: below half of 0.6, not below half of 0.4.
    found = judged(lambda i: 0.6 if i < 100 else 0.4 if i < 200 else 0.25)
    assert (found.kind, found.breaks[0].first, found.best) == ("terminal", 200, 0.6)


def test_a_small_network_breaks_by_the_same_rule():
    # 18 % to 6 %, while FGSM accuracy stays: no fixed gap would see it.
    assert judged(breaks_at(200, 0.18, 0.06), fgsm=0.22, clean=0.3).breaks == (TrueBreak(200, 200, 300, True),)


def test_where_one_step_falls_with_many_it_is_no_break():
    assert judged(breaks_at(100, 0.5, 0.1), fgsm=breaks_at(100, 0.6, 0.12)).kind == "gradual"


@pytest.mark.parametrize(("last", "kind"), [(0.5, "healthy"), (0.41, "healthy"), (0.39, "gradual")])
def test_a_slow_loss_is_gradual_beyond_a_fifth(last, kind):
    assert judged(lambda i: 0.5 - (0.5 - last) * min(i / 200, 1)).kind == kind


def test_a_run_that_ended_early_or_at_chance_diverged():
    assert judged(0.5, ended=200).kind == "diverged"
    chance = breaks_at(100, 0.5, 0.1)
    assert judged(chance, fgsm=chance, clean=breaks_at(100, 0.9, 0.1)).kind == "diverged"


def test_what_never_was_robust_is_unclear():
    assert judged(0.1).kind == "unclear"
