"""The report of the benchmark of the early warning: how the combined detector did against its aims, then every rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analyses.early_warning.break_dates import GAP
from analyses.early_warning.calibrate import COMBINED, WARNING, Row
from analyses.early_warning.plots import delays, example, trade_off
from analyses.early_warning.recording import TRUTH, TRUTH_POINTS, Run
from analyses.early_warning.score import HORIZON, Interval, Score, rule_outcome, score_dating
from analyses.early_warning.simulation import Detections
from analyses.early_warning.tables import KINDS, dating_table, recorded_run_table, rule_table, setting_table
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.monitor.early_warning import DEFAULT_RULES
from cotoolkit.pages import Report, Section

SHOWN = ("abnormal_example", "pert_align", "attack_gain")
"""Signals of the example."""


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
        sections=[*_rule_sections(rules), *_example_section(runs, watched), *_run_sections(runs, watched)],
        facts=_facts(runs),
        data={"scores": rules},
    )


def _rule_sections(rules: pd.DataFrame) -> list[Section]:
    """Every rule's delays, and its misses against its false alarms."""
    shown = _numbered(rules[rules["split"] != "setting"])
    return [
        Section(
            "rules",
            "How late, how often wrong",
            "Each rule's delay from the first crossing of the true breakpoint to its first warning: dot and line are "
            "the median and its 95 % interval, the tick is the delay within which 90 % of those found are found. "
            "The circle is the median delay from the crossing that lasts. On the right: the share of breakpoints "
            "without a warning (missed), and false alarms per healthy run. Thresholds of ours were fixed on half "
            "of the seeds and scored on the other half, both ways; published ones are their authors'.",
            delays(shown)[0],
            "Median and 90 % delay of every rule, with misses and false alarms",
            _shorter(rules),
        ),
        Section(
            "trade-off",
            "Misses against false alarms",
            "The lower left corner is the best place. Numbers are those of the rules in the picture above.",
            trade_off(shown)[0],
            "Missed breakpoints against false alarms per healthy run, a point per rule",
        ),
    ]


def _run_sections(runs: Sequence[Run], watched: Sequence[Detections]) -> list[Section]:
    """How well the engine dates, what became of each setting's runs, and every run."""
    return [
        Section(
            "dating",
            "How well a breakpoint is dated",
            "The engine's first crossing against the truth's, and its lasting one: median of the difference, "
            "median and 90th percentile of its size, in iterations, and the share of runs in which the engine's "
            "interval covers the truth's date. It is the first breakpoint that the engine finds, even if another one "
            "lasts. The truth is taken on test images and the engine's probe on others, so a part of the "
            "difference is sampling.",
            table=dating_table(runs),
        ),
        Section(
            "settings",
            "The runs",
            "What became of each setting's runs, by the truth alone. Unclear ones, such as dips of robustness that "
            "do not last, are counted here and left out of every score.",
            table=setting_table(runs),
        ),
        Section(
            "every-run",
            "What the combined detector did in each run",
            "Iterations of the true breakpoint and of the engine's, of the first warning and the first confirmation.",
            table=recorded_run_table(runs, watched),
        ),
    ]


def _lead(runs: Sequence[Run], watched: Sequence[Detections], rows: Sequence[Row]) -> str:
    counts = {kind: sum(run.truth.kind == kind for run in runs) for kind in KINDS}
    score = next(row.score for row in rows if row.rule == f"{COMBINED}, as shipped")
    fitted = {row.split: row.score for row in rows if row.rule == COMBINED}
    warning = next(row.score for row in rows if row.rule == f"{WARNING}, as shipped")
    spent = sum(found.probes for found in watched) / sum(len(run.recording.trace) for run in runs)
    aims = (
        _aim("median delay since the first crossing", score.first.median, 10, "at most 10 iterations"),
        _aim("false alarms per healthy run", score.false, 0.01, "at most 0.01"),
        _aim("share of breakpoints missed", score.missed, 0, "none"),
    )
    return "\n\n".join(
        (
            f"{len(runs)} seeded runs: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()) + ". "
            "The combined detector, with the thresholds it is shipped with: " + "; ".join(aims) + ". 90 % of the "
            f"breakpoints it finds are confirmed by iteration {score.first.ninety.value:+.0f}. Since the crossing that "
            f"lasts the median delay is {score.sustained.median}. {_missed(runs, watched)} "
            f"Runs that lose robustness otherwise raise {score.other_false} confirmed warnings each.",
            f"Its warning, from free signals alone, comes first in {warning.lead.value:.0%} of the runs with a "
            f"breakpoint (median {warning.first.median.value:+.0f} iterations), with {warning.false} false warnings "
            "per healthy run. With thresholds fitted on the other half of the seeds, median delay, misses and false "
            f"alarms are {_three(fitted['seed'])}; on the other half of the settings {_three(fitted['setting'])}.",
            _dated(runs),
            f"It took {1000 * spent:.1f} probes per 1,000 iterations of these short runs; what that costs is measured "
            "by benchmarks/monitor_bench.py.",
        )
    )


def _aim(name: str, found: Interval, most: float, aim: str) -> str:
    if found.value > most:
        came = "not reached"
    else:
        came = "reached" if found.high <= most else "reached by the estimate, not by its whole interval"
    return f"{name} {found} (aim: {aim}; {came})"


def _dated(runs: Sequence[Run]) -> str:
    """How well the engine dates."""
    first, sustained = score_dating(runs)
    return (
        f"The engine dates {first.dated.value:.1%} of the breakpoints. Its first crossing is off by {first.size} "
        f"iterations in the median and {first.size_ninety} in nine of ten, the crossing that lasts by {sustained.size} "
        f"and {sustained.size_ninety}; its interval covers the true first crossing in {first.covered} of the runs, the "
        f"one that lasts in {sustained.covered}."
    )


def _missed(runs: Sequence[Run], watched: Sequence[Detections]) -> str:
    """Which breakpoints are missed."""
    pairs = [(run, rule_outcome(run, found.confirmed)) for run, found in zip(runs, watched, strict=True)]
    broken = [(run.truth.recovered, found.since_first is None) for run, found in pairs if found.kind == "breakpoint"]
    missed = {kind: [miss for recovered, miss in broken if recovered == kind] for kind in (False, True)}
    return (
        f"Missed are {sum(missed[False])} of the {len(missed[False])} breakpoints that last to the end of the run, and "
        f"{sum(missed[True])} of the {len(missed[True])} after which robustness comes back."
    )


def _three(score: Score) -> str:
    return f"{score.first.median.value:+.0f}, {score.missed.value:.1%} and {score.false.value:.3f}"


def _numbered(rules: pd.DataFrame) -> pd.DataFrame:
    """Rules in order of what they miss and their false alarms, then of their delay, with numbers for the pictures."""
    cost = rules["missed"] + rules["false_per_healthy_run"] + rules["premature_per_breakpoint"]
    ordered = rules.assign(cost=cost).sort_values(["cost", "delay_first"]).reset_index(drop=True)
    numbers = [str(number) for number in range(1, len(ordered) + 1)]
    labels = [f"{number}  {rule}" for number, rule in zip(numbers, ordered["rule"], strict=True)]
    return ordered.assign(number=numbers, label=labels)


def _shorter(rules: pd.DataFrame) -> pd.DataFrame:
    delays = ["delay_first", "delay_first_90", "delay_sustained", "delay_sustained_90"]
    columns = ["rule", "split", "thresholds", "missed", *delays, "before_break", "false_per_healthy_run"]
    return rules[[*columns, "per_other_run", "premature_per_breakpoint", "breakpoints", "healthy", "other"]]


def _example_section(runs: Sequence[Run], watched: Sequence[Detections]) -> list[Section]:
    """The first breakpoint at which the detector warned and confirmed."""
    for run, found in zip(runs, watched, strict=True):
        if run.truth.first is None:
            continue
        warning, detected = (
            next((iteration for iteration in events if iteration >= run.truth.first - HORIZON), None)
            for events in (found.warnings, found.confirmed)
        )
        if warning is not None and detected is not None:
            text = (
                f"{run.setting}, seed {run.seed}: accuracies by the dense evaluation above, free signals of the "
                "training steps below, around the true breakpoint."
            )
            picture = example(run, SHOWN, warning, detected)[0]
            return [Section("example", "One breakpoint", text, picture, "Signals around one breakpoint")]
    return []


def _facts(runs: Sequence[Run]) -> Mapping[str, str]:
    rules = "; ".join(
        f"{rule.signal} {rule.direction}: {rule.statistic} at least {rule.threshold:g}" for rule in DEFAULT_RULES
    )
    environment = runs[0].environment
    return {
        "scale": "smoke and laptop: small networks on scikit-learn digits and 2,500 images of Fashion-MNIST",
        "truth": f"PGD-{TRUTH.steps}, step {TRUTH.step_size:g} ε, one start, {TRUTH_POINTS} test points; a breakpoint: "
        f"PGD accuracy below half of its best with FGSM more than {GAP:g} above, {WINDOW} iterations on end",
        "false": f"any warning in a run without a breakpoint, and those more than {HORIZON} iterations before one",
        "combined detector": rules,
        "seeds": f"0 to {max(run.seed for run in runs)}",
        "intervals": "95 %: Wilson for shares, exact Poisson for rates, bootstrap over runs for delays",
        **{name: str(value) for name, value in environment.items()},
    }
