import dataclasses
import math

import pandas as pd
import pytest

from analyses.core.plan import at_scale
from analyses.purification.plan import PLANS, TheoryPlan
from analyses.purification.study import STUDY, TheorySeed, collect_theory, run_setting
from analyses.purification.tables import TheoryTables
from cotoolkit.core.errors import ConfigError
from tests._helpers.runners import InProcessRunner
from tests._helpers.tiny_theory import SMALLER, SPARSE


def test_the_tables_are_those_of_every_seed_and_units_are_of_the_first(tmp_path):
    short = {"clean_steps": 12, "adversarial_steps": 8, "points": 60}
    settings = tuple(dataclasses.replace(one, **short) for one in (SPARSE, SMALLER))
    plan = TheoryPlan(name="two", question="", scale="smoke", groups={}, settings=settings)
    found = TheoryTables.unstacked(collect_theory(plan, InProcessRunner(tmp_path, tmp_path))["theory"])
    for setting in plan.settings:
        for seed in range(2):
            expected = run_setting(setting, [seed])
            scalars = found.scalars
            own = scalars[(scalars["setting"] == setting.name) & (scalars["seed"] == seed)].reset_index(drop=True)
            pd.testing.assert_frame_equal(own[expected.scalars.columns], expected.scalars, check_dtype=False)
            if seed == 0:
                units = found.neurons[found.neurons["setting"] == setting.name]
                assert units["alpha"].tolist() == pytest.approx(expected.neurons["alpha"].tolist())


def test_a_measurement_is_of_a_seed_however_many_there_are(tmp_path):
    more = dataclasses.replace(SPARSE, seeds=9)
    assert TheorySeed(more, 1).path(tmp_path, tmp_path) == TheorySeed(SPARSE, 1).path(tmp_path, tmp_path)
    others = [TheorySeed(SPARSE, 0), TheorySeed(dataclasses.replace(SPARSE, batch=61), 1)]
    assert len({one.path(tmp_path, tmp_path) for one in [*others, TheorySeed(SPARSE, 1)]}) == 3


def test_plans_follow_their_rules():
    for plan in PLANS.values():
        assert len({setting.name for setting in plan.settings}) == len(plan.settings)
        assert plan.largest.full
        assert f"d {plan.largest.d}, k {plan.largest.k}" in plan.facts["sizes"]
        for setting in plan.settings:
            assert setting.radius < 1 / math.sqrt(setting.k)
            if setting.role == "size":
                assert 0.8 < setting.k / math.sqrt(setting.d) < 1
                assert setting.seeds == 1 if plan.scale == "smoke" else setting.seeds >= 3
    with pytest.raises(ConfigError, match="no scale 'paper'"):
        at_scale(STUDY.plans, "paper")


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
