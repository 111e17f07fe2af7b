"""Readings of hand-made measures."""

import numpy as np
import pandas as pd
import pytest

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.breakpoint_mixtures.results import MIXTURE, MIXTURES, BreakpointResults, by_group, statistic_changes
from tests._helpers.breakpoint_measures import measures

PGD = ("accuracy", "pgd-10")


def test_values_jumps_and_excesses():
    read = BreakpointResults(measures(), "g")
    assert read.at("fgsm", BEFORE, *MIXTURE).tolist() == pytest.approx([0.3] * 3)
    assert read.jump("fgsm", *MIXTURE).tolist() == pytest.approx([0.3, 0.31, 0.32])
    assert read.jump("fgsm", *MIXTURE, "b").tolist() == pytest.approx([0.2, 0.21, 0.22])
    assert read.excess(*MIXTURE).tolist() == pytest.approx([0.2, 0.21, 0.22])
    assert read.at("fgsm", 99, *MIXTURE).isna().all()


def test_edits_count_in_shares_of_the_fall():
    read = BreakpointResults(measures(), "g")
    assert read.collapse_by("graft_4").tolist() == pytest.approx([0.75, 0.44 / 0.6, 0.43 / 0.6])
    assert read.collapse_by("graft_4_random").tolist() == pytest.approx([0.05] * 3)
    assert read.recovery_by("remove_clean_u1").tolist() == pytest.approx([0.1, 0.07 / 0.6, 0.08 / 0.6])


def test_times_are_interpolated_and_count_from_the_break():
    read = BreakpointResults(measures(), "g")
    # 0.6 -> 0.0; half the way is 0.3, between 0.4 at 1 and 0.2 at 4
    assert read.half_time("falls", *PGD).tolist() == pytest.approx([2.5] * 3)
    # 0.45 lies between 0.5 at 0 and 0.4 at 1; 0.15 a quarter of the way from 0.2 at 4 to 0 at the end
    assert read.duration("falls", *PGD).tolist() == pytest.approx([4 + (AFTER - 4) / 4 - 0.5] * 3)
    middle = (BEFORE + AFTER) / 2
    assert read.half_time("rises", *MIXTURE).tolist() == pytest.approx([middle] * 3)
    assert read.half_time("rises", "accuracy", "clean").isna().all()


def test_a_move_the_other_way_has_no_time():
    assert BreakpointResults(measures(), "g").half_time("rises", *PGD).isna().all()
    assert BreakpointResults(measures(), "g").half_time("falls", *MIXTURE).isna().all()


def test_a_dip_on_the_way_is_no_arrival():
    table = measures()
    table.loc[(table["statistic"] == "pgd-10") & (table["offset"] == 0), "value"] = 0.1
    assert BreakpointResults(table, "g").half_time("falls", *PGD).tolist() == pytest.approx([2.5] * 3)


def test_a_layer_that_is_missing_on_one_side_changes_nothing():
    table = measures()
    gone = (table["statistic"] == MIXTURE[1]) & (table["layer"] == "b") & (table["offset"] == AFTER)
    read = BreakpointResults(table[~gone], "g")
    assert read.jump("fgsm", *MIXTURE).tolist() == pytest.approx([0.4, 0.41, 0.42])  # of layer a alone


def test_no_shares_of_a_fall_too_small():
    table = measures()
    table.loc[(table["statistic"] == "pgd-10") & (table["offset"] == AFTER), "value"] = 0.58
    read = BreakpointResults(table, "g")
    assert read.collapse_by("graft_4").isna().all()


def test_changes_by_statistic_and_layer():
    changes = statistic_changes(BreakpointResults(measures(), "g")).set_index("statistic")
    row = changes.loc[MIXTURES[MIXTURE]]
    assert row["excess"] == pytest.approx(0.21)
    assert row["low"] < 0.21 < row["high"]
    assert row["half_time"] == pytest.approx((BEFORE + AFTER) / 2)
    assert np.isnan(changes.iloc[-1]["excess"])
    read = BreakpointResults(measures(), "g")
    assert read.excess(*MIXTURE, "a").mean() == pytest.approx(0.31)
    assert read.excess(*MIXTURE, "b").mean() == pytest.approx(0.11)
    assert read.collapse_by("graft_full", "a").mean() == pytest.approx((0.3 + 0.29 + 0.28) / 3 / 0.6)


def test_groups_are_read_apart():
    other = measures().assign(group="h", seed=lambda table: table["seed"] + 5)
    found = by_group(pd.concat([measures(), other]))
    assert {group: results.seeds for group, results in found.items()} == {"g": [0, 1, 2], "h": [5, 6, 7]}
