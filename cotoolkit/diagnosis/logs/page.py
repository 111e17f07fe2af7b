"""The page of a log: one run with its events and timeline, or many with a summary of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cotoolkit.core.files import write_atomically
from cotoolkit.diagnosis.logs.picture import PANELS, log_timeline
from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.diagnosis.logs.schema import LogDiagnosis, LogRun, Share
from cotoolkit.pages import Report, Section, write_report

LOG_FILE = "log_diagnosis.json"
"""The file of a diagnosis, by which an earlier one is known."""

READ = (
    "Dotted: clean accuracy; dashed: FGSM; solid: PGD. A black line is a breakpoint, with the rows it lies between in "
    "grey; a green one a recovery. At a breakpoint PGD accuracy falls and FGSM accuracy does not fall with it."
)


def write_log_diagnosis(found: LogDiagnosis, courses: Sequence[Course], folder: Path | str) -> Path:
    """Write log_diagnosis.json, the timelines (PNG and SVG), the tables and report.html.

    Args:
        found: the diagnosis.
        courses: of its runs, in their order.
        folder: made if it is not there; files of an earlier diagnosis are replaced.

    Returns:
        Path of the page.
    """
    folder = Path(folder)
    page = write_report(log_report(found, courses), folder)
    write_atomically(folder / LOG_FILE, found.to_json().encode())
    return page


def log_report(found: LogDiagnosis, courses: Sequence[Course]) -> Report:
    """The page."""
    runs = list(zip(found.runs, courses, strict=True))
    figures = [log_timeline(runs[first : first + PANELS], found.unit)[0] for first in range(0, len(runs), PANELS)]
    timeline = Section(
        "timeline", "When robustness is lost", READ, figures[0],
        "Clean, FGSM and PGD accuracy against time, with breakpoints and recoveries", more_figures=figures[1:],
    )  # fmt: skip
    summary = Section(
        "runs",
        "All runs",
        "One row per run; times are those of the first breakpoint.",
        table=found.table().rename(columns={"best pgd": "best PGD", "last pgd": "last PGD"}),
        percent=("best PGD", "last PGD"),
    )
    sections = [timeline, _events(found)] if len(runs) == 1 else [summary, timeline, _events(found)]
    return Report(f"Diagnosis of {found.source}", log_lead(found), [*sections, _columns(found)], _facts(found))


def log_lead(found: LogDiagnosis) -> str:
    """The answer in words: of one run its verdict, events and checkpoint; of many the verdicts counted."""
    if len(found.runs) == 1:
        run = found.runs[0]
        paragraphs = [f"Verdict: {run.verdict} (confidence: {run.confidence}). {_capital(run.reason)}."]
        for event in run.events:  # the reason of a verdict begins with the event that decided
            said = "" if run.reason.startswith(event.sentence) else f"{_capital(event.sentence)}. "
            paragraphs.append(f"{said}What to do: {event.advice}.")
        return "\n\n".join([*paragraphs, f"{_capital(run.checkpoint.sentence)}."])
    counts = Counter(run.verdict for run in found.runs)
    states = Counter(run.checkpoint.state for run in found.runs)
    broke = sum(bool(run.breakpoints) for run in found.runs)
    return (
        f"{len(found.runs)} runs: {', '.join(f'{count} {verdict}' for verdict, count in counts.most_common())}.\n\n"
        f"Breakpoints in {broke} of them; {sum(bool(run.recoveries) for run in found.runs)} recovered later.\n\n"
        f"Checkpoints ({found.runs[0].checkpoint.choice}): "
        f"{', '.join(f'{count} {state}' for state, count in states.most_common())}."
    )


def _events(found: LogDiagnosis) -> Section:
    rows = [
        {
            "run": run.name, "event": event.kind, found.unit: event.at, "after": event.earliest, "by": event.latest,
            "confidence": event.confidence, "PGD before": _text(event.before.pgd), "PGD then": _text(event.after.pgd),
            "why": "; ".join(event.reasons), "what to do": event.advice,
        }
        for run in found.runs for event in run.events
    ]  # fmt: skip
    if not rows:
        rows = [{"run": run.name, "event": "none", "why": run.reason} for run in found.runs]
    return Section(
        "events", "What happened", "Each event, the rows it lies between, and how sure it is.", table=pd.DataFrame(rows)
    )


def _columns(found: LogDiagnosis) -> Section:
    rows = [
        {"part": part, "column": name, "how": "guessed from its name" if part in found.guessed else "named"}
        for part, name in found.columns.items()
    ]
    text = "\n\n".join(f"{_capital(note)}." for note in (*found.notes, *_run_notes(found.runs)))
    return Section("columns", "How the log was read", text, table=pd.DataFrame(rows))


def _run_notes(runs: Sequence[LogRun]) -> list[str]:
    counts = Counter(note for run in runs for note in run.notes)
    return [note if len(runs) == 1 else f"{note} (in {count} runs)" for note, count in counts.items()]


def _facts(found: LogDiagnosis) -> dict[str, str]:
    points = sorted({run.points for run in found.runs if run.points is not None})
    return {
        "Log": found.source,
        "Runs": f"{len(found.runs)}, {sum(run.rows for run in found.runs):,} rows with a PGD accuracy",
        "Test points": ", ".join(f"{one:,}" for one in points) or "not known",
        "Classes": "not known" if found.classes is None else str(found.classes),
        "A breakpoint is": "less than 75 % of PGD accuracy left, FGSM accuracy relative to it at least doubled, FGSM "
        "or clean accuracy still there, all beyond chance (docs/diagnose_log.md)",
        "Schema": f"{LOG_FILE}, version {found.schema_version}",
    }


def _text(share: Share) -> str:
    if share.low is None or share.high is None:
        return f"{share.value:.1%}"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
