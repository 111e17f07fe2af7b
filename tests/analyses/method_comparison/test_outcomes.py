"""Numbers over seeds, claims and sentences from outcomes made up by hand."""

import numpy as np
import pandas as pd
import pytest

from analyses.method_comparison.claims import hiding_claims, prevented, prevention_claims
from analyses.method_comparison.outcomes import comparison_outcomes, method_summary
from analyses.method_comparison.page.conclusions import conclusions, left_out_note
from analyses.method_comparison.plan import comparison_plan
from tests._helpers.made_comparison import made_outcomes

MADE = {"standard": 0, "fgsm": 10, "n_fgsm": 0, "rs_fgsm": 5, "dom": 0}


@pytest.fixture
def made():
    return made_outcomes(MADE, weak=("standard", "dom"))


def test_a_summary_by_hand(made):
    made.loc[made["run"] == "rs_fgsm-9", ["state", "last_robust"]] = ["failed", np.nan]
    found = method_summary(made).set_index("method")
    assert found.loc["fgsm", ["seeds", "broke", "share", "onset"]].tolist() == [10, 10, 1.0, 0.5]
    assert found.loc["fgsm", "share_low"] == pytest.approx(0.025 ** (1 / 10))  # 10 of 10, Clopper and Pearson
    assert found.loc["n_fgsm", "share_high"] == pytest.approx(1 - 0.025 ** (1 / 10))
    assert (found.loc["rs_fgsm", "seeds"], found.loc["rs_fgsm", "broke"]) == (9, 5)  # a failed run is no seed
    assert found.loc["rs_fgsm", "last_robust"] == pytest.approx(4 * 0.43 / 9)
    assert found.loc["rs_fgsm", "best_robust"] == pytest.approx(0.43)
    assert np.isnan(found.loc["n_fgsm", "onset"])
    assert np.isnan(found.loc["n_fgsm", "last_autoattack"])
    assert found.loc["n_fgsm", "units"] == 2


def test_claims_hold_and_fail_on_what_was_made(made):
    verdicts = {result.claim.key: result.verdict for result in prevention_claims(made)}
    assert verdicts == {
        "n_fgsm_prevents_eps_0_25": "holds",
        "rs_fgsm_prevents_eps_0_25": "undecided",
        "dom_prevents_eps_0_25": "fails",  # without a breakpoint, but it never was robust
    }
    (hides,) = hiding_claims(made)
    assert (hides.verdict, hides.found.mean) == ("fact", pytest.approx(0.41))
    spared = made_outcomes({"fgsm": 0, "n_fgsm": 0})
    assert [one.verdict for one in (*prevention_claims(spared), *hiding_claims(spared))] == ["untestable"] * 2
    few = made_outcomes({"fgsm": 3, "n_fgsm": 0}, seeds=3)
    assert [one.verdict for one in prevention_claims(few)] == ["shown"]
    assert prevention_claims(made_outcomes({"n_fgsm": 0})) == []


def test_what_is_robust_is_relative_and_what_never_learned_shows_nothing(made):
    rows = made["method"] == "n_fgsm"
    made.loc[rows, ["last_clean", "last_robust"]] = [0.3, 0.14]  # little, but half of what the network can do
    made.loc[made["method"] == "dom", ["last_clean", "last_robust"]] = [0.1, 0.1]  # one class for all images
    verdicts = {result.claim.key: result.verdict for result in prevention_claims(made)}
    assert verdicts["n_fgsm_prevents_eps_0_25"] == "holds"
    assert verdicts["dom_prevents_eps_0_25"] == "untestable"
    assert (
        "Learned nothing in any seed, so that no breakpoint says nothing: dom (10% clean)."
        in conclusions(made, method_summary(made))[0]
    )
    made.loc[rows, ["last_clean", "last_robust"]] = [0.3, 0.08]  # below guessing
    assert not prevented(made[rows]).any()
    made.loc[rows, ["last_clean", "last_robust"]] = [0.8, 0.19]  # below a quarter of clean accuracy
    assert not prevented(made[rows]).any()


def test_of_networks_that_are_fgsms_the_average_is_judged():
    made = made_outcomes({"fgsm": 10, "ema": 10, "law": 0, "n_fgsm": 10})
    averaged = made["method"].isin(["ema", "law"])
    made.loc[averaged, ["average_clean", "average_robust"]] = [0.8, 0.4]
    made.loc[made["method"] == "n_fgsm", "breakpoint"] = 250  # as accurate as FGSM's, but other runs
    verdicts = {result.claim.key: result.verdict for result in prevention_claims(made)}
    assert verdicts == {
        "ema_average_robust_eps_0_25": "holds",
        "law_prevents_eps_0_25": "holds",
        "law_average_robust_eps_0_25": "holds",
        "n_fgsm_prevents_eps_0_25": "fails",
    }
    assert "The trained networks of ema are FGSM's" in conclusions(made, method_summary(made))[0]


def test_sentences_say_what_was_seen(made):
    (text,) = conclusions(made, method_summary(made))
    lines = text.splitlines()
    assert lines[0] == "ε 0.25, 10 seeds:"
    assert "FGSM training overfits catastrophically in 10 of 10." in lines
    assert any(line.endswith("robust accuracy at the end): n_fgsm (2 passes, 1.8× time, 42%).") for line in lines)
    assert "After 10 seeds without a breakpoint, up to 31% of all seeds may still overfit catastrophically." in lines
    assert "With breakpoints: rs_fgsm (5 of 10)." in lines
    assert "No breakpoint, but not robust at the end in every seed: standard (5%), dom (5%)." in lines
    lost = "rs_fgsm (43% at best, 22% at the end), fgsm (41% at best, 0% at the end)"
    assert f"A table of best epochs would hide the loss of {lost}." in lines
    for broke, word in (({"fgsm": 0, "pgd": 0}, "nothing to prevent"), ({"pgd": 0}, "was not compared")):
        outcomes = made_outcomes(broke, seeds=1)
        assert word in conclusions(outcomes, method_summary(outcomes))[0]


def test_a_diverged_run_prevents_nothing(made):
    made.loc[made["run"] == "n_fgsm-0", ["state", "verdict", "last_robust"]] = ["diverged", "diverged", np.nan]
    assert prevented(made[made["method"] == "n_fgsm"]).sum() == 9
    assert method_summary(made).set_index("method").loc["n_fgsm", "diverged"] == 1
    assert "n_fgsm (" in conclusions(made, method_summary(made))[0].split("not robust at the end")[1]


def test_what_is_missing_is_said():
    rows = [("ε 1", "elle", None, "no"), ("ε 1", "pgd", 0, "died"), ("ε 1", "pgd", 1, "died")]
    table = pd.DataFrame(rows, columns=["group", "method", "seed", "reason"])
    note = "Missing: 2 runs failed; not trained, as they refuse the settings: elle; the reasons stand below."
    assert left_out_note(table) == note
    assert left_out_note(table[:0]) == ""


def test_outcomes_join_runs_checkpoints_and_costs():
    plan = comparison_plan("smoke", ["fgsm", "standard"])
    names = {run.arm: run.name for run in plan.runs()}
    table = pd.DataFrame(
        {
            "run": [names["standard"], names["fgsm"]], "state": ["failed", "done"], "epsilon": 0.25, "method": "x",
            "verdict": ["", "robust"], "breakpoint": pd.array([None, 120], "Int64"), "earliest": None, "latest": None,
            "iterations": pd.array([None, 480], "Int64"), "best_iteration": pd.array([None, 60], "Int64"),
        }
    )  # fmt: skip
    common = {"group": "ε 0.25", "method": "fgsm", "seed": 0, "fgsm": 0.5, "autoattack": np.nan}
    checkpoints = pd.DataFrame(
        [
            {**common, "checkpoint": "last", "iteration": 480, "clean": 0.9, "robust": 0.1},
            {**common, "checkpoint": "best", "iteration": 60, "clean": 0.8, "robust": 0.3},
            {**common, "checkpoint": "averaged", "iteration": 480, "clean": 0.85, "robust": 0.2},
        ]
    )
    costs = pd.DataFrame({"settings": "", "method": ["fgsm"], "units": 2.0, "time": 1.8, "time_low": 1, "time_high": 2})
    found = comparison_outcomes(plan, table, checkpoints, costs).set_index("method")
    row = found.loc["fgsm"]
    assert (row["last_robust"], row["best_robust"], row["average_robust"]) == (0.1, 0.3, 0.2)
    assert (row["best_iteration"], row["onset"], row["units"], row["family"]) == (60, 0.25, 2, "single step")
    assert found.loc["standard", ["last_robust", "onset", "units"]].isna().all()
