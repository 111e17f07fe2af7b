import json

import numpy as np
import pytest

from analyses.core.judging.seed_measures import OnsetDifference, SeedMean, SeedShare, ShareDifference
from analyses.core.judging.verdicts import Claim, check
from figures.records.record import StoredClaim
from tests.figures.test_verdicts_recomputed import recomputed


def random_measure(kind, draws):
    """A measure of 3 to 12 seeds, and a threshold."""
    seeds, share = draws.integers(3, 13), draws.choice([0.0, 0.3, 0.8, 1.0], 2)
    first, second = draws.random((2, seeds)) < share[:, None]
    threshold = draws.choice([0.1, 0.25, 0.5])
    if kind == "mean":
        values = draws.normal(threshold, 0.1, seeds) if share[0] < 1 else np.full(seeds, 0.4)
        return SeedMean([*(values + draws.choice([-0.1, 0, 0.1])), np.nan]), threshold
    if kind == "share":
        return SeedShare(first), threshold
    if kind == "onsets":
        times = draws.integers(1, 6, (2, seeds))
        return OnsetDifference(np.where(first, times[0], 6), first, np.where(second, times[1], 6), second), 0.0
    if kind == "pairs":
        return ShareDifference(first, second), 0.0
    return ShareDifference(first, second[: draws.integers(2, seeds + 1)], paired=False), 0.0


@pytest.mark.parametrize("kind", ["mean", "share", "pairs", "others", "onsets"])
def test_another_writing_of_the_rules_judges_random_claims_alike(kind):
    draws, verdicts = np.random.default_rng(0), set()
    for _ in range(150):
        measure, threshold = random_measure(kind, draws)
        side = draws.choice(["above", "below"])
        result = check(Claim("key", "it is so", "number", str(side), float(threshold), 0.0), measure)
        stored = json.loads(StoredClaim.of(result).model_dump_json())
        assert stored["verdict"] == recomputed(stored), stored
        verdicts.add(stored["verdict"])
    assert verdicts >= {"supported", "not supported", "inconclusive", "shown"}
    assert ("the same in every seed" in verdicts) == (kind == "mean")
