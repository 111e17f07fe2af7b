import pandas as pd
import pytest

from analyses.breakpoint_mixtures.arms import AFTER, BEFORE, METHODS, OFFSETS, PLANS, SHUFFLED, Plan, World, breaks_of
from analyses.breakpoint_mixtures.arms import kept_iterations as kept
from analyses.core.plan import at_scale
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError

INJECT = {"name": "inject", "carrier": "paired", "beta": 0.1}


def test_the_break_is_kept_at_iteration_resolution():
    found = kept(300, 500)
    assert {0, 299, 300, 301, 302, 303, 304, 500} <= set(found)
    assert {300 + BEFORE, 300 + AFTER} <= set(found)
    assert list(found) == sorted(set(found))
    assert kept(3, 10) == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


@pytest.mark.parametrize("settings", [{}, {"intervention": INJECT}])
def test_the_shuffled_arm_trains_on_labels_that_say_nothing(settings):
    world = World(name="w", why="", settings=settings)
    config = RunConfig.parse(world.arm(SHUFFLED))
    assert config.method.name == "standard"
    parts = config.intervention.parts if settings else (config.intervention,)
    assert parts[-1].rate == pytest.approx(0.9)  # with ten classes each is then equally likely
    assert [part.name for part in parts[:-1]] == (["inject"] if settings else [])


def test_all_arms_of_a_seed_share_data_and_start_and_kept_iterations():
    plan = at_scale(PLANS, "smoke")
    breaks = pd.DataFrame(
        [
            {"world": "induced", "seed": 3, "breakpoint": 200, "iterations": 528},
            {"world": "natural", "seed": 1, "breakpoint": None, "iterations": 792},
        ]
    )
    runs = plan.second_round(breaks).runs()
    assert len(runs) == len(METHODS) + 1
    assert {run.seed for run in runs} == {3}
    assert {run.keep for run in runs} == {kept(200, 528)}
    assert {run.epsilon for run in runs} == {0.25}
    for arm in METHODS:
        assert plan.config("induced", arm, 3, kept(200, 528)) in runs


def test_breaks_are_read_off_the_first_round():
    plan = at_scale(PLANS, "smoke")
    runs = plan.first_round().runs()
    assert len(runs) == sum(len(world.seeds) for world in plan.worlds)
    table = pd.DataFrame(
        {
            "run": [f"{run.title}-{run.identity}" for run in runs],
            "breakpoint": pd.array([100 + i if i % 2 else None for i in range(len(runs))], dtype="Int64"),
            "iterations": 528,
            "verdict": "",
        }
    )
    breaks = breaks_of(plan, table)
    assert list(breaks["seed"][:5]) == [0, 1, 2, 3, 4]
    assert breaks["breakpoint"].notna().tolist() == [bool(i % 2) for i in range(len(runs))]
    with pytest.raises(ConfigError, match="no FGSM run broke"):
        breaks_of(plan, table.assign(breakpoint=pd.array([None] * len(runs), dtype="Int64")))


def test_scales_are_named():
    with pytest.raises(ConfigError, match="has no scale 'huge'"):
        at_scale(PLANS, "huge")
    assert isinstance(at_scale(PLANS, "smoke"), Plan)
    assert BEFORE in OFFSETS
