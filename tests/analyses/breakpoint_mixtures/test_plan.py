import pandas as pd
import pytest

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE, METHODS, PLANS, SHUFFLED, BrokenSeed, group_with_arms

INJECT = {"name": "inject", "carrier": "paired", "beta": 0.1}
KEPT = PLANS["digits"].kept


def test_the_breakpoint_is_kept_at_iteration_resolution():
    found = KEPT(300, 500)
    assert {0, 299, 300, 301, 302, 303, 304, 500} <= set(found)
    assert {300 + BEFORE, 300 + AFTER} <= set(found)
    assert list(found) == sorted(set(found))
    assert KEPT(3, 10) == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


@pytest.mark.parametrize("settings", [{}, {"intervention": INJECT}])
def test_the_shuffled_arm_trains_on_labels_that_say_nothing(settings):
    config = group_with_arms("", settings, seeds=[0]).config(SHUFFLED, 0)
    assert config.method.name == "standard"
    parts = config.intervention.parts if settings else (config.intervention,)
    assert parts[-1].rate == pytest.approx(0.9)  # with ten classes each is then equally likely
    assert [part.name for part in parts[:-1]] == (["inject"] if settings else [])


def test_the_first_round_trains_fgsm_alone():
    plan = PLANS["digits"]
    runs = plan.first_round().runs()
    assert len(runs) == sum(len(group.seeds) for group in plan.groups.values())
    assert {run.method.name for run in runs} == {"fgsm"}


def test_all_arms_of_a_seed_share_data_and_start_and_kept_iterations():
    plan = PLANS["digits"]
    breakpoints = pd.DataFrame(
        [
            {"group": "induced", "seed": 3, "breakpoint": 200, "iterations": 528},
            {"group": "natural", "seed": 1, "breakpoint": None, "iterations": 792},
        ]
    )
    runs = plan.second_round(breakpoints).runs()
    assert len(runs) == len(METHODS) + 1
    assert {run.seed for run in runs} == {3}
    assert {run.keep for run in runs} == {KEPT(200, 528)}
    assert {run.epsilon for run in runs} == {0.25}
    for arm in METHODS:
        assert plan.groups["induced"].config(arm, 3, KEPT(200, 528)) in runs


def test_offsets_lie_strictly_within_training():
    broken = BrokenSeed("induced", 0, 40, 100)
    assert broken.has(-39, 0, 59)
    assert not broken.has(0, -40)  # the start has no offset
    assert not broken.has(60)
