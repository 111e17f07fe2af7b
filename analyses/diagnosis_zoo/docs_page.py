"""Writes docs/diagnosis_zoo.md and its picture: `python -m analyses.diagnosis_zoo.docs_page`, from the kept results."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analyses.diagnosis_zoo.page import (
    AIMS_TEXT,
    aim_table,
    confusion_table,
    facts_of,
    lead_of,
    network_table,
    overrating,
)
from analyses.diagnosis_zoo.plots import accuracies
from analyses.diagnosis_zoo.records import BUDGETS, read_results
from analyses.diagnosis_zoo.scoring import aims, made_budgets, scores
from cotoolkit.core.files import write_atomically

DOCS = Path(__file__).parents[2] / "docs"

PICTURE = "diagnosis_zoo.png"


def docs_page() -> str:
    """The page, from the results that are kept."""
    zoo = read_results()
    table = scores(zoo)
    found, budgets = aims(table), made_budgets(table)[::-1]
    parts = [
        "# How good is the diagnosis?",
        "<!-- Written by python -m analyses.diagnosis_zoo.docs_page; edit that. -->",
        "`cotoolkit bench-diagnosis` trains or builds a zoo of networks, asks AutoAttack for the truth about each, "
        "diagnoses it at the budgets quick and standard, and scores verdicts and accuracies. `--kept` shows the "
        "results below, which are kept in `analyses/diagnosis_zoo/results`; the weights are not, and come from the "
        "recipes.",
        lead_of(zoo, found),
        "## What was aimed at",
        AIMS_TEXT,
        table_lines(aim_table(found)),
        "## Verdicts against the truth",
        *(part for budget in budgets for part in (f"At `{budget}`:", table_lines(confusion_table(table, budget)))),
        "A network whose gradients are hidden on purpose is *masked*, whatever it withstands. One trained by single "
        "steps is *catastrophically overfitted* where FGSM keeps half of clean accuracy and AutoAttack leaves less "
        "than half of that. Any other is *robust* or *not*, by the floor of [the diagnosis](diagnosis.md).",
        overrating(table),
        "## Every network",
        f"![Accuracy of every network under FGSM, PGD, all attacks, and AutoAttack, at quick]({PICTURE})",
        "Accuracies are in percent of the points that the strong attacks saw; `off` is all attacks minus AutoAttack on "
        "the same points.",
        *(part for budget in budgets for part in (f"At `{budget}`:", table_lines(network_table(table, budget)))),
        "## How it was measured",
        "\n".join(f"- **{name}**: {value}" for name, value in facts_of(zoo).items()),
    ]
    return "\n\n".join(parts) + "\n"


def table_lines(table: pd.DataFrame) -> str:
    """A table in Markdown.

    Args:
        table: any.

    Returns:
        Its lines.
    """
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    lines += [[str(value) for value in row] for row in table.itertuples(index=False, name=None)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_docs() -> None:
    """Write both."""
    write_atomically(DOCS / "diagnosis_zoo.md", docs_page().encode())
    table = scores(read_results())
    accuracies(table[table["budget"] == BUDGETS[0]])[0].savefig(DOCS / PICTURE, dpi=110)


if __name__ == "__main__":
    write_docs()
