"""Claims on hand-made tables."""

import numpy as np
import pandas as pd
import pytest

from analyses.core.claims import judge_claims
from analyses.memorisation.claims import BREAKING_ROWS, CLAIMS
from analyses.memorisation.results import BreakingResults, MemorisationResults


def accuracies(numbers):
    """Judged: accuracies by arm, group and event, five seeds apart by a thousandth; of standard training, too."""
    rows = [
        {"kind": kind, "arm": arm, "group": group, "event": event, "seed": seed}
        | {"accuracy": accuracy - 0.001 * seed * (arm == "all")}
        for (arm, group, event), accuracy in numbers.items()
        for kind in ("adversarial", "standard")
        for seed in range(5)
    ]
    return MemorisationResults({"accuracies": pd.DataFrame(rows)})


def judged(question, numbers):
    results = judge_claims(CLAIMS[question], accuracies(numbers), only_known=True)
    return {one.claim.key: one for one in results}


@pytest.mark.parametrize(("at_radius", "verdict"), [(0.04, "untestable"), (0.4, "fails")])
def test_robust_accuracy_that_has_no_room_to_fall_is_not_said_to_stay(at_radius, verdict):
    numbers = {("all", "linked", event): 0.9 for event in ("clean", "robust", "robust_small")}
    arms = ("without atypical", "without typical")
    numbers |= {(arm, "linked", event): 0.0 for arm in arms for event in ("clean", "robust", "robust_small")}
    numbers["all", "linked", "robust"] = at_radius
    found = judged("benefit", numbers)
    assert found["a_robust_not_lost"].verdict == verdict
    assert found["a_robust_small_not_lost"].verdict == "fails"
    assert found["a_clean"].verdict == "holds"


def test_accuracy_at_its_ceiling_is_not_said_to_stay():
    arms = ("without flagged", "without atypical", "without most memorised")
    numbers = {(arm, "typical", event): 1.0 for arm in arms for event in ("clean", "robust")}
    numbers["without atypical", "typical", "robust"] = 0.95
    found = judged("harm", numbers)
    assert found["b_robust"].verdict in ("holds", "fact")
    untestable = {key for key, one in found.items() if one.verdict == "untestable"}
    assert untestable == {"b_clean", "b_specific", "b_flags_beat_memorisation"}
    assert "stays below 99%" in found["b_clean"].premise


def test_a_seed_that_did_not_train_is_left_out_and_counted():
    both = "weights + discrimination"
    numbers = {(arm, "all", event): 0.9 for arm in ("all", both) for event in ("clean", "robust")}
    table = accuracies(numbers)._tables["accuracies"]
    table = pd.concat([table, table.assign(seed=table["seed"] + 5)])  # ten seeds
    table.loc[(table["arm"] == both) & (table["seed"] == 7), "accuracy"] = 0.1
    results = judge_claims(CLAIMS["methods"], MemorisationResults({"accuracies": table}), only_known=True)
    found = {one.claim.key: one for one in results}["c_both_clean"]
    assert found.verdict == "holds"
    assert (found.found.n, len(found.values["values"])) == (9, 10)


def test_a_method_that_learned_nothing_is_no_control():
    numbers = {("weights", "all", "robust"): 0.9, ("all", "all", "robust"): 0.85, ("dom", "all", "robust"): 0.1}
    found = judged("methods", numbers)
    assert found["c_robust"].verdict == "holds"
    assert found["c_dom"].verdict == "untestable"


@pytest.mark.parametrize(
    ("plain", "robust", "verdict"),
    [
        ([50, 52, 54, 56, 58, 60], 0.4, "holds"),
        ([np.nan] * 6, 0.4, "untestable"),
        ([50, 52, 54, 56, 58, 60], 0.1, "untestable"),
    ],
    ids=["delays", "nothing breaks", "weights do not train"],
)
def test_weights_delay_only_what_happens(plain, robust, verdict):
    rows = [
        {"arm": arm, "seed": seed, "onset": onset, "last": 100, "pgd-10": robust}
        for arm, onsets in (("plain", plain), ("weights", [np.nan] * 6))
        for seed, onset in enumerate(onsets)
    ]
    course = pd.DataFrame(columns=["arm", "seed", "iteration", "alignment"])
    results = BreakingResults(course, pd.DataFrame(rows))
    row = next(row for row in BREAKING_ROWS if row.claim.key == "h_plus_delay")
    (found,) = judge_claims([row], results, arms=results.arms)
    assert found.verdict == verdict
    assert found.found.mean == pytest.approx(1 - np.nanmean(np.nan_to_num(plain, nan=100)) / 100)
