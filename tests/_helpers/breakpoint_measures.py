"""Hand-made measures of the study across the breakpoint: one group `g`, two layers."""

import pandas as pd

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.breakpoint_mixtures.results import MIXTURE

COLUMNS = ["seed", "arm", "offset", "part", "layer", "statistic", "value"]


def measures(seeds: int = 3) -> pd.DataFrame:
    rows = []
    for seed in range(seeds):
        lift = 0.01 * seed
        for layer, jump in (("a", 0.4), ("b", 0.2)):
            rows += [(seed, "fgsm", BEFORE, "mixtures", layer, MIXTURE[1], 0.3)]
            rows += [(seed, "fgsm", AFTER, "mixtures", layer, MIXTURE[1], 0.3 + jump + lift)]
            rows += [
                (seed, "n_fgsm", o, "mixtures", layer, MIXTURE[1], 0.3 + 0.1 * (o == AFTER)) for o in (BEFORE, AFTER)
            ]
            rows += [(seed, "standard", BEFORE, "mixtures", layer, MIXTURE[1], 0.5 + lift)]
            rows += [(seed, "norm_matched", AFTER, "mixtures", layer, MIXTURE[1], 0.35 + lift)]
        for offset, accuracy in ((BEFORE, 0.6), (0, 0.5), (1, 0.4), (4, 0.2), (AFTER, 0.0)):
            rows.append((seed, "fgsm", offset, "accuracy", "", "pgd-10", accuracy))
        rows += [(seed, arm, AFTER, "accuracy", "", "pgd-10", 0.55) for arm in ("n_fgsm", "pgd")]
        rows += [(seed, "fgsm", o, "accuracy", "", "fgsm", 0.7 + (0.2 + lift) * (o == AFTER)) for o in (BEFORE, AFTER)]
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_none", 0.6))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "fgsm_none", 0.7))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "fgsm_graft_4", 0.3 + lift))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "fgsm_graft_4_random", 0.1))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_graft_4", 0.15 + lift))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_graft_4_random", 0.57))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_graft_full", 0.05 + lift))
        rows.append((seed, "fgsm", BEFORE, "edit", "a", "pgd-10_graft_full", 0.3 + lift))
        rows.append((seed, "fgsm", AFTER, "edit", "", "pgd-10_none", 0.0))
        rows.append((seed, "fgsm", AFTER, "edit", "", "pgd-10_remove_clean_u1", 0.06 + lift))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(group="g", offset=table["offset"].astype("Int64"))
