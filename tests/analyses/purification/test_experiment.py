import dataclasses
import math

import pandas as pd
import pytest
import torch

from analyses.purification import experiment
from analyses.purification.experiment import run_experiment, run_setting
from analyses.purification.plan import settings
from analyses.purification.tables import Tables
from cotoolkit.core.errors import ConfigError, RunError
from tests.analyses.purification.conftest import SMALLER, SPARSE


@pytest.fixture
def two_settings(monkeypatch):
    monkeypatch.setattr(experiment, "settings", lambda scale: [SPARSE, SMALLER])


def assert_same(found, expected):
    for name in Tables.names():
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)


def test_a_killed_run_goes_on_with_the_same_bits(two_settings, tmp_path):
    told = []
    first = run_experiment("smoke", tmp_path, report=told.append)
    assert any("training fgm" in message for message in told)
    (lost,) = tmp_path.glob("scalars-smaller-*")
    lost.unlink()  # as if killed before the last table of this setting
    told.clear()
    assert_same(run_experiment("smoke", tmp_path, report=told.append), first)
    assert told
    assert not any("sparse" in message for message in told)
    told.clear()
    assert_same(run_experiment("smoke", tmp_path, report=told.append), first)
    assert not told
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_table_is_an_error_that_names_it(two_settings, tmp_path):
    run_experiment("smoke", tmp_path)
    (damaged,) = tmp_path.glob("curves-sparse-*")
    damaged.write_bytes(b"nothing")
    with pytest.raises(RunError, match="curves-sparse"):
        run_experiment("smoke", tmp_path)


def test_other_seeds_change_nothing_of_a_seed():
    two = run_setting(SPARSE)
    three = run_setting(dataclasses.replace(SPARSE, seeds=3))
    assert set(three.scalars["seed"]) == {0, 1, 2}
    kept = three.scalars[three.scalars["seed"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(two.scalars, kept, check_exact=True)
    pd.testing.assert_frame_equal(two.neurons, three.neurons, check_exact=True)


def test_the_number_of_threads_is_given_back_and_changes_nothing():
    before = torch.get_num_threads()
    expected = run_setting(SPARSE)
    torch.set_num_threads(2)
    try:
        assert_same(run_setting(SPARSE), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_interrupt_ends_the_run():
    def report(message):
        raise KeyboardInterrupt

    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        run_setting(SPARSE, report=report)
    assert torch.get_num_threads() == before


def test_settings_are_told_apart_and_follow_their_rules():
    for scale in ("smoke", "laptop"):
        found = settings(scale)
        assert len({setting.identity for setting in found}) == len({setting.name for setting in found}) == len(found)
        assert sum(setting.full for setting in found) >= 1
        for setting in found:
            assert setting.radius < 1 / math.sqrt(setting.k)
            if setting.role == "size":
                assert 0.8 < setting.k / math.sqrt(setting.d) < 1
                assert setting.seeds >= 3
    assert SPARSE.identity != dataclasses.replace(SPARSE, batch=61).identity
    with pytest.raises(ConfigError, match="unknown scale 'paper'"):
        settings("paper")


def test_tables_are_tidy_and_whole(tiny_tables):
    scalars = tiny_tables.scalars
    assert scalars.columns.tolist() == ["setting", "role", "d", "k", "seed", "stage", "statistic", "value"]
    assert not scalars.duplicated(["setting", "seed", "stage", "statistic"]).any()
    full = scalars[scalars["setting"] == "tiny"]
    stages = {"clean", "fgm", "fgm_short", "second", "clean_on", "linf", "pgd", "scratch", "edits"}
    assert stages <= set(full["stage"])
    assert {"linear", "linear+on", "linear+at"} <= set(full["stage"])
    accuracies = scalars[scalars["statistic"].str.startswith("accuracy")]
    assert accuracies["value"].between(0, 1).all()
    cost = full[full["statistic"] == "products"].groupby("stage")["value"].first()
    assert cost["clean"] == 60 * 2
    assert cost["fgm"] == 48 * 4
    assert cost["pgd"] == 48 // 8 * 22


def test_pgd_is_never_weaker_than_no_attack_and_curves_meet_the_scalars(tiny_tables):
    wide = tiny_tables.scalars.pivot_table(index=["setting", "seed", "stage"], columns="statistic", values="value")
    assert (wide["accuracy_pgd"].dropna() <= wide["accuracy_clean"].dropna() + 1e-9).all()
    at = tiny_tables.curves[(tiny_tables.curves["multiple"] == 1) & (tiny_tables.curves["attack"] == "pgd")]
    for row in at.itertuples():
        assert row.accuracy == pytest.approx(wide.loc[(row.setting, row.seed, row.stage), "accuracy_pgd"])


def test_neurons_before_and_after(tiny_tables):
    rows = tiny_tables.neurons[tiny_tables.neurons["setting"] == "tiny"]
    assert rows.groupby("stage").size().eq(75).all()
    clean, fgm = (rows[rows["stage"] == stage].set_index("unit") for stage in ("clean", "fgm"))
    # arccos near 1 is known to a few hundredths of a degree in float32
    assert clean["angle_clean"].max() < 0.1
    assert (fgm["ratio"] > 0).all()
    coefficients = tiny_tables.coefficients
    chosen = coefficients[(coefficients["setting"] == "tiny") & (coefficients["stage"] == "clean")]
    for unit, values in chosen.groupby("unit")["coefficient"]:
        assert (values**2).sum() == pytest.approx(clean.loc[unit, "norm"] ** 2, rel=1e-4)
