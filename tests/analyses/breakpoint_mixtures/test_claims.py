"""Claims on hand-made measures."""

from analyses.breakpoint_mixtures.claims import judge_breakpoint_mixtures
from analyses.breakpoint_mixtures.plan import AFTER, PLANS
from tests._helpers.breakpoint_measures import measures


def verdicts(table):
    found = judge_breakpoint_mixtures(PLANS["digits"], {"measures": table})
    assert list(found) == ["g"]
    return {result.claim.key: result.verdict for result in found["g"]}


def test_claims_hold_fail_and_stay_open():
    found = verdicts(measures(5))
    assert len(found) == 23
    assert found["falls_dense_lineage"] == "holds"
    assert found["returns_dense_lineage"] == "holds"
    assert found["more_than_chance_dense_lineage"] == "fact"  # the same in every seed, but for round-off
    assert found["fast"] == "fact"  # in 18.5 iterations, whatever the seed
    assert found["mixture_keeps_pace"] == "fact"  # 13.5 iterations apart
    assert found["signature"] == "fails"  # more than random, but FGSM accuracy crashed
    assert found["low_rank"] == "holds"
    assert found["random_graft_harmless"] == "fact"
    assert found["removal_restores"] == "fails"
    assert found["high_frequencies"] == "shown"  # not measured


def test_no_shares_or_times_of_a_fall_too_small():
    table = measures(5)
    table.loc[(table["statistic"] == "pgd-10") & (table["offset"] == AFTER), "value"] = 0.58
    found = verdicts(table)
    asked_across = ("fast", "low_rank", "returns_dense_lineage", "more_than_chance_dense_lineage", "removal_restores")
    assert {found[key] for key in asked_across} == {"untestable"}
    assert found["falls_dense_lineage"] == "holds"


def test_a_seed_that_does_not_collapse_says_nothing_of_catastrophic_overfitting():
    table = measures(6)
    spared = (table["statistic"] == "pgd-10") & (table["offset"] == AFTER) & (table["seed"] == 0)
    table.loc[spared & (table["arm"] == "fgsm") & (table["part"] == "accuracy"), "value"] = 0.65
    found = {one.claim.key: one for one in judge_breakpoint_mixtures(PLANS["digits"], {"measures": table})["g"]}
    assert found["low_rank"].verdict == "holds"
    assert found["returns_dense_lineage"].found.n == 5
    assert len(found["returns_dense_lineage"].values["values"]) == 6
    assert found["falls_energy_clean_u1"].verdict == found["labels_matter"].verdict == "shown"


def test_what_is_learned_from_a_control_or_a_reference_asks_that_it_is_robust():
    across = "returns_dense_lineage"
    for arm, asked in (("n_fgsm", {across}), ("pgd", {across, "falls_dense_lineage"})):
        table = measures(5)
        table.loc[(table["statistic"] == "pgd-10") & (table["arm"] == arm), "value"] = 0.1
        found = verdicts(table)
        assert {key for key in ("falls_dense_lineage", across) if found[key] == "untestable"} == asked
        assert found["low_rank"] == "holds"
