"""What the recipes of this paper show of the study of memorisation: parts of its plan, so that runs are shared.

The planted data stand in for the paper's (CIFAR-100, Tiny ImageNet): which of their images are atypical, and which of
these harm, is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

import pandas as pd

from analyses.core.claims import ClaimRow, ClaimTable, with_sources
from analyses.core.plan import ArmGroup, ConfigData
from analyses.core.runner import StudyRunner
from analyses.core.study import Findings
from analyses.memorisation.claims import of_setting
from analyses.memorisation.image_groups import groups_of_tests
from analyses.memorisation.images import measurement
from analyses.memorisation.measures import correct_images
from analyses.memorisation.plan import BREAKING, PLANS, MemorisationPlan, weighted
from analyses.memorisation.results import MemorisationResults
from analyses.memorisation.retraining import accuracy_table
from analyses.memorisation.study import STUDY
from cotoolkit.data.sources.planted import RADIUS
from cotoolkit.studies.scale import Scale
from figures.study_recipes import StudyRecipes

N = TypeVar("N")

PLANTED_PLAN = PLANS["smoke"].part({"planted halves": 16, "planted standard": 3, "planted adversarial": 3})
"""Memorisation is needed for one comparison only: what is atypical is known. So 16 halves will do."""

ESTIMATES = PLANS["smoke"].part(
    {
        "planted halves": 64,
        "planted robust halves": 32,
        "planted standard": 1,
        "digits halves": 32,
        "digits standard": 1,
    }
)
"""Memorisation alone."""


_FEWER_ARMS = {BREAKING: PLANS["smoke"].groups[BREAKING].only(("plain", "weights", "permuted"))}

BREAK_PLANS: dict[Scale, MemorisationPlan] = {
    "smoke": PLANS["smoke"].part({BREAKING: 3}).model_copy(update={"groups": _FEWER_ARMS, "points": 128}),
    "laptop": PLANS["laptop"].part({BREAKING: 3}),
}
"""Training that breaks, by scale."""

PLANTED_RECIPES = StudyRecipes(STUDY, {"smoke": PLANTED_PLAN})
ESTIMATE_RECIPES = StudyRecipes(STUDY, {"smoke": ESTIMATES})
BREAK_RECIPES = StudyRecipes(STUDY, BREAK_PLANS)

PLAIN = "all"
"""Adversarial training on the whole set, as the study names the arm."""

_ROBUST = PLANTED_PLAN.groups["planted adversarial"]

KNOBS: dict[str, tuple[str, float, ConfigData]] = {
    "alpha 1": ("alpha", 1.0, {"method": {**weighted(inner=_ROBUST.settings["method"]), "alpha": 1.0}}),
    "trades 1": ("beta", 1.0, {"method": {"name": "trades", "steps": 2, "beta": 1.0}}),
    "trades 6": ("beta", 6.0, {"method": {"name": "trades", "steps": 2, "beta": 6.0}}),
    "eps 0.5": ("epsilon", 0.5, {"epsilon": 0.5 * RADIUS}),
    "eps 1": ("epsilon", 1.0, {"epsilon": RADIUS}),
}
"""Further points of the trade-off curves: knob, value (radii in units of that of the evaluation), settings."""

_TRADE_OFF = "ours: reconstructed [U], after the paper's better trade-off [P]"
_WORDS = {
    "[P] finding (a); margin [R]": "paper [P]: finding (a); margin ours [R]",
    "[P] finding (b)": "paper [P]: finding (b); flags are reconstructed",
    "[R] construction": "ours: planted construction [R]",
    "[R] control": "ours: control [R]",
    "[R] specificity": "ours: specificity [R]",
    "[P] better trade-off": _TRADE_OFF,
    "[P] better trade-off; margin [R]": _TRADE_OFF,
    "[R] 4.4": "ours: 4.4 [R]",
    "[R] 4.4; threshold ours": "ours: 4.4 [R]",
    "[P] the aim; [U] the criterion": "ours: reconstructed [U], after the paper's aim [P]",
    "[P] finding (a)": "paper [P]: finding (a), measured as influence [R]",
    "[H] H-": "ours: hypothesis H- [R]",
    "[H] H-; threshold ours": "ours: hypothesis H- [R]",
    "[H] H+": "ours: hypothesis H+ [R]",
    "[H] 5": "ours: hypothesis of section 5 [R]",
}
"""Source of a figure's claim by its tag in the study."""


def in_words(rows: Iterable[ClaimRow[N]], special: Mapping[str, str] = MappingProxyType({})) -> tuple[ClaimRow[N], ...]:
    """Claims of the study with the tags of their sources written out.

    Args:
        rows: of the study.
        special: sources by key of the claims that have another one here.

    Returns:
        The rows.
    """
    rows = tuple(rows)
    return with_sources(rows, {row.claim.key: _WORDS[row.claim.source] for row in rows} | dict(special))


def planted_claims(rows: Iterable[ClaimRow[MemorisationResults]]) -> ClaimTable[MemorisationResults]:
    """Claims about a table of accuracies (`accuracy_table`); those about arms that are not in it are left out."""
    return ClaimTable(tuple(rows), lambda data: MemorisationResults({"accuracies": data}), only_known=True)


def of_main_setting(findings: Findings[MemorisationPlan], name: str) -> pd.DataFrame:
    """A table of the study's first setting."""
    return of_setting(findings.tables, next(iter(findings.plan.radii)))[name]


def with_knobs(runner: StudyRunner) -> pd.DataFrame:
    """Accuracies of the study's arms and of the further points of curves (`KNOBS`), as `accuracy_table` gives them."""
    findings = STUDY.run(PLANTED_PLAN, runner)
    tests = of_main_setting(findings, "tests")
    plan = knob_plan()
    runner.train(plan.study())
    radii = PLANTED_PLAN.radii["planted"]
    right = runner.measure([measurement(run, "adversarial", correct_images, radii=radii) for run in plan.runs()])
    groups = groups_of_tests(tests, PLANTED_PLAN.seeds("planted"), planted=True)
    return pd.concat([of_main_setting(findings, "accuracies"), accuracy_table(right, groups)], ignore_index=True)


def knob_plan() -> MemorisationPlan:
    """The runs of `KNOBS`."""
    return planted_plan("knobs", {arm: settings for arm, (_, _, settings) in KNOBS.items()})


def planted_plan(name: str, arms: dict[str, ConfigData]) -> MemorisationPlan:
    """Adversarial training on the planted data beyond what the study trains.

    Args:
        name: of the plan.
        arms: what each changes, by name.

    Returns:
        The plan, of one group.
    """
    group: ArmGroup = _ROBUST.model_copy(update={"arms": arms})
    update = {"name": f"memorisation-{name}", "groups": {f"planted {name}": group}, "radii": {}}
    return PLANTED_PLAN.model_copy(update=update)
