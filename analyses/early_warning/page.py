"""The report of the benchmark of the early warning: how the combined detector did against its aims, then every rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analyses.early_warning.plots import delays, example, settings_picture, trade_off
from analyses.early_warning.recorded.plan import SETTINGS
from analyses.early_warning.recorded.recording import TRUTH, TRUTH_POINTS, Run
from analyses.early_warning.recorded.truth import LOST
from analyses.early_warning.scoring.by_setting import Interval
from analyses.early_warning.scoring.calibrate import COMBINED, WARNING, Row, Scored
from analyses.early_warning.scoring.dating import score_dating
from analyses.early_warning.scoring.score import HORIZON, Score
from analyses.early_warning.scoring.simulation import Detections
from analyses.early_warning.tables import (
    KINDS,
    dating_table,
    horizon_table,
    recorded_run_table,
    rule_table,
    setting_table,
)
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.monitor.early_warning import DEFAULT_RULES
from cotoolkit.pages import Report, Section

SHOWN = ("abnormal_example", "pert_align", "attack_gain")
"""Signals of the example."""

HORIZONS = (1 / 16, HORIZON, 1 / 4)
"""Under which the combined detector is scored, to see how much hangs on the choice."""


def benchmark_report(runs: Sequence[Run], watched: Sequence[Detections], rows: Sequence[Row]) -> Report:
    """The findings as a report.

    Args:
        runs: recorded.
        watched: what the combined detector did in each, as shipped.
        rows: every rule's score.
    """
    rules = rule_table(rows)
    return Report(
        title="How good is the early warning?",
        lead=_lead(runs, watched, rows),
        sections=[
            *_rule_sections(rules),
            *_example_section(runs, watched),
            *_run_sections(runs, watched),
        ],
        facts=_facts(runs),
        data={"scores": rules},
    )


def _rule_sections(rules: pd.DataFrame) -> list[Section]:
    """Every rule's delays, and its misses against its false alarms."""
    scored = "held out" if (rules["scored"].eq("held out") & rules["terminal_breaks"].gt(0)).any() else "all"
    shown = _numbered(rules[rules["scored"] == scored])
    which = "the settings held out" if scored == "held out" else "all settings"
    return [
        Section(
            "rules",
            "How late, how often wrong",
            "Each rule's delay from the first crossing of a true terminal break to its alarm: dot and line are the "
            "median and its 95 % interval, the tick is the delay within which 90 % of those found are found. The "
            "circle is the median delay from the crossing that lasts. On the right: the share of terminal breaks "
            f"without an alarm (missed), and false alarms per healthy run. All are scored on {which}; thresholds of "
            "ours were fitted on the other ones, published ones are their authors'.",
            delays(shown)[0],
            "Median and 90 % delay of every rule, with misses and false alarms",
            _shorter(rules),
        ),
        Section(
            "trade-off",
            "Misses against false alarms",
            "The lower left corner is the best place. Numbers are those of the rules in the picture above.",
            trade_off(shown)[0],
            "Missed terminal breaks against false alarms per healthy run, a point per rule",
        ),
    ]


def _run_sections(runs: Sequence[Run], watched: Sequence[Detections]) -> list[Section]:
    """Each setting, what hangs on the horizon, how well the engine dates, and every run."""
    settings = setting_table(runs, watched)
    return [
        Section(
            "settings",
            "Setting by setting",
            "What became of each setting's runs, by the truth alone, and what the combined detector as shipped did: "
            "breaks that last to the end of the run (terminal) and others (transient), how many of them it missed, "
            "false alarms; and the terminal breaks that each published rule missed, with its false alarms in healthy "
            "runs. Unclear runs, such as dips of robustness that do not last, are counted here and left out "
            "of every score. Where fewer runs are recorded than planned, the rest is still to be trained.",
            settings_picture(settings)[0],
            "Runs of each setting by what became of them",
            settings,
        ),
        Section(
            "horizons",
            "What hangs on the horizon",
            "An alarm counts as a break's from this share of the schedule before it on.",
            table=horizon_table(runs, watched, HORIZONS),
        ),
        Section(
            "dating",
            "How well a breakpoint is dated",
            "The engine's first crossing against the truth's, and its lasting one: median of the difference, "
            "median and 90th percentile of its size, in iterations, and the share of runs in which the engine's "
            "interval covers the truth's date. It is the first breakpoint that the engine finds, against the nearest "
            "true one. The truth is taken on test images and the engine's probe on others, so a part of the "
            "difference is sampling.",
            table=dating_table(runs, watched),
        ),
        Section(
            "every-run",
            "What the combined detector did in each run",
            "Iterations of the last true break and of the engine's first one, and of all confirmations.",
            table=recorded_run_table(runs, watched),
        ),
    ]


def score_of(rows: Sequence[Row], rule: str, scored: Scored) -> Score | None:
    """The score of a rule over some runs; None where it has none."""
    return next((row.score for row in rows if row.rule == rule and row.scored == scored), None)


def _lead(runs: Sequence[Run], watched: Sequence[Detections], rows: Sequence[Row]) -> str:
    counts = {kind: sum(run.truth.kind == kind for run in runs) for kind in KINDS}
    planned = sum(setting.seeds for setting in SETTINGS)
    spent = sum(found.probes for found in watched) / sum(len(run.recording.trace) for run in runs)
    fitted = score_of(rows, COMBINED, "held out")
    parts = [
        f"{len(runs)} seeded runs of {len({run.setting for run in runs})} settings ({planned} runs of "
        f"{len(SETTINGS)} settings are planned): "
        + ", ".join(f"{count} {kind}" for kind, count in counts.items())
        + "."
    ]
    for scored, which in (("held out", "On the settings held out"), ("all", "On all settings")):
        found = score_of(rows, f"{COMBINED}, as shipped", scored)  # type: ignore[arg-type]
        if found is not None and found.terminal.breaks + found.healthy > 0:
            parts.append(f"{which} the combined detector, with the thresholds it is shipped with: {_aims(found)}")
    warning = score_of(rows, f"{WARNING}, as shipped", "all")
    assert warning is not None
    parts.append(
        f"Its warning, from free signals alone, comes before the first crossing in {warning.terminal.lead.value:.0%} "
        f"of the terminal breaks, with {warning.false} false warnings per healthy run."
    )
    if fitted is not None:
        parts.append(
            f"With thresholds fitted on the settings for that it misses {fitted.terminal.missed} of the terminal "
            f"breaks of those held out, with {fitted.false} false alarms per healthy run."
        )
    if any(run.truth.breaks for run in runs):
        parts.append(_dated(runs, watched))
    parts.append(
        f"It took {1000 * spent:.1f} probes per 1,000 iterations of these short runs; what that costs is measured "
        "by benchmarks/monitor_bench.py."
    )
    return "\n\n".join(parts)


def aims_reached(missed: Interval, false: Interval, delay: Interval) -> str:
    """What was aimed at, and whether it was reached.

    Args:
        missed: share of the terminal breaks that raised no alarm.
        false: alarms per healthy run.
        delay: median of it, in iterations since the first crossing.

    Returns:
        A list in words.
    """
    aims = (
        _aim("share of terminal breaks missed", missed, 0, 0.04, "none in 100, the interval below 0.04"),
        _aim("false alarms per healthy run", false, 0.01, 0.01, "at most 3 in 300"),
        _aim("median delay since the first crossing", delay, 10, 10, "at most 10 iterations"),
    )
    return "; ".join(aims)


def _aims(found: Score) -> str:
    terminal, transient = found.terminal, found.transient
    parts = [
        f"{aims_reached(terminal.missed, found.false, terminal.first.median)}.",
        f"Scored: {terminal.breaks} terminal breaks (settings: {terminal.settings}), {found.healthy} healthy runs.",
    ]
    if terminal.breaks:
        ninety = terminal.first.ninety.value
        parts.append(f"90 % of the terminal breaks that it finds are confirmed by iteration {ninety:+.0f}.")
    if transient.breaks:
        parts.append(
            f"Of breaks from which the network recovers ({transient.breaks}) it misses a share of {transient.missed}."
        )
    if found.other:
        parts.append(f"Runs that lose robustness otherwise ({found.other}) raise {found.other_false} alarms each.")
    return " ".join(parts)


def _aim(name: str, found: Interval, most: float, highest: float, aim: str) -> str:
    if found.value > most:
        came = "not reached"
    else:
        came = "reached" if found.high <= highest else "reached by the estimate, not by its whole interval"
    return f"{name} {found} (aim: {aim}; {came})"


def _dated(runs: Sequence[Run], watched: Sequence[Detections]) -> str:
    """How well the engine dates."""
    first, sustained = score_dating(runs, [found.dates for found in watched])
    return (
        f"The engine dates {first.dated.value:.1%} of the runs with a break. Its first crossing is off by {first.size} "
        f"iterations in the median and {first.size_ninety} in nine of ten, the crossing that lasts by {sustained.size} "
        f"and {sustained.size_ninety}; its interval covers the true first crossing in {first.covered} of the runs, the "
        f"one that lasts in {sustained.covered}."
    )


def _numbered(rules: pd.DataFrame) -> pd.DataFrame:
    """Rules in order of what they miss and their false alarms, then of their delay, with numbers for the pictures."""
    cost = rules["terminal_missed"].fillna(1) + rules["false_per_healthy_run"] + rules["premature_per_broken_run"]
    ordered = rules.assign(cost=cost).sort_values(["cost", "terminal_delay"]).reset_index(drop=True)
    numbers = [str(number) for number in range(1, len(ordered) + 1)]
    labels = [f"{number}  {rule}" for number, rule in zip(numbers, ordered["rule"], strict=True)]
    return ordered.assign(number=numbers, label=labels)


def _shorter(rules: pd.DataFrame) -> pd.DataFrame:
    shown = ["missed", "delay", "delay_90", "delay_share", "before_break"]
    breaks = [f"{sort}_{column}" for sort in ("terminal", "transient") for column in ("breaks", *shown)]
    return rules[
        ["rule", "scored", "thresholds", *breaks, "false_per_healthy_run", "premature_per_broken_run", "healthy"]
    ]


def _example_section(runs: Sequence[Run], watched: Sequence[Detections]) -> list[Section]:
    """The first terminal break that the detector warned of and confirmed."""
    for run, found in zip(runs, watched, strict=True):
        if run.truth.kind != "terminal":
            continue
        near = run.truth.breaks[-1].first - HORIZON * run.recording.iterations
        warning = next((at for at in found.warnings if at >= near), None)
        detected = next((alarm.start for alarm in found.confirmed if alarm.start >= near), None)
        if warning is not None and detected is not None:
            text = (
                f"{run.setting}, seed {run.seed}: accuracies by the dense evaluation above, free signals of the "
                "training steps below, around the true break."
            )
            picture = example(run, SHOWN, warning, detected)[0]
            return [Section("example", "One break", text, picture, "Signals around one break")]
    return []


def _facts(runs: Sequence[Run]) -> Mapping[str, str]:
    rules = "; ".join(
        f"{rule.signal} {rule.direction}: {rule.statistic} at least {rule.threshold:g}" for rule in DEFAULT_RULES
    )
    return {
        "scale": "smoke and laptop: small networks on scikit-learn digits, parts of Fashion-MNIST and of CIFAR-10",
        "truth": f"PGD-{TRUTH.steps}, step {TRUTH.step_size:g} ε, one start, {TRUTH_POINTS} test points; a break: PGD "
        f"accuracy below {LOST:g} of its best while FGSM accuracy stays, {WINDOW} iterations on end",
        "false": f"any alarm in a run without a break, and those more than {HORIZON:g} of the schedule before one",
        "combined detector": rules,
        "seeds": f"0 to {max(run.seed for run in runs)}",
        "intervals": "95 %, clustered by setting: Korn and Graubard for shares, exact Poisson with the design effect "
        "for rates, cluster bootstrap for delays; without an event they are those of independent runs",
        **{name: str(value) for name, value in runs[0].environment.items()},
    }
