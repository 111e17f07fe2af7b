"""The page of one system: what its study found, shown by the recipes of its paper, on one self-contained HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from analyses.core.claim_plot import forest
from analyses.core.judging.verdicts import ClaimResult, verdict_table
from analyses.core.judging.words import WORDS, tally
from analyses.core.study import Findings, PlannedStudy
from cotoolkit.pages import Report, Section
from cotoolkit.plotting.style import PAPER_STYLE
from figures.make import provenance_of
from figures.records.files import as_stored
from figures.records.provenance import Provenance
from figures.source_tags import SOURCE_TAGS

if TYPE_CHECKING:
    from analyses.core.runner import StudyRunner
    from figures.recipe import Recipe

VERDICTS = (
    "A claim is supported, or not supported, where the interval or test that its row names puts the number on the "
    "claimed side of the threshold, or on the other (95 %), else it is inconclusive. It is not testable here where a "
    "premise does not hold or is not established, the same in every seed where the number is, and only shown from "
    "fewer than five seeds, from so few that no outcome could have supported it, or where it is no test, as its row "
    "says. p is that of the threshold; holm_p adjusts it for all judged claims of the table."
)

COLUMNS = (
    *("claim", "statement", "verdict", "premise", "measure", "mean", "low", "high", "expected", "by", "p", "holm_p"),
    *("seeds", "source"),
)
"""Of a table of claims, as the page shows it; those that say nothing are left out."""


def study_page(
    study: PlannedStudy[Any], recipes: Sequence[Recipe], scale: str, runner: StudyRunner, command: str
) -> tuple[Report, Findings[Any]]:
    """Run a study and show it.

    A recipe that can draws the study's own findings, which may have more arms than the gallery's figure; another one
    trains and measures what it needs, if it has the scale.

    Args:
        study: what to run.
        recipes: what the page shows, in order.
        scale: of the study.
        runner: where to train and measure.
        command: that makes the page again.

    Returns:
        The page, and what it shows.

    Raises:
        ConfigError: the study has no such scale.
        RunError: a run failed, or a measuring process died.
    """
    recording, tables = runner.recording()
    findings = study.run_at(scale, recording)
    shown = []
    for recipe in recipes:
        if recipe.of_findings is not None:
            shown.append((recipe, as_stored(recipe.of_findings(findings))))
        elif scale in recipe.studies:
            shown.append((recipe, as_stored(recipe.collect(findings.plan.scale, recording))))
    return page_of(study, findings, shown, provenance_of(command, tables, runner)), findings


def page_of(
    study: PlannedStudy[Any], findings: Findings[Any], shown: Sequence[tuple[Recipe, pd.DataFrame]], making: Provenance
) -> Report:
    """The page of findings that are there.

    Args:
        study: that found them.
        findings: its tables and claims.
        shown: recipes with the tables that they draw.
        making: what made them.

    Returns:
        The page: the answer, the recipes, all claims of the study.
    """
    claims = {question: verdict_table(results) for question, results in findings.claims.items() if results}
    sections = [*(_figure(recipe, data) for recipe, data in shown), *_claims(findings.claims)]
    everything = pd.concat([table.assign(question=question) for question, table in claims.items()], ignore_index=True)
    data = {f"{_file(recipe)}_data": table for recipe, table in shown}
    return Report(
        study.title,
        f"{_lead(study, findings)}\n\n{study.caveat}",
        sections,
        {**findings.plan.facts, **_provenance_facts(making), "verdicts": VERDICTS, "tags": _tags()},
        {**data, **findings.tables, "claims": everything},
    )


def _lead(study: PlannedStudy[Any], findings: Findings[Any]) -> str:
    """The answer, from the verdicts alone."""
    results = [(question, result) for question, found in findings.claims.items() for result in found]
    asked = Counter(result.claim.key for _, result in results)
    lines = [f"Claims: {tally(result.words for _, result in results)}."]
    for question, result in results:
        if result.claim.key in study.headlines:
            value = f"{result.found}" if result.found.n else "not measured"
            statement = f"{result.claim.statement[0].upper()}{result.claim.statement[1:]}"
            of = f" {question}:" if asked[result.claim.key] > 1 else ""  # asked of several groups
            lines.append(f"{statement}:{of} {result.words} ({value}).")
    return "\n".join(lines)


def _figure(recipe: Recipe, data: pd.DataFrame) -> Section:
    with mpl.rc_context(PAPER_STYLE):
        figure = recipe.draw(data)
    results = recipe.claims(data)
    table = _shown(results) if results else None
    return Section(_file(recipe), recipe.shows, f"{recipe.item}.", figure, recipe.shows, table)


def _claims(found: Mapping[str, Sequence[ClaimResult]]) -> Iterator[Section]:
    for question, results in found.items():
        if results:
            name = f"claims-{question.replace(' ', '-')}"
            table, alternative = _shown(results), "Mean, interval, threshold and verdict"
            yield Section(name, f"All claims of the study: {question}", "", forest(results)[0], alternative, table)


def _shown(results: Sequence[ClaimResult]) -> pd.DataFrame:
    table = verdict_table(results)
    table["verdict"] = table["verdict"].map(WORDS)
    trend = ("trend_per_doubling", "heading") if table["trend_per_doubling"].notna().any() else ()
    shown = table[[*COLUMNS, *trend]]
    empty = [name for name in shown if shown[name].isna().all() or (shown[name].astype(str) == "").all()]
    return shown.drop(columns=empty)


def _tags() -> str:
    return "; ".join(f"{tag}: {meaning}" for tag, meaning in SOURCE_TAGS.items())


def _file(recipe: Recipe) -> str:
    return recipe.name.partition("/")[2]


def _provenance_facts(making: Provenance) -> dict[str, str]:
    protocols = {f"protocol {name}": ", ".join(hashes) for name, hashes in making.protocols.items()}
    return {"command": making.command, "runs": str(len(making.runs)), **protocols, **making.environment}
