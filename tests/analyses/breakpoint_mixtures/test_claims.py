"""Claims on hand-made measures."""

from analyses.breakpoint_mixtures.claims import judge_breakpoint_mixtures
from analyses.breakpoint_mixtures.plan import AFTER, PLANS
from tests._helpers.breakpoint_measures import measures


def verdicts(table):
    found = judge_breakpoint_mixtures(PLANS["digits"], {"measures": table})
    assert list(found) == ["g"]
    return {result.claim.key: result.verdict for result in found["g"]}


def test_claims_hold_fail_and_stay_open():
    found = verdicts(measures())
    assert len(found) == 23
    assert found["falls_dense_lineage"] == "holds"
    assert found["returns_dense_lineage"] == "holds"
    assert found["more_than_chance_dense_lineage"] == "holds"
    assert found["fast"] == "holds"  # in 18.5 iterations
    assert found["mixture_keeps_pace"] == "holds"  # 13.5 iterations apart
    assert found["signature"] == "fails"  # more than random, but FGSM accuracy crashed
    assert found["low_rank"] == "holds"
    assert found["random_graft_harmless"] == "holds"
    assert found["removal_restores"] == "fails"
    assert found["high_frequencies"] == "undecided"  # not measured


def test_no_shares_or_times_of_a_fall_too_small():
    table = measures()
    table.loc[(table["statistic"] == "pgd-10") & (table["offset"] == AFTER), "value"] = 0.58
    found = verdicts(table)
    assert found["fast"] == found["low_rank"] == "undecided"
    assert found["returns_dense_lineage"] == "holds"
