import pytest

from analyses.core.plan import at_scale
from analyses.local_ball.plan import BASELINE_ARMS, PLANS, RHO
from cotoolkit.core.errors import ConfigError


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_plans_are_what_the_study_needs(plan):
    assert at_scale(PLANS, plan.scale) is plan
    assert plan.sweep()["lbt"] == RHO
    assert len(plan.group.seeds) >= 3 or plan.scale == "smoke"
    first = {run.arm: run.config for run in plan.runs() if run.seed == 0}
    assert first["lbt"].method.cost_per_step() == first["pgd-3"].method.cost_per_step()  # of equal cost
    assert len({config.identity for config in first.values()}) == len(first)
    assert BASELINE_ARMS["PGD"][0] in first


def test_scales_and_the_wide_arm():
    assert PLANS["digits"].group.config("pgd-3 wide", 0).epsilon == pytest.approx(0.375)
    assert PLANS["digits"].epsilon == pytest.approx(0.25)
    with pytest.raises(ConfigError, match="choose from smoke, digits, laptop"):
        at_scale(PLANS, "paper")


def test_a_part_of_the_plan_trains_the_same_runs():
    part = PLANS["digits"].only(["lbt", "fgsm", "lbt rho=0.25"])
    assert [run.arm for run in part.runs() if run.seed == 0] == ["lbt", "fgsm", "lbt rho=0.25"]
    assert part.sweep() == {"lbt": 0.5, "lbt rho=0.25": 0.25}
    whole = {run.name for run in PLANS["digits"].runs()}
    assert {run.name for run in part.runs()} < whole
