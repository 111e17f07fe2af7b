"""What the recipes of this paper train on: parts of the smoke plan of `analyses.memorisation`, so that runs are shared.

The planted data stand in for the paper's (CIFAR-100, Tiny ImageNet): which of their images are atypical, and which of
these harm, is known.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analyses.core.runner import StudyRunner
from analyses.memorisation.arms import Arm, breaking, halves, iterations, references, study_of
from analyses.memorisation.effects import accuracy_table
from analyses.memorisation.measure import Correct
from analyses.memorisation.settings import INDUCED, PLANTED, Plan, World, weighted
from analyses.memorisation.settings import PLANS as WHOLE
from analyses.memorisation.world import WorldTables, run_world, test_groups
from cotoolkit.data.sources.planted import RADIUS
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

WORLD = PLANTED.model_copy(update={"halves": 16, "robust_halves": 0, "seeds": 3})
"""Memorisation is needed for one comparison only: what is atypical is known. So 16 halves will do."""

_METHODS = {arm: INDUCED.methods[arm] for arm in ("plain", "weights", "permuted")}

PLAN = Plan(
    scale="smoke",
    worlds=(WORLD,),
    dynamics=INDUCED.model_copy(update={"methods": _METHODS, "points": 128, "world": None}),
)

BREAKING: dict[Scale, Plan] = {"smoke": PLAN, "laptop": WHOLE["laptop"]}
"""Plans whose training breaks, by scale."""

LOOKS = 8
"""Looks at training, evenly."""

KNOBS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "alpha 1": ("alpha", 1.0, {"method": {**weighted(inner=WORLD.adversarial["method"]), "alpha": 1.0}}),
    "trades 1": ("beta", 1.0, {"method": {"name": "trades", "steps": 2, "beta": 1.0}}),
    "trades 6": ("beta", 6.0, {"method": {"name": "trades", "steps": 2, "beta": 6.0}}),
    "eps 0.5": ("epsilon", 0.5, {"epsilon": 0.5 * RADIUS}),
    "eps 1": ("epsilon", 1.0, {"epsilon": RADIUS}),
}
"""Further points of the trade-off curves: knob, value (radii in units of that of the evaluation), settings."""


def knob_arms(world: World = WORLD) -> list[Arm]:
    """Runs of `KNOBS`."""
    return [_arm(arm, seed, settings) for arm, (_, _, settings) in KNOBS.items() for seed in range(world.seeds)]


def watched() -> list[Arm]:
    """Plain adversarial training with weights kept over its course."""
    last = iterations(WORLD.config("adversarial", {}))
    keep = [round(last * (look + 1) / LOOKS) for look in range(LOOKS)]
    return [_arm("watched", seed, {"keep": keep}) for seed in range(WORLD.seeds)]


def study(name: str, arms: list[Arm]) -> Study:
    """The study of adversarially trained arms."""
    return study_of(PLAN, f"memorisation-planted-{name}", "", WORLD.base("adversarial"), arms)


def world_study() -> tuple[Study, ...]:
    """What of the world can be trained before memorisation is known."""
    plain = [*halves(WORLD, "standard"), *references(WORLD, "standard")]
    standard = study_of(PLAN, "memorisation-planted-standard", "", WORLD.base("standard"), plain)
    return standard, study("adversarial", references(WORLD, "adversarial"))


def break_study(plan: Plan) -> Study:
    """Single-step training that breaks."""
    arms = breaking(plan.dynamics, {})
    return study_of(plan, "memorisation-dynamics", "", plan.dynamics.settings, arms)


def found(runner: StudyRunner) -> WorldTables:
    """The planted world with all its arms."""
    return run_world(PLAN, WORLD, runner)


def knob_accuracies(runner: StudyRunner, tests: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of the further points, as `accuracy_table` gives them."""
    arms = knob_arms()
    runner.train(study("knobs", arms))
    right = runner.measure([Correct(arm.config, arm.tags, WORLD.radii) for arm in arms])
    return accuracy_table(right, test_groups(WORLD, tests))


def _arm(arm: str, seed: int, settings: dict[str, Any]) -> Arm:
    full = {**settings, "seed": seed}
    return Arm(WORLD.name, "adversarial", arm, seed, full, WORLD.config("adversarial", full))
