import numpy as np
import pandas as pd

from figures.gradalign.natural_break import CLAIMS
from tests._helpers.grid_runs import SEEDS, verdicts


def course(width, best, broke):
    """Probes before and after iteration 1000, where all seeds but the last ones break."""
    rows = []
    for seed in range(SEEDS):
        at_end = 0.0 if seed < broke else best
        found = {("probe_pgd", 500): best + 0.001 * seed, ("probe_pgd", 2000): at_end}
        found |= {("fgsm", 2000): 0.9 + 0.001 * seed, ("pgd-50-10", 2000): at_end}
        if seed < broke:
            found["iteration", 1000] = 1000.0
        rows += [(name, iteration, value, width, seed) for (name, iteration), value in found.items()]
    return pd.DataFrame(rows, columns=["statistic", "iteration", "value", "width", "seed"])


def test_that_a_network_breaks_is_a_share_of_seeds_behind_its_robustness_before():
    data = pd.concat([course(16, 0.2, SEEDS), course(4, 0.08, SEEDS)], ignore_index=True)
    found = verdicts(CLAIMS, data)
    assert found == {
        "breaks_16": "holds",
        "broken_16": "fact",
        "one_step_16": "holds",
        "breaks_4": "untestable",
        "broken_4": "untestable",
        "one_step_4": "untestable",
    }
    result = {result.claim.key: result for result in CLAIMS(data)}["one_step_4"]
    assert "robust before it breaks" in result.premise  # that of its premise
    assert np.isfinite(result.found.mean)
