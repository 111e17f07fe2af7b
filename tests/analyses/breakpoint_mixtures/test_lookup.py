"""Readings of hand-made measures."""

import numpy as np
import pandas as pd
import pytest

from analyses.breakpoint_mixtures.answers import answers
from analyses.breakpoint_mixtures.arms import AFTER, BEFORE
from analyses.breakpoint_mixtures.lookup import MIXTURE, Lookup
from analyses.breakpoint_mixtures.tables import change_table, layer_table

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
        rows.append((seed, "fgsm", BEFORE, "edit", "", "fgsm_none", 0.7))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "fgsm_graft_4", 0.3 + lift))
        rows.append((seed, "fgsm", BEFORE, "edit", "", "fgsm_graft_4_random", 0.1))
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


def test_times_are_interpolated_and_count_from_the_break():
    look = Lookup(measures(), "w")
    # 0.6 -> 0.0; half the way is 0.3, between 0.4 at 1 and 0.2 at 4
    assert look.half_time("falls", *PGD).tolist() == pytest.approx([2.5] * 3)
    # 0.45 lies between 0.5 at 0 and 0.4 at 1; 0.15 a quarter of the way from 0.2 at 4 to 0 at the end
    assert look.duration("falls", *PGD).tolist() == pytest.approx([4 + (AFTER - 4) / 4 - 0.5] * 3)
    middle = (BEFORE + AFTER) / 2
    assert look.half_time("rises", *MIXTURE).tolist() == pytest.approx([middle] * 3)
    assert look.half_time("rises", "accuracy", "clean").isna().all()


def test_a_move_the_other_way_has_no_time():
    assert Lookup(measures(), "w").half_time("rises", *PGD).isna().all()
    assert Lookup(measures(), "w").half_time("falls", *MIXTURE).isna().all()


def test_a_dip_on_the_way_is_no_arrival():
    table = measures()
    table.loc[(table["statistic"] == "pgd-10") & (table["offset"] == 0), "value"] = 0.1
    assert Lookup(table, "w").half_time("falls", *PGD).tolist() == pytest.approx([2.5] * 3)


def test_a_layer_that_is_missing_on_one_side_changes_nothing():
    table = measures()
    gone = (table["statistic"] == MIXTURE[1]) & (table["layer"] == "b") & (table["offset"] == AFTER)
    look = Lookup(table[~gone], "w")
    assert look.jump("fgsm", *MIXTURE).tolist() == pytest.approx([0.4, 0.41, 0.42])  # of layer a alone


def test_no_shares_of_a_fall_too_small():
    table = measures()
    table.loc[(table["statistic"] == "pgd-10") & (table["offset"] == AFTER), "value"] = 0.58
    look = Lookup(table, "w")
    assert look.collapse_by("graft_4").isna().all()
    assert {r.claim.key: r.verdict for r in answers(table, "w")}["fast"] == "undecided"


def test_answers_hold_fail_and_stay_open():
    verdicts = {result.claim.key: result.verdict for result in answers(measures(), "w")}
    assert verdicts["falls_dense_lineage"] == "holds"
    assert verdicts["returns_dense_lineage"] == "holds"
    assert verdicts["more_than_chance_dense_lineage"] == "holds"
    assert verdicts["fast"] == "holds"  # in 18.5 iterations
    assert verdicts["mixture_keeps_pace"] == "holds"  # 13.5 iterations apart
    assert verdicts["signature"] == "fails"  # more than random, but FGSM accuracy crashed
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
