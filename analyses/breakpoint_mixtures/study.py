"""The study from beginning to end: two rounds of training, the measures, the answers and their page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analyses.breakpoint_mixtures.answers import answers
from analyses.breakpoint_mixtures.arms import AFTER, BEFORE, PLANS, Plan, breaks_of
from analyses.breakpoint_mixtures.checkpoints import arms_of
from analyses.breakpoint_mixtures.measure import Unit
from analyses.core.claims import ClaimResult
from analyses.core.plan import at_scale
from analyses.core.runner import StudyRunner
from cotoolkit.core.errors import ConfigError
from cotoolkit.runs.tables import COLLAPSED

ROBUST = frozenset({"robust", "robust overfitting", "recovered"})
NOT_DIVERGED = ROBUST | {"not robust", COLLAPSED}
NOT_COLLAPSED = ROBUST | {"not robust"}


class Findings(NamedTuple):
    """What the study found.

    Attributes:
        plan: what was asked.
        breaks: breakpoints of the first round, one row per world and seed, and why a seed is left out, if it is.
        measures: of all units (`analyses.breakpoint_mixtures.measure`).
        facts: versions and device of the runs.
    """

    plan: Plan
    breaks: pd.DataFrame
    measures: pd.DataFrame
    facts: dict[str, str]

    @property
    def worlds(self) -> list[str]:
        """The worlds in which at least one FGSM run broke."""
        return [world.name for world in self.plan.worlds if world.name in set(self.measures["world"])]

    def claims(self) -> dict[str, list[ClaimResult]]:
        """The claims of every world."""
        return {world: answers(self.measures, world) for world in self.worlds}


def run_study(scale: str, runner: StudyRunner) -> Findings:
    """The study at a scale; errors as `run_plan`."""
    return run_plan(at_scale(PLANS, scale), runner)


def run_plan(plan: Plan, runner: StudyRunner) -> Findings:
    """Train, find the breaks, train again with kept iterations, measure. What is done already is not done again.

    Args:
        plan: what to do.
        runner: where to do it.

    Raises:
        ConfigError: no FGSM run broke.
        RunError: a run failed.
    """
    breaks = breaks_of(plan, runner.train(plan.first_round()))
    second = runner.train(plan.second_round(breaks))
    breaks["left_out"] = [why_left_out(plan, runner.root, row) for row in breaks.to_dict("records")]
    broken = breaks[breaks["left_out"] == ""]
    if broken.empty:
        raise ConfigError(f"no seed can be used: {'; '.join(breaks['left_out'].unique())}")
    units = [
        Unit(plan, row["world"], int(row["seed"]), int(row["breakpoint"]), int(row["iterations"]))
        for row in broken.to_dict("records")
    ]
    return Findings(plan, breaks, runner.measure(units), runner.facts(second))


def why_left_out(plan: Plan, root: Path | str, row: Mapping[Any, Any]) -> str:
    """Why a seed cannot be used, in words; nothing if it can.

    A seed needs a break, and the networks that the measures refer to: the standard one trained to the end, the PGD one
    robust, and an N-FGSM one, the control, that did not collapse; and all iterations that are compared.

    Args:
        plan: the study.
        root: folder of runs.
        row: of the table of breaks.
    """
    if pd.isna(row["breakpoint"]):
        return f"FGSM did not break ({row['verdict']})"
    breakpoint_iteration, last = int(row["breakpoint"]), int(row["iterations"])
    if not 0 < breakpoint_iteration + BEFORE < breakpoint_iteration + AFTER < last:
        return f"iterations {BEFORE:+d} to {AFTER:+d} around the break are not all within training"
    runs = arms_of(plan, root, row["world"], int(row["seed"]), breakpoint_iteration, last)
    needed = {"standard": NOT_DIVERGED, "fgsm": NOT_DIVERGED, "n_fgsm": NOT_COLLAPSED, "pgd": ROBUST}
    for arm, verdicts in needed.items():
        verdict = runs[arm].result()["verdict"]
        if verdict not in verdicts:
            return f"{arm} ended as {verdict}"
    again = runs["fgsm"].result()["breakpoint"]
    if again is None or again["iteration"] != breakpoint_iteration:
        return "FGSM did not break at the same iteration again: training is not deterministic here"
    return ""
