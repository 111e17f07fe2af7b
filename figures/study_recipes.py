"""Recipes that show what a study of `analyses` found: they differ in the table, the drawing and the claims alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.plan import Plan
from analyses.core.runner import StudyRunner
from analyses.core.study import Findings, PlannedStudy
from cotoolkit.studies.scale import Scale
from figures.recipe import Comparison, Recipe, no_comparison
from figures.records.setting import setting_sentence

P = TypeVar("P", bound=Plan)


@dataclass(frozen=True)
class StudyRecipes(Generic[P]):
    """Makes the recipes of one study.

    Attributes:
        study: what trains and measures.
        plans: what the gallery's figures train, by scale; smaller than the study's own where that is dear.
        first_arms: those that train first, where it depends on them how the others train; None means all.
        setting: what a plan without groups trains, in words.
    """

    study: PlannedStudy[P]
    plans: Mapping[Scale, P]
    first_arms: Collection[str] | None = None
    setting: Callable[[P], str] | None = None

    def recipe(
        self,
        name: str,
        *,
        shows: str,
        item: str,
        table: Callable[[Findings[P]], pd.DataFrame],
        draw: Callable[[pd.DataFrame], Figure],
        claims: Callable[[pd.DataFrame], list[ClaimResult]],
        compare: Callable[[pd.DataFrame], list[Comparison]] = no_comparison,
        groups: Collection[str] | None = None,
    ) -> Recipe:
        """A recipe; `Recipe` explains what is not named here.

        Args:
            name: PAPER/FIGURE.
            shows: one line.
            item: of the paper.
            table: what the figure needs of the findings.
            draw: the picture.
            claims: of the picture.
            compare: printed numbers.
            groups: of the plan that the figure names as its runs; None means all. Scales without them are left out.

        Returns:
            The recipe.
        """

        def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
            return table(self.study.run(self.plans[scale], runner))

        def setting(scale: Scale) -> str:
            plan = self.plans[scale]
            return self.setting(plan) if self.setting else setting_sentence([run.config for run in plan.runs(groups)])

        chosen = {scale: plan for scale, plan in self.plans.items() if set(groups or ()) <= set(plan.groups)}
        studies = {scale: (plan.study(groups, self.first_arms),) for scale, plan in chosen.items()}
        return Recipe(name, shows, item, studies, collect, draw, claims, compare, table, setting=setting)
