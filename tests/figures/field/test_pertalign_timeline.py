import numpy as np
import pandas as pd
import pytest

from figures.field.pertalign_timeline import CLAIMS, alarms, lead, means_around
from tests._helpers.statistic_rows import rows


def test_the_rule_of_quarters_fires_when_a_window_has_fallen_by_half():
    steps = np.arange(2, 402, 2)
    align = np.where(steps < 300, 0.9, 0.2)
    data = pd.concat(
        [
            rows("breaks", 0, "pert_align", steps, align),
            rows("intact", 0, "pert_align", steps, np.full(len(steps), 0.9)),
            rows("breaks", 0, "breakpoint", [320], [320.0]),
        ],
        ignore_index=True,
    )
    # 12 of the 16 newest values must be low for a mean fall of 0.7 * 12 / 16 = 0.525: 300, 302, ..., 322.
    assert alarms(data, "breaks")[0][0] == 322
    assert alarms(data, "intact")[0] == []
    assert lead(data)[0] == -2
    pair = means_around(data, "pert_align").loc[0]
    # before: 300..314 from the eight steps 300, ..., 314, all low
    assert pair["before"] == pytest.approx(0.2)
    assert pair["after"] == pytest.approx(0.2)


def test_the_rules_alarms_are_judged_as_shares_of_seeds():
    steps = np.arange(2, 402, 2)
    parts = []
    for seed in range(6):
        falls = 300 if seed else 1000  # the rule never fires in the first seed
        parts.append(rows("breaks", seed, "pert_align", steps, np.where(steps < falls, 0.9, 0.2 + 0.001 * seed)))
        parts.append(rows("breaks", seed, "linearity", steps, np.full(len(steps), 2.0 + 0.1 * seed)))
        parts.append(rows("intact", seed, "pert_align", steps, np.full(len(steps), 0.9)))
        parts.append(rows("breaks", seed, "breakpoint", [330], [330.0]))
    found = {result.claim.key: result for result in CLAIMS(pd.concat(parts, ignore_index=True))}
    assert found["fires"].found.mean == found["in_time"].found.mean == 5 / 6  # a seed without an alarm is not in time
    assert found["fires"].by == "exact binomial"
    assert (found["silent"].found.mean, found["silent"].verdict) == (0, "holds")
