"""The page of two networks compared, with the page of each beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cotoolkit.core.files import write_atomically
from cotoolkit.core.numbers import format_number
from cotoolkit.diagnosis.compare import ComparedNetworks, NetworkComparison
from cotoolkit.diagnosis.page.report import write_diagnosis
from cotoolkit.diagnosis.page.way_figures import pairs_figure
from cotoolkit.pages import Report, Section, write_report


def write_comparison(found: ComparedNetworks, folder: Path | str) -> Path:
    """Write comparison.json and report.html, and both diagnoses to the folders `first` and `second` below.

    Args:
        found: the comparison with its diagnoses.
        folder: made if it is not there; files of an earlier comparison are replaced.

    Returns:
        Path of the page.
    """
    folder = Path(folder)
    for part, diagnosis in (("first", found.first), ("second", found.second)):
        write_diagnosis(diagnosis, folder / part)
    page = write_report(pair_report(found.comparison), folder)
    write_atomically(folder / "comparison.json", found.comparison.model_dump_json(indent=1).encode())
    return page


def pair_report(comparison: NetworkComparison) -> Report:
    """The page."""
    first, second = comparison.first, comparison.second
    verdicts = "; ".join(f"{one.name}: {one.label} (confidence: {one.confidence})" for one in (first, second))
    return Report(
        f"{first.name} against {second.name}: {comparison.loss}",
        f"{comparison.sentence}\n\n{verdicts}.",
        [
            Section(
                "pairs",
                "Under every attack",
                f"A row per attack within epsilon, both networks on the same points. Where a line is long, one of the "
                f"two has what the other lacks. The first is {first.name}, the second {second.name}.",
                pairs_figure(comparison)[0],
                "Accuracy of both networks under every attack",
            ),
            Section(
                "mcnemar",
                "Point by point",
                "Points that only one of the two gets right, the interval of the difference (second minus first), and "
                "the p-value of McNemar's exact test, two-sided. fgsm@0.5 is FGSM at half of epsilon.",
                table=pair_table(comparison),
                percent=("first", "second", "difference"),
            ),
        ],
        {
            "Threat": f"linf, epsilon {format_number(comparison.epsilon)}",
            "Robustness lost": f"{comparison.loss}: by the shares of PGD, FGSM and clean accuracy that are left",
            f"Diagnosis of {first.name}": "first/report.html",
            f"Diagnosis of {second.name}": "second/report.html",
        },
    )


def pair_table(comparison: NetworkComparison) -> pd.DataFrame:
    """The comparison as a table.

    Args:
        comparison: of two networks.

    Returns:
        A row per attack.
    """
    return pd.DataFrame([
        {
            "attack": row.attack,
            "points": row.points,
            "first": row.first,
            "second": row.second,
            "only first": row.only_first,
            "only second": row.only_second,
            "difference": row.second - row.first,
            "95 % interval": f"{row.low:.1%} to {row.high:.1%}",
            "p-value": row.p_value,
        }
        for row in comparison.rows
    ])  # fmt: skip
