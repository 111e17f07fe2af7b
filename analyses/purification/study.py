"""The experiment in the theory's world: each seed of each setting is trained and judged in a process of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from typing_extensions import override

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.measurement import Measurement
from analyses.core.runner import StudyRunner
from analyses.core.study import PlannedStudy, Tables
from analyses.purification.claims import CLAIMS
from analyses.purification.measures.robustness import JudgedPoints
from analyses.purification.plan import PLANS, SyntheticSetting, TheoryPlan
from analyses.purification.stages import train_stages
from analyses.purification.synthetic_world.synthetic_data import generators
from analyses.purification.tables import TheoryTables, theory_tables
from cotoolkit.runs.folder import RunFolder

OF_FIRST_SEED = ("neurons", "coefficients")
"""TheoryTables that show single units; one seed is enough."""


def run_setting(setting: SyntheticSetting, seeds: Sequence[int], device: str = "cpu") -> TheoryTables:
    """Train some seeds of a setting side by side, and judge them.

    Args:
        setting: sizes and steps.
        seeds: numbers of the worlds.
        device: as torch names it.

    Returns:
        The tables; those of single units are of the first of the seeds.
    """
    with torch.no_grad():
        stages = train_stages(setting, seeds, device)
        points = JudgedPoints.draw(stages.world, setting.points, generators(seeds, "evaluation", 0, device))
        return theory_tables(stages, points)


@dataclass(frozen=True)
class TheorySeed(Measurement):
    """All stages of a seed of a setting.

    Attributes:
        setting: sizes and steps.
        seed: of the world.
    """

    setting: SyntheticSetting
    seed: int

    @property
    @override
    def title(self) -> str:
        return f"theory {self.setting.name} seed {self.seed}"

    @property
    @override
    def protocol(self) -> list[Any]:
        sizes = dataclasses.asdict(self.setting)
        del sizes["seeds"]
        return ["theory", 2, sizes, self.seed]

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return ()

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        data = run_setting(self.setting, [self.seed]).stacked()
        return data if self.seed == 0 else data[~data["table"].isin(OF_FIRST_SEED)]


def collect_theory(plan: TheoryPlan, runner: StudyRunner) -> Tables:
    """Train and judge all seeds of all settings.

    Args:
        plan: the settings.
        runner: whose processes do it.

    Returns:
        "theory", the stacked tables (`analyses.purification.tables`).

    Raises:
        RunError: a process died.
    """
    wanted = [TheorySeed(setting, seed) for setting in plan.settings for seed in range(setting.seeds)]
    return {"theory": runner.measure(wanted)}


def judge_theory(plan: TheoryPlan, found: Tables) -> Mapping[str, list[ClaimResult]]:
    """What the tables say of the theory.

    Args:
        plan: that was carried out.
        found: what `collect_theory` returns.

    Returns:
        The claims, under one question.

    Raises:
        ConfigError: no setting has all stages.
    """
    return {"predictions of the theory": CLAIMS(found["theory"])}


STUDY = PlannedStudy(
    title="Feature purification in the theory's world",
    plans=PLANS,
    collect=collect_theory,
    judge=judge_theory,
    headlines=("P6-loss", "P6-universal", "P8-mixture", "P8-feature", "P11-recovery", "P12-mixture", "P14-best"),
    caveat="After Allen-Zhu & Li, arXiv 2005.10190, reconstructed from its abstracts. The theorems are asymptotic and "
    "give directions; every threshold and every finite size is ours. Trends are changes per doubling of d.",
)
