"""Numbers by arm and seed, read from the study's tables."""

import numpy as np
import pandas as pd
import pytest

from analyses.core.claims import judge_claims
from analyses.memorisation.claims import CLAIMS
from analyses.memorisation.results import Accuracies, BreakingResults, MemorisationResults
from analyses.memorisation.retraining import accuracy_table


def bools(text):
    return np.array([letter == "1" for letter in text])


def test_accuracies_and_their_differences():
    rows = [
        {"kind": "adversarial", "arm": arm, "seed": seed, "part": "test", "index": i, "clean": right}
        for arm, seed, wrong in (("all", 0, 0), ("all", 1, 1), ("less", 0, 2), ("less", 1, 1), ("less", 2, 0))
        for i in (3, 1, 0, 2)
        for right in [i >= wrong]
    ]
    groups = {("all", None): bools("1111"), ("first", None): bools("1100"), ("linked", 0): bools("0011")}
    unmeasured = pd.DataFrame(rows).assign(robust=np.nan)
    table = accuracy_table(unmeasured, groups)
    assert set(table["event"]) == {"clean"}
    read = Accuracies(table)
    assert read.of("adversarial", "less", "all", "clean").to_dict() == {0: 0.5, 1: 0.75, 2: 1.0}
    assert read.minus("adversarial", "all", "less", "first", "clean").tolist() == [1.0, 0.0]
    assert read.of("adversarial", "all", "linked", "clean").to_dict() == {0: 1.0}
    assert read.minus("adversarial", "all", "nobody", "all", "clean").tolist() == []


def accuracies(**seeds):
    """Of typical and linked test images, made up of arm and seed; which seeds each arm has, by name and kind."""
    rows = [
        {"kind": kind, "arm": arm.replace("_", " "), "seed": seed, "group": group, "event": event}
        | {"accuracy": 0.01 * len(arm) * (seed + 1) ** (1 + (kind == "standard"))}
        for arm, of_kind in seeds.items()
        for kind, known in of_kind.items()
        for seed in known
        for group in ("typical", "linked")
        for event in ("clean", "robust")
    ]
    return MemorisationResults({"accuracies": pd.DataFrame(rows)})


def test_differences_of_differences_are_within_seeds():
    whole, part = {"adversarial": range(4), "standard": range(4)}, {"adversarial": [0, 2, 3], "standard": [0, 1, 3]}
    arms = {"all": whole, "without_atypical": whole, "without_typical": part, "without_flagged": part}
    read, complete = accuracies(**arms), accuracies(**dict.fromkeys(arms, whole))
    specific = read.specific()
    assert specific[specific.notna()].to_dict() == complete.specific()[[0, 3]].to_dict()
    row = next(row for row in CLAIMS["benefit"] if row.claim.key == "a_clean_specific")
    found = row.value(read)
    assert found[found.notna()].to_dict() == row.value(complete)[[0, 2, 3]].to_dict()
    (judged,) = judge_claims([row], read)
    assert judged.found.n == 3


def test_flags_across_a_break():
    course = pd.DataFrame(
        {
            "arm": "weights",
            "seed": 0,
            "iteration": [16, 48, 80, 112],
            "flagged": [0.5, 0.4, 0.1, 0.05],
            "flagged_pgd": [0.6, 0.5, 0.9, 0.95],
            "clean_error": [0.1, 0.1, 0.04, 0.04],
        }
    )
    onsets = pd.DataFrame({"arm": ["weights"] * 3, "seed": [0, 1, 2], "onset": [75, np.nan, np.nan], "last": 112})
    read = BreakingResults(course, onsets)
    row = read.across("weights", 32).iloc[0]
    assert (row["before"], row["after"], row["before_pgd"], row["after_pgd"]) == (0.4, 0.05, 0.5, 0.95)
    assert read.across("weights", 80).empty
    assert read.across("nobody", 32).empty


def test_alignment_is_compared_before_the_plain_run_breaks():
    course = pd.DataFrame(
        {
            "arm": ["plain"] * 3 + ["weights"] * 3,
            "seed": 0,
            "iteration": [16, 32, 48] * 2,
            "alignment": [0.9, 0.8, 0.1, 0.9, 0.85, 0.7],
        }
    )
    onsets = pd.DataFrame({"arm": ["plain", "plain", "weights"], "seed": [0, 1, 0], "onset": [40, np.nan, np.nan]})
    read = BreakingResults(course, onsets)
    assert read.alignment_gain("weights") == pytest.approx([0.05])
    assert len(read.alignment_gain("nobody")) == 0


def test_runs_that_did_not_break_count_as_breaking_at_their_end():
    onsets = pd.DataFrame(
        {"arm": ["plain", "plain", "b", "b"], "seed": [0, 1, 0, 1], "onset": [2, np.nan, 5, 4], "last": 10}
    )
    read = BreakingResults(pd.DataFrame(), onsets.assign(**{"pgd-10": [0.0, 0.1, 0.0, 0.0]}))
    later = read.later("b", "plain")
    assert later.found.mean == pytest.approx(-0.15)
    assert later.by == "log-rank test"
    assert list(later.other_happened) == [True, False]
    assert read.trained("plain").tolist() == [True, False]


def test_flags_are_read_at_one_threshold_and_noise_at_the_end():
    flags = pd.DataFrame({"seed": [0, 0, 1], "threshold": [0.25, 0.5, 0.25], "area": [0.9, 0.1, 0.8]})
    noise = pd.DataFrame({"seed": [0, 0], "iteration": [5, 9], "recall": [0.2, 0.7]})
    read = MemorisationResults({"flags": flags, "noise": noise})
    assert read.flags("area").tolist() == [0.9, 0.8]
    assert read.flags("harmful").tolist() == []
    assert read.noise("recall").tolist() == [0.7]
