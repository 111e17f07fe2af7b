"""Intervals and tests against scipy's own functions and against sums that were done by hand."""

import itertools
from math import comb

import numpy as np
import pytest
from scipy import stats

from analyses.core.judging.seed_measures import OnsetDifference, SeedMean, SeedShare, ShareDifference
from cotoolkit.core.errors import ConfigError

TEN, NONE = [True] * 10, [False] * 10


def test_a_mean_is_judged_by_its_t_interval():
    found = SeedMean([0.2, 0.3, 0.25, np.nan])
    assert found.found.n == 3
    assert found.side(0.1) == "above"
    assert found.side(0.25) is None
    assert found.side(0.9) == "below"
    assert found.p(0.1) == pytest.approx(stats.ttest_1samp([0.2, 0.3, 0.25], 0.1).pvalue)


@pytest.mark.parametrize(("hits", "seeds"), [(0, 5), (5, 5), (3, 10), (10, 10), (7, 12)])
def test_a_share_has_the_interval_of_clopper_and_pearson(hits, seeds):
    """Its ends are where a binomial tail is 2.5 %."""
    found = SeedShare([True] * hits + [False] * (seeds - hits)).found

    def upper_tail(share):
        return sum(comb(seeds, k) * share**k * (1 - share) ** (seeds - k) for k in range(hits, seeds + 1))

    def lower_tail(share):
        return sum(comb(seeds, k) * share**k * (1 - share) ** (seeds - k) for k in range(hits + 1))

    assert found.mean == hits / seeds
    assert found.low == 0 if hits == 0 else upper_tail(found.low) == pytest.approx(0.025)
    assert found.high == 1 if hits == seeds else lower_tail(found.high) == pytest.approx(0.025)


def test_seeds_that_are_not_asked_are_left_out_of_a_share():
    found = SeedShare([True] * 5 + [np.nan, False])
    assert (found.found.mean, found.found.n) == (5 / 6, 6)
    assert len(found.samples["happened"]) == 7


def test_how_many_seeds_it_takes_to_say_that_most_of_them_break():
    assert SeedShare([True] * 5).side(0.5) is None  # 5 of 5: [0.478, 1]
    assert SeedShare([True] * 6).side(0.5) == "above"
    assert SeedShare(NONE).side(0.5) == "below"


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_counts_the_seeds_that_differ(seed):
    first, second = np.random.default_rng(seed).random((2, 12)) < np.array([[0.8], [0.4]])
    found = ShareDifference(first, second)
    gained, lost = (first & ~second).sum(), (second & ~first).sum()
    tail = sum(comb(gained + lost, k) for k in range(max(gained, lost), gained + lost + 1)) / 2 ** (gained + lost)
    assert found.p(0) == pytest.approx(min(1, 2 * tail))
    assert found.found.mean == pytest.approx(first.mean() - second.mean())


def test_shares_of_pairs_and_of_others():
    paired, others = ShareDifference(TEN, NONE), ShareDifference(TEN, NONE, paired=False)
    assert paired.p(0) == pytest.approx(2 / 2**10)
    assert others.p(0) == pytest.approx(2 / comb(20, 10))
    assert paired.by == "McNemar's exact test"
    assert others.by == "Fisher's exact test"
    assert (paired.side(0), others.side(0)) == ("above", "above")
    assert ShareDifference(NONE, TEN).side(0) == "below"
    assert ShareDifference(TEN, TEN).side(0) is None
    assert ShareDifference([True] * 5, [False] * 5).side(0) is None  # five pairs cannot reach 5 %
    assert ShareDifference([True] * 5, [False] * 5, paired=False).side(0) == "above"


def pairs_of(only_first, only_second, both, neither):
    first = [True] * (only_first + both) + [False] * (only_second + neither)
    second = [False] * only_first + [True] * (both + only_second) + [False] * neither
    return ShareDifference(first, second)


def test_intervals_beside_a_test_say_what_it_says():
    """What the test rejects lies outside, and nothing else."""
    for only_first, only_second in itertools.product(range(7), repeat=2):
        pairs = pairs_of(only_first, only_second, 1, 1)
        assert (pairs.side(0) is not None) == (pairs.found.low > 0 or pairs.found.high < 0)
    for hits in itertools.product(range(7), repeat=2):
        groups = ShareDifference(*(marks(one, 6) for one in hits), paired=False)
        assert (groups.side(0) is not None) == (groups.found.low > 0 or groups.found.high < 0)
    early, late = [60, 70, 80, 90, 95, 99, 99] + [100] * 3, [97, 98, 99, 99] + [100] * 6
    onsets = OnsetDifference(early, marks(7, 10), late, marks(4, 10))
    assert onsets.side(0) is None
    assert onsets.found.mean < 0 == onsets.found.high


def test_the_interval_of_a_difference_of_others_is_newcombes():
    """The example of his paper: 56 of 70 against 48 of 80."""
    found = ShareDifference([1] * 56 + [0] * 14, [1] * 48 + [0] * 32, paired=False).found
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_what_cannot_be_compared():
    with pytest.raises(ConfigError, match="9 and 10 seeds"):
        _ = ShareDifference(TEN[1:], NONE).found
    with pytest.raises(ConfigError, match="compared with 0, not with"):
        ShareDifference(TEN, NONE).p(0.1)
    with pytest.raises(ConfigError, match=r"events: .*"):
        _ = SeedShare([0.5, 1.0]).found


def test_onsets_are_compared_by_the_log_rank_test():
    early, late = [100, 120, 90, 110, 105], [400, 380, 420, 500, 500]
    broke = [True, True, True, False, False]
    found = OnsetDifference(late, broke, early, [True] * 5)
    expected = stats.logrank(
        stats.CensoredData(uncensored=late[:3], right=late[3:]), stats.CensoredData(uncensored=early)
    )
    assert found.p(0) == pytest.approx(expected.pvalue)
    assert found.side(0) == "above"
    assert found.found.mean == pytest.approx(np.mean(late) - np.mean(early))
    assert found.found.low < found.found.mean < found.found.high


def test_few_onsets_have_no_interval():
    found = OnsetDifference([9, 8, 9, 8], [1] * 4, [3, 4, 3, 4, 4], [1] * 5).found
    assert (found.mean, found.n) == (pytest.approx(4.9), 4)
    assert np.isnan([found.low, found.high]).all()


def test_the_log_rank_score_says_which_group_is_later():
    """Ten runs break at 90; of the others two break at once and eight never: rarer, although their mean is less."""
    found = OnsetDifference([90] * 10, [1] * 10, [1] * 2 + [100] * 8, [1] * 2 + [0] * 8)
    assert found.found.mean > 0
    assert found.p(0) < 0.05
    assert found.side(0) == "below"
    assert OnsetDifference(found.other_times, found.other_happened, found.times, found.happened).side(0) == "above"


def marks(hits, seeds):
    return [True] * hits + [False] * (seeds - hits)


@pytest.mark.parametrize("seeds", range(9))
@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("side", ["above", "below"])
def test_a_share_reaches_what_one_of_its_outcomes_shows(seeds, threshold, side):
    outcomes = [SeedShare(marks(hits, seeds)) for hits in range(seeds + 1)]
    possible = side in [one.side(threshold) for one in outcomes]
    assert {one.reaches(side, threshold) for one in outcomes} == {possible}


@pytest.mark.parametrize("sizes", [(3, 3), (4, 3), (2, 9), (4, 4), (5, 5)])
def test_unpaired_shares_reach_what_one_of_their_outcomes_shows(sizes):
    groups = itertools.product(*(range(size + 1) for size in sizes))
    outcomes = [ShareDifference(*map(marks, hits, sizes), paired=False) for hits in groups]
    for side in ("above", "below"):
        assert {one.reaches(side, 0) for one in outcomes} == {side in [one.side(0) for one in outcomes]}


def test_six_pairs_can_differ_and_five_cannot():
    assert stats.binomtest(5, 5).pvalue > 0.05 > stats.binomtest(6, 6).pvalue
    assert [ShareDifference(marks(2, n), marks(1, n)).reaches("above", 0) for n in (5, 6)] == [False, True]


def test_onsets_reach_what_the_log_rank_test_can_reject():
    two, five = (OnsetDifference([5] * n, [1] * n, [5] * n, [1] * n) for n in (2, 5))
    assert not two.reaches("above", 0)
    assert five.reaches("above", 0)
    assert five.reaches("below", 0)


def test_a_mean_reaches_any_threshold_from_two_seeds_on():
    assert SeedMean([0.1, 0.2]).reaches("above", 0.9)
    assert not SeedMean([0.1, np.nan]).reaches("above", 0.9)


@pytest.mark.parametrize(
    ("values", "constant"),
    [
        ([0.3, 0.3, np.nan], True),
        ([0.3, 0.1 + 0.2], True),  # round-off
        ([-1e6, -1e6], True),
        ([0.3, 0.3 + 1e-9], False),
        ([0.0, 0.0], True),
        ([0.0, 1e-9], False),
        ([np.nan], False),
    ],
)
def test_a_mean_is_constant_if_it_is_the_same_in_every_seed(values, constant):
    assert SeedMean(values).constant is constant


def test_onsets_of_groups_that_never_break_say_nothing():
    found = OnsetDifference([500] * 5, [False] * 5, [500] * 5, [False] * 5)
    assert np.isnan(found.p(0))
    assert found.side(0) is None


def test_the_interval_of_onsets_covers_the_difference_about_as_often_as_it_says():
    draws = np.random.default_rng(3)
    hits = 0
    for _ in range(60):
        first, second = (np.minimum(draws.exponential(scale, 20), 3.0) for scale in (2.0, 1.0))
        found = OnsetDifference(first, first < 3, second, second < 3).found
        true = [scale * (1 - np.exp(-3 / scale)) for scale in (2.0, 1.0)]
        hits += found.low < true[0] - true[1] < found.high
    assert hits >= 49  # 95 % of 60 is 57; a bootstrap of 20 is a little short


@pytest.mark.parametrize("kind", ["share", "pairs", "onsets"])
def test_no_seed_is_no_number(kind):
    empty = {"share": SeedShare([]), "pairs": ShareDifference([], []), "onsets": OnsetDifference([], [], [], [])}[kind]
    assert empty.found.n == 0
    assert empty.side(0.0) is None
    assert not empty.reaches("above", 0.0)


def test_equal_shares_of_all_outcomes_never_reject():
    for outcome in itertools.product([False, True], repeat=4):
        assert ShareDifference(outcome, outcome).p(0) == 1


def test_measures_keep_what_they_were_made_of():
    assert SeedMean([0.5, 1]).samples == {"values": (0.5, 1.0)}
    assert SeedShare([True, False]).samples == {"happened": (1.0, 0.0)}
    assert ShareDifference([1, 0], [0, 0], paired=False).samples == {"first": (1.0, 0.0), "second": (0.0, 0.0)}
    assert set(OnsetDifference([3, 4], [1, 0], [5], [0]).samples) == {
        *("times", "happened", "other_times", "other_happened"),
    }
