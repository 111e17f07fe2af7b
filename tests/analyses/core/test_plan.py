import pandas as pd
import pytest

from analyses.core.plan import ArmGroup, Plan
from cotoolkit.core.errors import ConfigError

GROUP = ArmGroup(
    settings={"data": {"name": "digits"}, "epochs": 2},
    seeds=(0, 3),
    arms={"fgsm": {"method": {"name": "fgsm"}}, "wide": {"method": {"name": "pgd"}, "method.steps": 2, "epsilon": 0.2}},
)
PLAN = Plan(
    name="made-up",
    question="?",
    scale="custom",
    groups={"digits": GROUP, "small": GROUP.model_copy(update={"settings": {**GROUP.settings, "epochs": 1}})},
    offsets=(-10, 0, 10),
)


def table(plan, breakpoints):
    rows = [
        {"run": run.name, "seed": run.seed, "breakpoint": breakpoints.get((run.group, run.seed)), "iterations": 50}
        for run in plan.runs()
    ]
    return pd.DataFrame(rows).assign(verdict="robust").astype({"breakpoint": "Int64"}).sample(frac=1, random_state=0)


def test_a_plan_is_groups_by_arms_by_seeds():
    found = [(run.group, run.arm, run.seed) for run in PLAN.runs()]
    assert found[:4] == [("digits", "fgsm", 0), ("digits", "fgsm", 3), ("digits", "wide", 0), ("digits", "wide", 3)]
    assert len(found) == 8
    assert {run.config.epochs for run in PLAN.runs(groups=["small"])} == {1}
    wide = GROUP.config("wide", 3)
    assert (wide.seed, wide.epsilon, wide.method.steps) == (3, 0.2, 2)


def test_the_study_trains_the_plan_s_runs():
    identities = [run.identity for run in PLAN.study().runs()]
    assert identities == [run.config.identity for run in PLAN.runs()]
    assert len(PLAN.study(groups=["small"], arms=["wide"]).runs()) == 2


def test_kept_iterations_are_within_the_run():
    assert PLAN.kept(5, 14) == (5,)
    assert PLAN.kept(5, 15) == (5, 15)
    assert PLAN.kept(20, 60) == (10, 20, 30)


def test_a_table_is_read_in_the_plan_s_order():
    found = PLAN.labelled(table(PLAN, {}))
    assert list(found.columns[:4]) == ["group", "arm", "seed", "run"]
    assert found["run"].tolist() == [run.name for run in PLAN.runs()]
    with pytest.raises(KeyError):
        PLAN.labelled(table(PLAN, {}).iloc[:3])


def test_the_second_round_keeps_weights_around_each_breakpoint():
    breakpoints = PLAN.breakpoints(table(PLAN, {("digits", 3): 20, ("small", 0): 45}))
    assert breakpoints["breakpoint"].isna().tolist() == [True, False, False, True]
    second = PLAN.around_breakpoints(breakpoints, ["fgsm", "wide"]).runs()
    assert [(run.epochs, run.seed, run.keep) for run in second] == [
        (2, 3, (10, 20, 30)),
        (2, 3, (10, 20, 30)),
        (1, 0, (35, 45)),
        (1, 0, (35, 45)),
    ]
    first = next(run.config for run in PLAN.runs(arms=["fgsm"]) if run.seed == 3)
    assert second[0].model_copy(update={"keep": ()}).identity == first.identity


def test_bad_arms_are_named():
    with pytest.raises(ConfigError, match="epochs"):
        GROUP.model_copy(update={"arms": {"bad": {"epochs": -1}}}).config("bad", 0)
