"""A study from training to verdicts: a plan, what is measured of its runs, and claims about the measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import pandas as pd

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.plan import Plan, at_scale
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale

P = TypeVar("P", bound=Plan)

Tables = Mapping[str, pd.DataFrame]
"""What a study measured, by name."""


@dataclass(frozen=True)
class Findings(Generic[P]):
    """What a study found.

    Attributes:
        plan: what was asked.
        tables: what was measured.
        claims: what it says of the study's claims, by question.
    """

    plan: P
    tables: Tables
    claims: Mapping[str, list[ClaimResult]]


@dataclass(frozen=True)
class PlannedStudy(Generic[P]):
    """A study: everything that sets it apart from others is data or a pure function, but for `collect`.

    Attributes:
        title: of its page.
        plans: by scale.
        collect: trains what a plan says, measures it, and returns the tables.
        judge: the claims by question, from the tables alone.
        headlines: keys of the claims that the page begins with.
        caveat: what its numbers cannot say, for the page.
    """

    title: str
    plans: Mapping[Scale, P]
    collect: Callable[[P, StudyRunner], Tables]
    judge: Callable[[P, Tables], Mapping[str, list[ClaimResult]]]
    headlines: tuple[str, ...] = ()
    caveat: str = ""

    def run(self, plan: P, runner: StudyRunner) -> Findings[P]:
        """Train, measure and judge; what is done already is not done again.

        Args:
            plan: what to do; one of the study's own, or one with other arms or settings.
            runner: where to do it.

        Returns:
            The findings.

        Raises:
            ConfigError: the plan cannot be carried out.
            RunError: a run failed, or a measuring process died.
        """
        tables = self.collect(plan, runner)
        return Findings(plan, tables, self.judge(plan, tables))

    def run_at(self, scale: str, runner: StudyRunner) -> Findings[P]:
        """The same at a scale.

        Args:
            scale: as the user named it.
            runner: where to train and measure.

        Returns:
            The findings.

        Raises:
            ConfigError: the study has no such scale.
            RunError: a run failed, or a measuring process died.
        """
        return self.run(at_scale(self.plans, scale), runner)
