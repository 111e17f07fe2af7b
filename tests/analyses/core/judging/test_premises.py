import pytest
from scipy import stats

from analyses.core.claims import judge_claims
from analyses.core.judging.premises import MOST, OFTEN, breakable, breaking


@pytest.mark.parametrize(("threshold", "hits", "seeds"), [(OFTEN, 6, 10), (OFTEN, 4, 5), (MOST, 9, 10), (MOST, 6, 6)])
def test_how_many_seeds_are_enough(threshold, hits, seeds):
    """As the thresholds say, and none fewer: the lower end of Clopper and Pearson's interval."""
    assert stats.beta.ppf(0.025, hits, seeds - hits + 1) > threshold
    assert stats.beta.ppf(0.025, hits - 1, seeds - hits + 2) < threshold


@pytest.mark.parametrize(
    ("hits", "verdicts"), [(6, ["holds", "undecided"]), (9, ["holds"] * 2), (0, ["undecided", "fails"])]
)
def test_premises_share_their_thresholds(hits, verdicts):
    happened = [True] * hits + [False] * (10 - hits)
    rows = [one("training", "share of seeds", lambda numbers: numbers) for one in (breaking, breakable)]
    found = judge_claims(rows, happened)
    assert [one.verdict for one in found] == verdicts
    assert [one.claim.key for one in found] == ["breaks", "trains"]
