import numpy as np
import pandas as pd
import pytest

from figures.field.pertalign_timeline import alarms, lead, means_around
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
