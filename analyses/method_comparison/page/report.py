"""The page of a comparison: the answer in sentences, a table that sorts, three pictures, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from analyses.core.judging.verdicts import ClaimResult, verdict_table
from analyses.core.judging.words import WORDS
from analyses.core.study import Tables
from analyses.method_comparison.outcomes import ENDED, method_summary
from analyses.method_comparison.page.conclusions import conclusions, left_out_note
from analyses.method_comparison.page.plots import breakpoint_times, overfitting_shares, robustness_against_cost
from analyses.method_comparison.page.published import published_table
from analyses.method_comparison.plan import ComparisonPlan
from cotoolkit.pages import Report, Section
from cotoolkit.plotting.style import PAPER_STYLE
from cotoolkit.runs.folder import RunFolder

SCALE_NOTES = {
    "smoke": "One seed on tiny data with an injected feature: a quick look, from which no method can be judged.",
    "digits": "Tiny data with an injected feature: the mechanism, not anybody's published number.",
    "laptop": "Natural images and the smallest network known to break: the trend, not anybody's published number.",
    "paper": "The published network and schedules; where these differ from a paper's own, the docs say how.",
}

COUNTED = (
    "Passes are those of an update on one batch, counted in the steps that are timed, at the start of a run: (forward "
    "+ backward) / 2, so that clean training costs 1 and a lone forward one half. Time is that of an update over clean "
    "training's, measured in alternation in one process: the median of nine pairs of turns, with a 96 % interval."
)


def comparison_report(
    plan: ComparisonPlan, tables: Tables, claims: Mapping[str, Sequence[ClaimResult]], root: Path, command: str
) -> Report:
    """A comparison as a report.

    Args:
        plan: what was asked.
        tables: what was found.
        claims: judged.
        root: folder of the runs.
        command: that makes the page again.

    Returns:
        The report.
    """
    outcomes, left_out = tables["outcomes"], tables["left_out"]
    summary = method_summary(outcomes)
    lead = [SCALE_NOTES[plan.scale], *conclusions(outcomes, summary), left_out_note(left_out)]
    sections = [
        _leaderboard(plan, summary, outcomes),
        *(_pictures(outcomes, summary) if len(summary) else ()),
        *_claims(claims),
        *_published(plan),
        *_missing(left_out),
    ]
    return Report(
        title="Methods against catastrophic overfitting",
        lead="\n\n".join(part for part in lead if part),
        sections=sections,
        facts=_facts(plan, outcomes, tables["checkpoints"], root, command),
        data={"outcomes": outcomes, "checkpoints": tables["checkpoints"], "costs": tables["costs"], "summary": summary},
    )


def _leaderboard(plan: ComparisonPlan, summary: pd.DataFrame, outcomes: pd.DataFrame) -> Section:
    text = (
        "A click on a header sorts. Robust: share of test images that stay correct under the worst of PGD-50, PGD-50 "
        "on the margin and Square with 300 queries, point by point, at the radius of training. Last is the network "
        "that training ends with; best the one that a probe on held-out images found most robust. Means over seeds, "
        "with Student's 95 % interval from two seeds on. Breakpoints are in percent of training, from the least to the "
        f"greatest.\n\n{COUNTED}"
    )
    table = leaderboard_table(plan, summary, outcomes)
    return Section("leaderboard", "All methods", text, table=table, percent=_accuracies(table))


def _accuracies(table: pd.DataFrame) -> list[str]:
    """Columns that hold accuracies, all of which say of which network."""
    names = map(str, table.columns)
    return [name for name in names if name.endswith((", last", ", best", ", average")) and "interval" not in name]


def leaderboard_table(plan: ComparisonPlan, summary: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """The table as the page shows it; columns that say nothing are left out.

    Args:
        plan: of the comparison.
        summary: one row per group and method.
        outcomes: one row per run.

    Returns:
        One row per group and method, the most robust at the end first.
    """
    table = pd.DataFrame(
        {
            "setting": summary["group"],
            "method": summary["method"],
            "family": summary["family"],
            "robust, last": summary["last_robust"],
            "interval, last": _intervals(summary, "last_robust", ".1%"),
            "robust, best": summary["best_robust"],
            "robust, average": summary["average_robust"],
            "AutoAttack, last": summary["last_autoattack"],
            "AutoAttack, best": summary["best_autoattack"],
            "passes": summary["units"],
            "time": summary["time"],
            "seeds": summary["seeds"],
            "with CO": summary["broke"],
            "exact interval of CO": _intervals(summary, "share", ".0%"),
            "breakpoints (%)": [
                _range(outcomes, group, method)
                for group, method in zip(summary["group"], summary["method"], strict=True)
            ],
            "clean, last": summary["last_clean"],
            "clean, best": summary["best_clean"],
            "interval of time": _intervals(summary, "time", ".2f"),
            "diverged": summary["diverged"],
        }
    )
    table["setting"] = pd.Categorical(table["setting"], list(plan.groups))
    table = table.sort_values(["setting", "robust, last"], ascending=[True, False], kind="stable")
    table["setting"] = table["setting"].astype(str)
    idle = [name for name in table if table[name].isna().all() or (table[name].astype(str) == "").all()]
    idle += ["setting"] if len(plan.groups) == 1 else []
    idle += ["diverged"] if not table["diverged"].any() else []
    return table.drop(columns=idle).reset_index(drop=True)


def _intervals(summary: pd.DataFrame, name: str, digits: str) -> list[str]:
    ends = zip(summary[f"{name}_low"], summary[f"{name}_high"], strict=True)
    return ["" if pd.isna(low) else f"[{low:{digits}}, {high:{digits}}]" for low, high in ends]


def _range(outcomes: pd.DataFrame, group: str, method: str) -> str:
    """The least and the greatest breakpoint in percent of training; empty without any."""
    broke = (outcomes["group"] == group) & (outcomes["method"] == method) & outcomes["breakpoint"].notna()
    if not broke.any():
        return ""
    onsets = 100 * outcomes.loc[broke, "onset"]
    low, high = f"{onsets.min():.0f}", f"{onsets.max():.0f}"
    return low if low == high else f"{low} to {high}"


def _pictures(outcomes: pd.DataFrame, summary: pd.DataFrame) -> Iterator[Section]:
    with mpl.rc_context(PAPER_STYLE):
        figures = (
            robustness_against_cost(outcomes, summary),
            overfitting_shares(summary),
            breakpoint_times(outcomes, summary),
        )
    yield Section(
        "cost",
        "Robustness against cost",
        "Filled: the mean of the last networks, whose seeds are dots; hollow: that of the best ones, joined by a line "
        "where the two differ. A long line is what a table of best epochs hides. Black inside: an average of weights, "
        "of methods that make one. Rows stand by forward-backward passes of an update, the number beside the name (a "
        "lone forward is one half); lines part different costs.",
        figures[0],
        "Robust accuracy of the last and the best network, a row per method by the passes of an update",
    )
    yield Section(
        "overfitting",
        "Who overfits catastrophically",
        "Share of seeds with a breakpoint, with its exact 95 % interval (Clopper and Pearson): crosses where any seed "
        "has one, circles where none has. Colours are those of the families above.",
        figures[1],
        "Share of seeds with catastrophic overfitting by method, with intervals",
    )
    columns = ["group", "method", "seed", "breakpoint", "earliest", "latest", "iterations", "verdict", "last_robust"]
    table = outcomes[[*columns, "run"]].rename(columns={"last_robust": "robust, last"})
    yield Section(
        "breakpoints",
        "When robustness is lost",
        "The first iteration at which the probe finds robustness lost, dated by replay; earliest and latest enclose "
        "it. cotoolkit report shows a run's own page.",
        figures[2],
        "Breakpoints of all seeds as shares of training, a row per method",
        table if outcomes["group"].nunique() > 1 else table.drop(columns="group"),
        percent=_accuracies(table),
    )


def _claims(claims: Mapping[str, Sequence[ClaimResult]]) -> Iterator[Section]:
    results = [result for found in claims.values() for result in found]
    if results:
        table = verdict_table(results)
        table["verdict"] = table["verdict"].map(WORDS)
        columns = ["statement", "verdict", "mean", "low", "high", "expected", "seeds", "by", "p", "holm_p", "premise"]
        yield Section(
            "claims",
            "Judged",
            "A claim is supported, or not, where its 95 % interval lies on the claimed side of the threshold, or on "
            "the other; it is only shown from fewer than five seeds, or from so few that no outcome could support it. "
            "Holm's p is adjusted for all that were judged.",
            table=table[columns],
        )


def _published(plan: ComparisonPlan) -> Iterator[Section]:
    if plan.scale == "paper":
        yield Section(
            "published",
            "What others print",
            "In percent, on CIFAR-10 with ResNet-18 unless a row says otherwise; none of it is our setting, and none "
            "was measured by us. FastAT's rows are of the best epoch.",
            table=published_table(),
        )


def _missing(left_out: pd.DataFrame) -> Iterator[Section]:
    if len(left_out):
        yield Section(
            "missing",
            "What is missing",
            "Methods that refuse these settings, without a seed, and runs that failed, which the same command tries "
            "again.",
            table=left_out,
        )


def _facts(
    plan: ComparisonPlan, outcomes: pd.DataFrame, checkpoints: pd.DataFrame, root: Path, command: str
) -> dict[str, str]:
    hashes = checkpoints["protocol"].dropna().unique()
    facts = {"command": command, **plan.facts, "protocol": ", ".join(sorted(hashes))}
    facts["attacked"] = ", ".join(f"{points} test images" for points in checkpoints["points"].dropna().unique())
    facts["autoattack"] = "on the points that the other attacks leave" if plan.autoattack else "not run"
    ended = outcomes.loc[outcomes["state"].isin(ENDED), "run"]
    machines = [RunFolder(root / name).environment() for name in ended]
    for name in dict.fromkeys(name for machine in machines for name in machine):
        facts[name] = ", ".join(sorted({str(machine[name]) for machine in machines if name in machine}))
    return facts
