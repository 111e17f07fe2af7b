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
from analyses.core.plan import ArmGroup, ConfigData, with_smoke
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
from cotoolkit.studies.scale import DIGITS_SEEDS, Scale
from cotoolkit.studies.study import Study
from figures.study_recipes import StudyRecipes

N = TypeVar("N")

PLANTED_PLANS = with_smoke(
    PLANS["digits"].part(
        {"planted halves": 16, "planted standard": len(DIGITS_SEEDS), "planted adversarial": len(DIGITS_SEEDS)}
    )
)
"""Memorisation is needed for one comparison only: what is atypical is known. So 16 halves will do."""

ESTIMATES = with_smoke(
    PLANS["digits"].part(
        {
            "planted halves": 64,
            "planted robust halves": 32,
            "planted standard": 1,
            "digits halves": 32,
            "digits standard": 1,
        }
    ),
    laptop=PLANS["laptop"]
    .part({"cifar100 halves": 40, "cifar100 robust halves": 40, "cifar100 standard": 1})
    .model_copy(update={"radii": {"cifar100": {"robust": 4 / 255}}}),
)
"""Memorisation alone."""


_FEWER_ARMS = {BREAKING: PLANS["digits"].groups[BREAKING].only(("plain", "weights", "permuted"))}

BREAK_PLANS = with_smoke(
    digits=PLANS["digits"]
    .part({BREAKING: len(DIGITS_SEEDS)})
    .model_copy(update={"groups": _FEWER_ARMS, "points": 128}),
    laptop=PLANS["laptop"].part({BREAKING: 3}),
)
"""Training that breaks, by scale."""

PLANTED_RECIPES = StudyRecipes(STUDY, PLANTED_PLANS)
ESTIMATE_RECIPES = StudyRecipes(STUDY, ESTIMATES)
BREAK_RECIPES = StudyRecipes(STUDY, BREAK_PLANS)

PLAIN = "all"
"""Adversarial training on the whole set, as the study names the arm."""

_ROBUST = PLANTED_PLANS["digits"].groups["planted adversarial"]

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
    "[R] 4.4": "ours: test of the flags [R]",
    "[R] 4.4; threshold ours": "ours: test of the flags [R]",
    "[P] the aim; [U] the criterion": "ours: reconstructed [U], after the paper's aim [P]",
    "[P] finding (a)": "paper [P]: finding (a), measured as influence [R]",
    "[H] H-": "ours: hypothesis H- [R]",
    "[H] H-; threshold ours": "ours: hypothesis H- [R]",
    "[H] H+": "ours: hypothesis H+ [R]",
    "[H] 5": "ours: hypothesis [R]",
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


def with_knobs(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Accuracies of the study's arms, and of the further points of curves (`KNOBS`) on groups common to all seeds.

    Args:
        scale: of `PLANTED_PLANS`.
        runner: where to train and measure.

    Returns:
        A table as `accuracy_table` gives it.
    """
    planted = PLANTED_PLANS[scale]
    findings = STUDY.run(planted, runner)
    plan = knob_plan(scale)
    runner.train(plan.study())
    radii = planted.radii["planted"]
    right = runner.measure([measurement(run, "adversarial", correct_images, radii=radii) for run in plan.runs()])
    groups = groups_of_tests(of_main_setting(findings, "tests"), {})
    return pd.concat([of_main_setting(findings, "accuracies"), accuracy_table(right, groups)], ignore_index=True)


def knob_plan(scale: Scale) -> MemorisationPlan:
    """The runs of `KNOBS`."""
    return planted_plan(scale, "knobs", {arm: settings for arm, (_, _, settings) in KNOBS.items()})


def knob_studies() -> dict[Scale, tuple[Study, ...]]:
    """What is trained for `with_knobs`, by scale."""
    return {scale: (plan.study(), knob_plan(scale).study()) for scale, plan in PLANTED_PLANS.items()}


def planted_plan(scale: Scale, name: str, arms: dict[str, ConfigData]) -> MemorisationPlan:
    """Adversarial training on the planted data beyond what the study trains.

    Args:
        scale: of `PLANTED_PLANS`.
        name: of the plan.
        arms: what each changes, by name.

    Returns:
        The plan, of one group.
    """
    planted = PLANTED_PLANS[scale]
    group: ArmGroup = planted.groups["planted adversarial"].model_copy(update={"arms": arms})
    update = {"name": f"memorisation-{name}", "groups": {f"planted {name}": group}, "radii": {}}
    return planted.model_copy(update=update)
