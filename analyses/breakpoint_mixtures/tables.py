"""The change across the break, by statistic and by layer."""

from __future__ import annotations

import pandas as pd

from analyses.breakpoint_mixtures.lookup import MIXTURE, MIXTURES, OTHER, Direction, Lookup
from analyses.core.statistics import estimate, holm, paired_p


def change_table(measures: pd.DataFrame, world: str) -> pd.DataFrame:
    """The change across the break by statistic: of every arm, and the excess of FGSM over N-FGSM with its p.

    Times only of statistics whose change by FGSM is beyond doubt. p values are of a t test over seeds, adjusted by Holm
    over the statistics.
    """
    look = Lookup(measures, world)
    rows = []
    for (part, statistic), name in {**MIXTURES, **OTHER}.items():
        excess = look.excess(part, statistic)
        arms = {arm: str(estimate(look.jump(arm, part, statistic).to_numpy())) for arm in ("fgsm", "n_fgsm", "pgd")}
        found = estimate(excess.to_numpy())
        rows.append({"statistic": name, **arms, "excess": found.mean, "low": found.low, "high": found.high})
        own = estimate(look.jump("fgsm", part, statistic))
        if own.low > 0 or own.high < 0:  # a time of what did not move is noise
            direction: Direction = "rises" if own.mean > 0 else "falls"
            rows[-1] |= {"half_time": estimate(look.half_time(direction, part, statistic)).mean}
            rows[-1] |= {"duration": estimate(look.duration(direction, part, statistic)).mean}
        rows[-1] |= {"p": paired_p(excess)}
    table = pd.DataFrame(rows)
    return table.assign(holm_p=holm(table.pop("p")))


def layer_table(measures: pd.DataFrame, world: str) -> pd.DataFrame:
    """Which layers: FGSM's excess over N-FGSM across the break by layer, and what each layer's change does alone.

    p values are of a t test over seeds, adjusted by Holm over the layers of each statistic.
    """
    look = Lookup(measures, world)
    layers = look.rows("fgsm", *MIXTURE)["layer"].unique()
    tables = []
    for (part, statistic), name in MIXTURES.items():
        found = []
        for layer in layers:
            excess = look.excess(part, statistic, layer).to_numpy()
            found.append({"layer": layer, "measure": name, **estimate(excess)._asdict(), "p": paired_p(excess)})
        one = pd.DataFrame(found)
        tables.append(one.assign(holm_p=holm(one.pop("p"))))
    alone = []
    for layer in layers:
        for edit, name in (("graft_full", "its change alone"), ("graft_full_random", "as much random change alone")):
            share = look.collapse_by(edit, layer)
            measure = f"share of the collapse from {name}"
            alone.append({"layer": layer, "measure": measure, **estimate(share.to_numpy())._asdict()})
    return pd.concat([*tables, pd.DataFrame(alone)], ignore_index=True)
