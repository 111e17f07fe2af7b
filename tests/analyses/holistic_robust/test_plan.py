import pytest

from analyses.core.plan import at_scale
from analyses.holistic_robust.plan import CONTROLS, PLAIN, PLANS, looked_at
from cotoolkit.core.errors import ConfigError


@pytest.mark.parametrize(("scale", "iterations", "looks"), [("digits", 600, 10), ("laptop", 240, 4)])
def test_every_share_takes_the_same_updates_and_keeps_the_same_iterations(scale, iterations, looks):
    plan = at_scale(PLANS, scale)
    for run in plan.runs(["overfitting"]):
        config = run.config
        share = 1.0 if config.data.subset is None else config.data.subset.share
        per_epoch = int(config.data.train_size * share) // config.batch_size
        assert per_epoch * config.epochs == iterations
        assert config.keep == looked_at(iterations, looks)
        assert config.keep[-1] == iterations
    assert len(plan.groups["onset"].seeds) >= 3


def test_there_is_no_other_scale():
    with pytest.raises(ConfigError, match="has no scale 'paper'"):
        at_scale(PLANS, "paper")


@pytest.mark.parametrize("scale", PLANS)
def test_controls_match_the_arm_they_are_compared_with(scale):
    plan = PLANS[scale]
    arms = plan.groups["onset"].arms
    assert arms[PLAIN]["method"] == {"name": "holistic_robust", "inner": {"name": "fgsm"}, "r": 0, "alpha": 0}
    for name in set(CONTROLS) & set(arms):
        method = arms[name]["method"]
        assert (method["r"], method["alpha"]) == (plan.matched if name != "drop" else (0.2, 0.05))


def test_a_part_trains_runs_of_the_whole():
    whole = PLANS["digits"]
    parts = [{run.identity for run in whole.part(name).study().runs()} for name in whole.groups]
    assert set.union(*parts) == {run.identity for run in whole.study().runs()}
    assert sum(map(len, parts)) == 320
