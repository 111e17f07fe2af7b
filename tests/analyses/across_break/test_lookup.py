"""Readings of hand-made measures."""

import numpy as np
import pandas as pd
import pytest

from analyses.across_break.answers import answers
from analyses.across_break.arms import AFTER, BEFORE
from analyses.across_break.lookup import MIXTURE, Lookup
from analyses.across_break.tables import change_table, layer_table

COLUMNS = ["seed", "arm", "offset", "part", "layer", "statistic", "value"]
PGD = ("accuracy", "pgd-10")


def measures() -> pd.DataFrame:
    rows = []
    for seed in (0, 1, 2):
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
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_none", 0.6))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_graft_4", 0.15 + lift))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "pgd-10_graft_4_random", 0.57))
        rows.append((seed, "fgsm", BEFORE, "edit", "a", "pgd-10_graft_full", 0.3 + lift))
        rows.append((seed, "fgsm", AFTER, "edit", "", "pgd-10_none", 0.0))
        rows.append((seed, "fgsm", AFTER, "edit", "", "pgd-10_remove_clean_u1", 0.06 + lift))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(world="w", offset=table["offset"].astype("Int64"))


def test_values_jumps_and_excesses():
    look = Lookup(measures(), "w")
    assert look.at("fgsm", BEFORE, *MIXTURE).tolist() == pytest.approx([0.3] * 3)
    assert look.jump("fgsm", *MIXTURE).tolist() == pytest.approx([0.3, 0.31, 0.32])
    assert look.jump("fgsm", *MIXTURE, "b").tolist() == pytest.approx([0.2, 0.21, 0.22])
    assert look.excess(*MIXTURE).tolist() == pytest.approx([0.2, 0.21, 0.22])
    assert look.at("fgsm", 99, *MIXTURE).isna().all()


def test_edits_count_in_shares_of_the_fall():
    look = Lookup(measures(), "w")
    assert look.collapse_by("graft_4").tolist() == pytest.approx([0.75, 0.44 / 0.6, 0.43 / 0.6])
    assert look.collapse_by("graft_4_random").tolist() == pytest.approx([0.05] * 3)
    assert look.recovery_by("remove_clean_u1").tolist() == pytest.approx([0.1, 0.07 / 0.6, 0.08 / 0.6])


def test_times_count_from_the_break():
    look = Lookup(measures(), "w")
    assert look.half_time(*PGD).tolist() == [4.0] * 3  # 0.6 -> 0.0: half the way is 0.3, passed at 4
    assert look.duration(*PGD).tolist() == [float(AFTER - 1)] * 3  # 0.45 is passed at 1, 0.15 at the end
    assert look.half_time(*MIXTURE).tolist() == [float(AFTER)] * 3
    assert look.half_time("accuracy", "clean").isna().all()


def test_a_dip_on_the_way_is_no_arrival():
    table = measures()
    dip = (table["statistic"] == "pgd-10") & (table["offset"] == 0)
    table.loc[dip, "value"] = 0.1
    assert Lookup(table, "w").half_time(*PGD).tolist() == [4.0] * 3


def test_answers_hold_fail_and_stay_open():
    verdicts = {result.claim.key: result.verdict for result in answers(measures(), "w")}
    assert verdicts["falls_dense_lineage"] == "holds"
    assert verdicts["returns_dense_lineage"] == "holds"
    assert verdicts["more_than_chance_dense_lineage"] == "holds"
    assert verdicts["fast"] == "fails"
    assert verdicts["mixture_keeps_pace"] == "fails"  # at 64, robustness at 4
    assert verdicts["low_rank"] == "holds"
    assert verdicts["random_graft_harmless"] == "holds"
    assert verdicts["removal_restores"] == "fails"
    assert verdicts["high_frequencies"] == "undecided"  # not measured


def test_tables_by_statistic_and_layer():
    changes = change_table(measures(), "w").set_index("statistic")
    row = changes.iloc[0]
    assert row["excess"] == pytest.approx(0.21)
    assert row["low"] < 0.21 < row["high"]
    assert np.isnan(changes.iloc[-1]["excess"])
    layers = layer_table(measures(), "w")
    own = layers[(layers["measure"] == layers["measure"].iloc[0])].set_index("layer")
    assert own.loc["a", "mean"] == pytest.approx(0.31)
    assert own.loc["b", "mean"] == pytest.approx(0.11)
    alone = layers[layers["measure"].str.startswith("share of the collapse from its")].set_index("layer")
    assert alone.loc["a", "mean"] == pytest.approx((0.3 + 0.29 + 0.28) / 3 / 0.6)
