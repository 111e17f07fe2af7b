import numpy as np
import pandas as pd
import pytest

from cotoolkit.core.errors import RunError
from figures.co_features.setups.around_breakpoint import (
    beside_breakpoint,
    breakpoint_sides,
    injection_of,
    run_course,
    states,
)
from tests._helpers.kept_runs import KEPT, Broken, Early, Late
from tests._helpers.small import small


def test_the_sides_of_a_break_are_kept_iterations_clear_of_it(folder):
    assert breakpoint_sides(Broken(folder.path)) == (5, 15)  # 10 is less than one distance behind 9
    assert breakpoint_sides(Late(folder.path)) == (10, 15)
    assert states(folder) == {"trained": 15}
    assert states(Broken(folder.path)) == {"before": 5, "after": 15}
    with pytest.raises(RunError, match="has no break"):
        breakpoint_sides(folder)
    with pytest.raises(RunError, match="set keep"):
        breakpoint_sides(Early(folder.path))


def test_a_run_without_a_feature_has_none_to_look_for():
    with pytest.raises(RunError, match="injects no feature"):
        injection_of(small())


def test_the_course_of_a_run_ends_with_the_networks_own_accuracy(folder):
    found = run_course(folder)
    assert found["iteration"].tolist() == list(KEPT)
    assert found["kept"].all()
    assert found["breakpoint"].isna().all()
    assert found["random"].unique().tolist() == [5 / 64]
    assert found["clean"].iloc[-1] == folder.result()["evaluation"]["clean"]["value"]
    assert found["fgsm_inside"].between(0, 1).all()
    assert found["fgsm_cancelled"].abs().max() <= 1 + 1e-6


def test_a_measure_beside_the_break_is_that_of_the_same_seed_and_iteration():
    rows = [
        (arm, seed, iteration, 100 * seed + iteration + (0.5 if arm == "pgd_with" else 0.0), before)
        for arm in ("fgsm_with", "pgd_with")
        for seed, before in ((2, 10.0), (0, 5.0), (1, np.nan))
        for iteration in (5, 10)
    ]
    data = pd.DataFrame(rows, columns=["arm", "seed", "iteration", "value", "before"])
    data.loc[data["arm"] == "pgd_with", "before"] = np.nan
    assert beside_breakpoint(data, "fgsm_with", "value", "before").tolist() == [5.0, 210.0]  # seeds 0 and 2
    assert beside_breakpoint(data, "pgd_with", "value", "before").tolist() == [5.5, 210.5]
