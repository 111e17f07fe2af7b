"""The numbers of docs/early_warning.md, from the benchmark's tables in figures/gallery.

`python -m analyses.early_warning.docs_page` writes them anew; with the folder of a benchmark it takes over its traces
and tables first.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pandas as pd

from analyses.early_warning.page import aims_reached
from analyses.early_warning.recorded.plan import SETTINGS
from analyses.early_warning.recorded.record_all import TRACES
from analyses.early_warning.scoring.by_setting import Interval, share
from analyses.early_warning.scoring.calibrate import COMBINED, WARNING
from analyses.early_warning.tables import KINDS

PAGE, GALLERY = Path("docs/early_warning.md"), Path("figures/gallery")

PREFIX = "alarm_bench_"
"""Of the benchmark's files in the gallery."""

TABLES = ("scores.csv", "settings.csv", "horizons.csv", "dating.csv", "every-run.csv")
"""What is taken over beside the traces."""

BEGIN, END = "<!-- numbers: python -m analyses.early_warning.docs_page -->\n", "<!-- end of numbers -->\n"
"""Around what is written."""

LEAST_BROKEN, LEAST_HEALTHY = 100, 300
"""Terminal breaks and healthy runs on settings held out from which on the page is evidence about the aims."""

SHORT = {
    f"{COMBINED}, as shipped": "combined, as shipped",
    f"{WARNING}, as shipped": "its warning alone, as shipped",
    COMBINED: "combined, fitted",
}
"""Names of rules on the page; signals that were fitted and the published rules have their own."""


def numbers(gallery: Path) -> str:
    """The tables as Markdown.

    Args:
        gallery: holds `TABLES`, each after `PREFIX`.
    """
    scores, settings, horizons, dating, every = (pd.read_csv(gallery / f"{PREFIX}{name}") for name in TABLES)
    parts = _rules(scores), _settings(settings), _horizons(horizons), _dating(dating)
    heads = _runs(settings, scores), _uncounted(every), _untouched(every)
    return "\n".join([*heads, *(line for part in parts for line in part)])


def page(text: str, gallery: Path) -> str:
    """The page with its numbers written anew.

    Args:
        text: of the page as it is; it has the lines `BEGIN` and `END`.
        gallery: as in `numbers`.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{numbers(gallery)}{END}{after}"


def _runs(settings: pd.DataFrame, scores: pd.DataFrame) -> str:
    sums = settings.sum(numeric_only=True)
    held_out = settings[settings["held_out"]].sum(numeric_only=True)
    kinds = ", ".join(f"{int(sums[kind])} {kind}" for kind in KINDS)
    few = held_out["terminal_breaks"] < LEAST_BROKEN or held_out["healthy"] < LEAST_HEALTHY
    says = f"**Too few to say whether the aims are reached**: that takes {LEAST_BROKEN} and {LEAST_HEALTHY}."
    if not few:
        (shipped,) = scores[(scores["rule"] == f"{COMBINED}, as shipped") & (scores["scored"] == "held out")].to_dict(
            "records"
        )
        names = ("terminal_missed", "false_per_healthy_run", "terminal_delay")
        says = f"There, as shipped: {aims_reached(*(_interval(shipped, name) for name in names))}."
    return (
        f"Recorded: **{int(sums['runs'])} of the {int(sums['planned'])} planned runs**: {kinds}. On settings held out "
        f"from every fit: {int(held_out['terminal_breaks'])} terminal and {int(held_out['transient_breaks'])} "
        f"transient breaks, {int(held_out['healthy'])} healthy runs. {says}\n"
    )


def _uncounted(every: pd.DataFrame) -> str:
    """What the rates do not show: alarms that stood already, and unclear runs."""
    terminal, unclear = every[every["kind"] == "terminal"], every[every["kind"] == "unclear"]
    stood = int((terminal["delay"].isna() & (terminal["missed"] == 0)).sum())
    return (
        f"Of all terminal runs {stood} count as found, without a delay, since an alarm still stood at the last break. "
        f"{int(unclear['confirmed'].notna().sum())} of the {len(unclear)} unclear runs, which no rate counts, had an "
        "alarm.\n"
    )


def _untouched(every: pd.DataFrame) -> str:
    """What the shipped detector did on runs that were recorded after the last choice."""
    looked_at = every["setting"].map({setting.name: setting.looked_at for setting in SETTINGS})
    runs = every[every["seed"] >= looked_at]  # settings all of whose runs were looked at have nan here
    of_data = runs["setting"].str.split(",").str[0].value_counts(sort=False)
    counted = ", ".join(f"{count} on {data}" for data, count in of_data.items())
    hits, settings = list[bool](), list[str]()
    for run in runs.to_dict("records"):
        hits += [True] * run["missed"] + [False] * (run["breaks"] - run["missed"])
        settings += [run["setting"]] * run["breaks"]
    value, low, high = (f"{100 * bound:.1f}" for bound in astuple(share(hits, settings)))
    healthy = runs[runs["kind"] == "healthy"]
    false = int(healthy["false"].sum())
    return (
        f"Of all, {len(runs)} runs ({counted}) were recorded after the last choice of a rule or a threshold. Of their "
        f"{len(hits)} breaks {sum(hits)} were missed, {value} % [{low}, {high}], and their {len(healthy)} healthy runs "
        f"had {false} false alarm{'' if false == 1 else 's'}.\n"
    )


def _interval(row: dict[Any, Any], name: str) -> Interval:
    return Interval(*(row[name + end] for end in ("", "_low", "_high")))


def _rules(scores: pd.DataFrame) -> list[str]:
    lines = [
        "| rule | scored on | terminal missed | delay | 90 % | before it | transient missed | false per healthy run |",
        _line(["---"] * 8),
    ]
    for row in scores.to_dict("records"):
        cells = [
            SHORT.get(row["rule"], f"{row['rule']}, fitted" if row["fitted"] else row["rule"]),
            row["scored"],
            _share(row, "terminal_missed"),
            _number(row, "terminal_delay"),
            _plain(row["terminal_delay_90"], ".0f"),
            _plain(row["terminal_before_break"], ".0%"),
            _share(row, "transient_missed"),
            _number(row, "false_per_healthy_run", ".3f"),
        ]
        lines.append(_line(cells))
    return [*lines, ""]


def _settings(settings: pd.DataFrame) -> list[str]:
    lines = [
        "| setting | runs | became | terminal missed | delay | transient missed | false in healthy "
        "| Wong: missed, false | SORA | ELLE-A |",
        _line(["---"] * 10),
    ]
    for row in settings[settings["runs"] > 0].to_dict("records"):
        became = ", ".join(f"{row[kind]} {kind}" for kind in KINDS if row[kind])
        cells = [
            row["setting"] if row["held_out"] else f"{row['setting']} (fit)",
            f"{row['runs']} of {row['planned']}",
            became or "–",
            f"{row['terminal_missed']} of {row['terminal_breaks']}" if row["terminal_breaks"] else "–",
            _plain(row["terminal_delay"], ".0f"),
            f"{row['transient_missed']} of {row['transient_breaks']}" if row["transient_breaks"] else "–",
            str(row["false_in_healthy"]) if row["healthy"] else "–",
            *(_both(row, word) for word in ("wong", "sora", "elle-a")),
        ]
        lines.append(_line(cells))
    missing = settings.loc[settings["runs"] == 0, "setting"].tolist()
    return [*lines, "", *([f"Still without a run: {'; '.join(missing)}.", ""] if missing else [])]


def _both(row: dict[Any, Any], word: str) -> str:
    """What a published rule missed, and its false alarms, where there is a break and a healthy run."""
    missed = row[f"{word}_missed"] if row["terminal_breaks"] else "–"
    return f"{missed}, {row[f'{word}_false'] if row['healthy'] else '–'}"


def _horizons(horizons: pd.DataFrame) -> list[str]:
    lines = ["| horizon, share of the schedule | terminal missed | transient missed | premature per broken run |"]
    lines.append(_line(["---"] * 4))
    for row in horizons.to_dict("records"):
        shares = [_share(row, "terminal_missed"), _share(row, "transient_missed")]
        lines.append(_line([f"{row['horizon']:.4g}", *shares, _number(row, "premature_per_broken_run", ".2f")]))
    return [*lines, ""]


def _dating(dating: pd.DataFrame) -> list[str]:
    lines = ["| the engine's | dated | off by, median | 90 % | interval covers it |", _line(["---"] * 5)]
    for row in dating.to_dict("records"):
        sizes = [_number(row, "error_size"), _plain(row["error_size_90"], ".0f")]
        lines.append(_line([f"{row['date']} crossing", _share(row, "dated"), *sizes, _share(row, "covered")]))
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: float, form: str) -> str:
    return "–" if pd.isna(value) else f"{value:{form}}".replace("-", "−").replace("%", " %")


def _number(row: dict[Any, Any], name: str, form: str = ".0f") -> str:
    """A value with its interval."""
    if pd.isna(row[name]):
        return "–"
    low, high = (_plain(row[f"{name}_{end}"], form) for end in ("low", "high"))
    return f"{_plain(row[name], form)} [{low}, {high}]"


def _share(row: dict[Any, Any], name: str) -> str:
    """A share with its interval, in percent."""
    if pd.isna(row[name]):
        return "–"
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def publish(folder: Path) -> None:
    """Take over the traces, if a benchmark has some of its own, its tables and its pictures."""
    for name in (TRACES, *TABLES):
        if name != TRACES or (folder / name).exists():
            shutil.copyfile(folder / name, GALLERY / f"{PREFIX}{name}")
    for name in ("rules", "settings"):
        shutil.copyfile(folder / f"{name}.png", PAGE.with_name(f"early_warning_{name}.png"))


if __name__ == "__main__":
    for folder in sys.argv[1:2]:
        publish(Path(folder))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), GALLERY), encoding="utf-8")
