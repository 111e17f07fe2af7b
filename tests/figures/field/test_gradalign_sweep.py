import numpy as np
import pandas as pd

from figures.field.gradalign_sweep import breaking_radius, robust_by_radius


def test_radius_of_collapse_counts_a_diverged_run_as_broken():
    data = pd.DataFrame(
        {
            "method": "fgsm",
            "epsilon": [0.1, 0.2, 0.3] * 2,
            "seed": [0, 0, 0, 1, 1, 1],
            "robust": [0.8, 0.05, 0.0, 0.8, 0.6, 0.5],
        }
    )
    data.loc[1, "robust"] = np.nan
    assert robust_by_radius(data, "fgsm").loc[0].tolist() == [0.8, 0.0, 0.0]
    found = breaking_radius(data, "fgsm")
    assert found[0] == 0.2
    assert np.isnan(found[1])
