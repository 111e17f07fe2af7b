import numpy as np
import pandas as pd
import pytest

from figures.gradalign.radius_sweep import CLAIMS, breaking_radius, robust_by_radius
from tests._helpers.grid_runs import SEEDS, grid_runs, verdicts


def test_radius_of_collapse_counts_a_diverged_run_as_broken():
    data = pd.DataFrame(
        {
            "method": "fgsm",
            "epsilon": [0.1, 0.2, 0.3] * 2,
            "seed": [0, 0, 0, 1, 1, 1],
            "robust": [0.8, 0.05, 0.0, 0.8, 0.6, 0.05],
            "breakpoint": [np.nan, np.nan, 90.0, np.nan, np.nan, np.nan],
            "state": ["done", "diverged", "done", "done", "done", "done"],
        }
    )
    data.loc[1, "robust"] = np.nan
    assert robust_by_radius(data, "fgsm").loc[0].tolist() == [0.8, 0.0, 0.0]
    found = breaking_radius(data, "fgsm")
    assert found[0] == 0.2
    assert np.isnan(found[1])  # learned little, and has no breakpoint


RADII = (0.15, 0.25, 0.3)


def sweep(**first_broken):
    """By method, the first radius at which all seeds break; without one none does."""
    cells = {
        (method, epsilon): (0.5, SEEDS if epsilon >= first_broken.get(method, 1) else 0)
        for method in ("fgsm", "rs_fgsm", "n_fgsm", "gradalign", "pgd-2")
        for epsilon in RADII
    }
    return grid_runs(("method", "epsilon"), cells).assign(state="done")


def test_a_method_that_breaks_at_a_larger_radius_holds_longer_and_so_does_one_that_never_breaks():
    found = {result.claim.key: result for result in CLAIMS(sweep(fgsm=0.25, rs_fgsm=0.3, gradalign=0.3))}
    assert found["rs_later"].found.mean == pytest.approx(0.25 - 0.15)
    assert found["pgd2_later"].found.mean == pytest.approx(0.3 - 0.25)  # RS-FGSM held 0.25, PGD-2 all
    assert {key: result.verdict for key, result in found.items()} == {
        **dict.fromkeys(("fgsm_small", "fgsm_large", "rs_later", "rs_collapses", "pgd2_later"), "holds"),
        "gradalign_holds": "undecided",
        "n_fgsm_holds": "holds",
    }


def test_nothing_is_prevented_where_fgsm_training_does_not_break():
    found = verdicts(CLAIMS, sweep())
    assert found["fgsm_large"] == "fails"
    assert found["n_fgsm_holds"] == found["gradalign_holds"] == "untestable"


def test_runs_that_diverged_are_no_breaks():
    data = sweep(fgsm=0.3)
    data.loc[(data["method"] == "gradalign") & (data["epsilon"] == 0.3) & (data["seed"] < 2), "state"] = "diverged"
    found = {result.claim.key: result for result in CLAIMS(data)}
    assert found["gradalign_holds"].found.n == SEEDS - 2


def test_a_table_without_breakpoints_is_asked_about_accuracy_alone():
    assert list(verdicts(CLAIMS, sweep(fgsm=0.25).drop(columns="breakpoint"))) == ["fgsm_small"]
