import pytest

from analyses.alarm_bench.truth import WINDOW, judge_truth
from tests.analyses.alarm_bench.made import breaks_at, recording


def judged(pgd, **options):
    return judge_truth(recording(pgd, **options))


@pytest.mark.parametrize("at", [1, 17, 150, 290])
def test_a_collapse_is_dated_to_the_iteration(at):
    found = judged(breaks_at(at))
    assert (found.kind, found.broken_at, found.best, found.recovered) == ("collapse", at, 0.5, False)


def test_a_collapse_that_lasts_a_window_may_recover():
    found = judged(lambda i: 0.0 if 100 <= i < 100 + WINDOW else 0.5)
    assert (found.kind, found.broken_at, found.recovered) == ("collapse", 100, True)


def test_a_short_dip_is_unclear():
    assert judged(lambda i: 0.0 if 100 <= i < 100 + WINDOW // 2 else 0.5).kind == "unclear"


def test_half_of_the_best_counts_not_of_the_last():
    # 0.6, then 0.4 for long, then 0.25: below half of 0.6, not below half of 0.4.
    found = judged(lambda i: 0.6 if i < 100 else 0.4 if i < 200 else 0.25)
    assert (found.kind, found.broken_at) == ("collapse", 200)


def test_without_a_gap_to_fgsm_it_is_no_collapse():
    assert judged(breaks_at(100), fgsm=breaks_at(100, 0.6, 0.1)).kind == "gradual"


@pytest.mark.parametrize(("last", "kind"), [(0.5, "healthy"), (0.41, "healthy"), (0.39, "gradual")])
def test_a_slow_loss_is_gradual_beyond_a_fifth(last, kind):
    assert judged(lambda i: 0.5 - (0.5 - last) * min(i / 200, 1)).kind == kind


def test_a_run_that_ended_early_or_at_chance_diverged():
    assert judged(0.5, ended=200).kind == "diverged"
    chance = breaks_at(100, 0.5, 0.1)
    assert judged(chance, fgsm=chance, clean=breaks_at(100, 0.9, 0.1)).kind == "diverged"


def test_what_never_was_robust_is_unclear():
    assert judged(0.1).kind == "unclear"
