"""Tables of hand-made runs."""

import numpy as np
import pandas as pd

from analyses.holistic_robust.plan import PLAIN
from analyses.holistic_robust.tables import arm_table, single_step_onsets
from tests._helpers.onsets import HR, onset_rows


def test_arms_are_counted_with_censoring():
    table = arm_table(
        onset_rows({PLAIN: [250, 260, 270], HR: [400, 480, 480], "permuted": [300] * 3, "norm_matched": [480] * 3}),
        HR,
    ).set_index("arm")
    assert table["broke"].to_dict() == {PLAIN: 3, HR: 1, "permuted": 3, "norm_matched": 0}
    assert table.at[PLAIN, "onset"] == 260
    assert table.at[PLAIN, "log_rank_p"] < 0.05
    assert np.isnan(table.at[HR, "log_rank_p"])


def test_onsets_are_censored_at_the_end_of_training():
    runs = pd.DataFrame(
        {
            "arm": ["AT", "AT"],
            "seed": [0, 1],
            "run": ["a", "b"],
            "verdict": "",
            "breakpoint": [100.0, np.nan],
            "iterations": 480,
            "clean": 0.9,
            "pgd-50": 0.1,
        }
    )
    losses = pd.DataFrame({"arm": "AT", "seed": 0, "split": ["train", "train", "test"], "fgsm": [1.0, 3.0, 9.0]})
    found = single_step_onsets(runs, losses.assign(robust=losses["fgsm"] + 1), (0.0, 0.0))
    assert found["time"].tolist() == [100, 480]
    assert found["broke"].tolist() == [True, False]
    assert found["value_fgsm"].iloc[0] == 2  # without a radius the plain mean
    assert found["mean_robust"].iloc[0] == 3
    assert found[["value_fgsm", "mean_robust"]].iloc[1].isna().all()  # diverged: no losses
    assert found["fgsm"].isna().all()  # not evaluated
