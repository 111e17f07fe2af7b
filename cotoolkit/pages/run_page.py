"""The report of one run: what came of it, its breakpoint, and what every signal did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cotoolkit.config import RunConfig
from cotoolkit.pages import Report, Section
from cotoolkit.pages.chart_style import PROBES
from cotoolkit.pages.run_timeline import run_chart, run_pictures, run_views
from cotoolkit.pages.signal_panels import panels_of, title_of
from cotoolkit.plotting.columns import number
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.tables.accuracy_names import accuracy_title
from cotoolkit.runs.tables.run_table import flat
from cotoolkit.signals import SIGNALS

RETURNS = {
    "stopped": "The remedy stopped training, and went back from iteration",
    "selected": "At the end the remedy went back from iteration",
    "rolled back": "The remedy rolled training back from iteration",
}
"""What is said of the events of a remedy."""


def run_report(folder: RunFolder) -> Report:
    """A run as a report, finished or not.

    Args:
        folder: of a run that has at least a configuration.

    Returns:
        The report; sections without data are left out.

    Raises:
        RunError: a damaged file.
    """
    config = folder.config()
    result = folder.result() if folder.state in ("done", "diverged") else None
    events = folder.events()
    # A run that failed before its first save has a configuration and nothing else.
    metrics = folder.metrics() if folder.metric_files.paths() else None
    found = next((event for event in events if event["kind"] == "breakpoint"), None)
    sections = [
        *([] if metrics is None or metrics.empty else [_timeline(metrics, events, found)]),
        *([_evaluation(result["evaluation"])] if result and result["evaluation"] else []),
        *([_moved_first(found)] if found and found["detail"].get("moved_first") else []),
        *([_events(events)] if events else []),
        _settings(config),
    ]
    last = 0 if metrics is None or metrics.empty else int(metrics["iteration"].max())
    return Report(_title(config), _lead(folder, result, events, last), sections, _facts(folder, config, result))


def _title(config: RunConfig) -> str:
    strength = getattr(config.intervention, "beta", None)
    parts = [config.data.name, config.model.name, config.method.name, f"ε {number(config.epsilon)}"]
    if config.intervention is not None:
        parts.append(config.intervention.name + ("" if strength is None else f" β {number(strength)}"))
    return "Run: " + ", ".join([*parts, f"seed {config.seed}"])


def _lead(folder: RunFolder, result: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], last: int) -> str:
    """Verdict, breakpoint, remedy and accuracies; of a run without a result, how far it got."""
    found = next((event for event in events if event["kind"] == "breakpoint"), None)
    if result is None:
        states = {"new": "Not started.", "running": f"Not finished: iteration {last} is the last one on disk."}
        reason = folder.reason.strip().splitlines()
        failed = f"Failed at about iteration {last}: {reason[-1] if reason else 'no reason was recorded'}"
        parts = [states.get(folder.state, failed)]
    else:
        verdict = str(result["verdict"])
        parts = [f"{verdict.capitalize()}{f': {folder.reason}' if folder.reason else ''}."]
    if found is not None:
        parts.append(_broke(found))
    elif result is not None and result["verdict"] != "diverged":
        parts.append(f"No breakpoint in {last} iterations.")
    if remedies := [_returned(event) for event in events if event["kind"] in RETURNS]:
        parts.append(" ".join(remedies))
    if result is not None and result["evaluation"]:
        accuracies = [
            f"{accuracy_title(name)} {found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})"
            for name, found in result["evaluation"].items()
        ]
        parts.append(f"Accuracy on the test set, with 95 % intervals: {', '.join(accuracies)}.")
    return "\n\n".join(parts)


def _returned(event: Mapping[str, Any]) -> str:
    """What a remedy did."""
    method = f", to go on by {event['detail']['method']}" if "method" in event["detail"] else ""
    return f"{RETURNS[event['kind']]} {event['detail']['detected']} to the weights of {event['iteration']}{method}."


def _broke(found: Mapping[str, Any]) -> str:
    iteration, detail = found["iteration"], found["detail"]
    sustained = detail["sustained"]
    last = ", to and fro" if sustained is None else f", for good at {sustained}" if sustained > iteration else ""
    text = (
        f"Robustness was lost at iteration {iteration}{last} (interval of uncertainty {detail['earliest']} to "
        f"{detail['latest']}); a probe found it at {detail['detected']}."
    )
    if detail.get("moved_first"):
        name, moved = min(detail["moved_first"].items(), key=lambda item: item[1])
        text += f" The first free signal to move was {title_of(name)}, at iteration {moved}."
    return text


def _timeline(metrics: pd.DataFrame, events: Sequence[Mapping[str, Any]], found: Mapping[str, Any] | None) -> Section:
    panels = panels_of(metrics)
    last = int(metrics["iteration"].max())
    text = (
        "Accuracies are of probes on held-out training images, at some iterations; the other signals are batch means. "
        + (
            "The black line is the breakpoint, the first iteration at which the probe finds robustness lost; the "
            "grey band is its interval of uncertainty."
            if found
            else "No breakpoint was dated in this run."
        )
    )
    picture, *more = run_pictures(panels, events, last)
    return Section(
        "timeline",
        "All signals, iteration by iteration",
        text,
        picture,
        f"Line plots against the iteration: {'; '.join(panel.title for panel in panels)}",
        chart=run_chart(panels, events, last),
        views=run_views(last, int(found["iteration"]) if found else None),
        more_figures=more,
    )


def _evaluation(evaluation: Mapping[str, Mapping[str, Any]]) -> Section:
    rows = []
    for name, found in evaluation.items():
        card = found["card"]
        protocol = card["protocol"]
        rows.append(
            {
                "protocol": accuracy_title(name),
                "accuracy": found["value"],
                "low": found["low"],
                "high": found["high"],
                "points": found["points"],
                "attack": _attack(protocol),
                "robust if": card["robust_if"],
                "card": card["hash"],
            }
        )
    return Section(
        "evaluation",
        "Evaluation on the test set",
        "With 95 % Wilson intervals. The card is a hash of everything that defines the number: "
        "numbers with different cards do not compare.",
        table=pd.DataFrame(rows),
        percent=("accuracy", "low", "high"),
    )


def _attack(protocol: Mapping[str, Any]) -> str:
    if "attack" in protocol:
        return " of ".join(part for part in (protocol["attack"], protocol.get("package")) if part)
    if not protocol["steps"]:
        return "none"
    start = _counted(protocol["restarts"], "uniform start") if protocol["random_start"] else "the image"
    return f"{_counted(protocol['steps'], 'step')} of {protocol['step_size']:g} ε from {start}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _moved_first(found: Mapping[str, Any]) -> Section:
    rows = [
        {
            "signal": title_of(name),
            "moved at": moved,
            "iterations ahead": found["iteration"] - moved,
            "at a breakpoint": SIGNALS[name].at_break if name in SIGNALS else "",
            "source": SIGNALS[name].source if name in SIGNALS else "",
        }
        for name, moved in sorted(found["detail"]["moved_first"].items(), key=lambda item: item[1])
    ]
    return Section(
        "moved_first",
        "What moved first",
        "The first iteration at which a free signal left its own baseline, by more than five robust deviations three "
        "values in a row (thresholds ours), and how far ahead of the breakpoint that was; negative: after it. Signals "
        "that did not move are left out.",
        table=pd.DataFrame(rows),
    )


def _events(events: Sequence[Mapping[str, Any]]) -> Section:
    rows = [
        {"event": event["kind"], "iteration": event["iteration"], "detail": _detail(event["detail"])}
        for event in events
    ]
    return Section("events", "Events", table=pd.DataFrame(rows))


def _detail(detail: Mapping[str, Any]) -> str:
    """Numbers of an event; what has parts is told elsewhere."""
    return ", ".join(
        f"{PROBES[name].label} {value:.1%}"
        if name in PROBES
        else f"{name.replace('_', ' ')} {value:.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in detail.items()
        if not isinstance(value, Mapping)
    )


def _settings(config: RunConfig) -> Section:
    rows = [
        {"setting": name, "value": "none" if value is None else number(value) if _is_number(value) else str(value)}
        for name, value in flat(config.to_data()).items()
    ]
    return Section(
        "settings",
        "Configuration",
        "Every setting as it was resolved; a hash of those that differ from the defaults is the run's identity.",
        table=pd.DataFrame(rows),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _facts(folder: RunFolder, config: RunConfig, result: Mapping[str, Any] | None) -> dict[str, str]:
    facts = {"run": folder.path.name, "identity": config.identity, "state": folder.state, "seed": str(config.seed)}
    facts["threat model"] = f"{config.norm}, epsilon {number(config.epsilon)}, box {config.box}"
    if result is not None:
        facts |= {"iterations": str(result["iterations"]), "seconds": f"{result['seconds']:g}"}
    if (folder.path / "environment.json").exists():
        facts |= {name: _plain(value) for name, value in folder.environment().items()}
    return facts


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
