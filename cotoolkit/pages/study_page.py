"""The report of a study: its question, verdicts counted, the runs, and when and where robustness is lost."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from cotoolkit.core.errors import RunError
from cotoolkit.core.processes.collection import without_collection
from cotoolkit.pages import Report, Section
from cotoolkit.pages.crowd_charts import MOST_POINTS, course_lines, crowd_chart
from cotoolkit.pages.study_charts import phase_chart, runs_chart
from cotoolkit.plotting.columns import kind_name
from cotoolkit.plotting.crowd import CROWD, pooled
from cotoolkit.plotting.phase_diagram import phase_axes, phase_diagram
from cotoolkit.plotting.timeline import SHOWN, timeline
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.tables.accuracy_names import accuracy_title
from cotoolkit.runs.tables.run_table import metric_table, protocols_in, varying
from cotoolkit.studies.study import Study

COURSES = (
    " A click on an identity draws the course of that run below the table (JavaScript; of each probe accuracy at most "
    f"{MOST_POINTS} values)."
)

KINDS = 12
"""Kinds of runs in one picture of accuracies; more of them make more pictures."""


@without_collection()
def study_report(study: Study, root: Path | str) -> Report:
    """A study as a report, finished or not; its table in its folder is written anew.

    Args:
        study: what was asked.
        root: folder of run folders and studies.

    Returns:
        The report: runs, timelines, and a phase diagram where there is a PGD accuracy.

    Raises:
        RunError: no run of the study has been started, or a damaged file.
    """
    table = study.write_table(root)
    if table.empty:
        raise RunError(f"{root}: no run of this study has been trained yet; `cotoolkit study run --file FILE` does")
    by = [name for name in varying(table) if name != "seed"] or ["method"]
    folders = [RunFolder(Path(root) / name) for name in table["run"]]
    begun = [f for f, state in zip(folders, table["state"], strict=True) if state == "done" or f.metric_files.paths()]
    metrics = metric_table(begun, SHOWN)
    drawn = table[table["run"].isin(metrics["run"].unique())]
    crowd = len(drawn) > CROWD
    sections = [
        _runs(table, metrics if crowd else None, by),
        *(_crowd(drawn, metrics, by) if crowd else _timelines(drawn, metrics, by)),
        *_phase(table, study),
    ]
    return Report(f"Study: {study.name}", _lead(study, table, by), sections, _facts(study, table, folders))


def _lead(study: Study, table: pd.DataFrame, by: list[str]) -> str:
    done = table[table["verdict"] != ""]
    counts = Counter(done["verdict"])
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "none finished yet"
    missing = len(study.runs()) - len(table)
    unfinished = [f"{count} {state}" for state, count in Counter(table.loc[table["verdict"] == "", "state"]).items()]
    open_ones = [*unfinished, *([f"{missing} not started"] if missing else [])]
    kinds = [
        f"{kind_name(by, key)}: breakpoint in {int(runs['breakpoint'].notna().sum())} of {len(runs)}"
        for key, runs in done.groupby(by, dropna=False)
    ]
    parts = [
        study.question,
        f"{len(study.runs())} runs, scale {study.scale}: {verdicts}."
        + (f" Without a result: {', '.join(open_ones)}." if open_ones else ""),
        "\n".join(kinds) if 1 < len(kinds) <= KINDS else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _runs(table: pd.DataFrame, metrics: pd.DataFrame | None, by: list[str]) -> Section:
    """The table; with metrics, a course of each run that the reader chooses."""
    protocols = protocols_in(table)
    interval = table["earliest"].astype("string") + " to " + table["latest"].astype("string")
    columns = [*by, "seed", "breakpoint", "interval", "verdict"]
    columns += ["state"] if (table["verdict"] == "").any() else []
    columns += [*protocols, "identity"]
    shown = table.assign(interval=interval, identity=table["run"].str.rpartition("-")[2])[columns]
    shown = shown.rename(columns={name: accuracy_title(name) for name in protocols})
    return Section(
        "runs",
        "Runs",
        "One row per run: the settings that vary, the breakpoint with its interval of uncertainty, and "
        "accuracies on the test set. The study's table has all settings and the intervals of the accuracies; cotoolkit "
        "report IDENTITY writes a run's own page." + ("" if metrics is None else COURSES),
        table=shown,
        percent=[accuracy_title(name) for name in protocols],
        courses=None if metrics is None else course_lines(table, metrics),
    )


def _crowd(drawn: pd.DataFrame, metrics: pd.DataFrame, by: list[str]) -> list[Section]:
    kinds = pooled(drawn, by)
    return [
        Section(
            "timeline",
            "When robustness is lost",
            f"Accuracy of probes on held-out training images: {kinds.note(len(drawn))}. Dashed: FGSM; solid: PGD; the "
            "black line is the share of runs that have had their breakpoint.",
            timeline(drawn, metrics, by=by)[0],
            "Median FGSM and PGD accuracy with bands against the iteration, and the share of broken runs, a panel per "
            "kind of run",
            chart=crowd_chart(drawn, metrics, kinds.by),
        )
    ]


def _timelines(drawn: pd.DataFrame, metrics: pd.DataFrame, by: list[str]) -> list[Section]:
    kinds = [runs for _, runs in drawn.groupby(by, dropna=False)]
    parts = [pd.concat(kinds[first : first + KINDS]) for first in range(0, len(kinds), KINDS)]
    return [
        Section(
            "timeline" if len(parts) == 1 else f"timeline-{number}",
            "When robustness is lost" + ("" if len(parts) == 1 else f" ({number} of {len(parts)})"),
            "Accuracy of probes on held-out training images. Dashed: FGSM; solid: PGD; black vertical lines: "
            "breakpoints; symbols: seeds. In the interactive chart a click on a seed in the legend hides or shows its "
            "runs, a double click shows them alone.",
            timeline(part, metrics, by=by)[0],
            "FGSM and PGD accuracy against the iteration for every run, with breakpoints, a panel per kind of run",
            chart=runs_chart(part, metrics, by),
        )
        for number, part in enumerate(parts, start=1)
    ]


def _phase(table: pd.DataFrame, study: Study) -> list[Section]:
    done = table[table["verdict"] != ""]
    protocol = next((name for name in study.runs()[-1].evaluation if name.startswith("pgd")), None)
    if protocol is None or protocol not in done or done[protocol].isna().all():
        return []
    axes = phase_axes(done)
    return [
        Section(
            "phase",
            "Where robustness is lost",
            "Means over the runs of a cell; empty cells have no run. CO: the verdict is catastrophic overfitting.",
            phase_diagram(done, **axes._asdict(), accuracy=protocol)[0],
            "Heat maps of mean PGD accuracy and of the share of runs that overfit catastrophically, with values",
            chart=phase_chart(done, **axes._asdict(), accuracy=protocol),
        )
    ]


def _facts(study: Study, table: pd.DataFrame, folders: list[RunFolder]) -> dict[str, str]:
    facts = {"study": study.name, "identity": study.identity, "scale": study.scale, "runs": str(len(study.runs()))}
    for protocol in protocols_in(table):
        facts[f"cards of {protocol}"] = ", ".join(sorted(table[f"{protocol}_hash"].dropna().unique()))
    machines = _environments(folders)
    for name in dict.fromkeys(name for machine in machines for name in machine):
        facts[name] = ", ".join(sorted({str(machine[name]) for machine in machines if name in machine}))
    return facts


def _environments(folders: list[RunFolder]) -> list[dict[str, Any]]:
    """Those in which runs were trained; of thousands of runs, which share a few, each is read through once."""
    known: dict[bytes, RunFolder] = {}
    for folder in folders:
        try:
            known.setdefault((folder.path / "environment.json").read_bytes(), folder)
        except FileNotFoundError:
            continue
        except OSError:
            known[os.fsencode(folder.path)] = folder  # whose `environment` says what is wrong
    return [folder.environment() for folder in known.values()]
