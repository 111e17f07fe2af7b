"""`cotoolkit compare`: training methods under one loop, by robustness, cost and catastrophic overfitting."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analyses.core.progress import live_runner
from cotoolkit.cli.display import say, say_error
from cotoolkit.cli.training import Download, Jobs, Root
from cotoolkit.core.device import Device
from cotoolkit.core.numbers import format_number

if TYPE_CHECKING:
    from analyses.core.study import Tables
    from analyses.method_comparison.plan import ComparisonPlan

CompareScale = Literal["smoke", "digits", "laptop", "paper"]


def compare_methods(
    methods: Annotated[list[str] | None, typer.Argument(metavar="[METHOD]...", help="By default all.")] = None,
    scale: Annotated[CompareScale, typer.Option(help="Data, network, schedule and seeds.")] = "smoke",
    radii: Annotated[str | None, typer.Option(help="Such as 8/255,16/255; by default those of the scale.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Such as 0..2 or 0,3; by default those of the scale.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="METHOD", help="To leave out; may be repeated.")] = None,
    autoattack: Annotated[
        bool | None, typer.Option("--autoattack/--no-autoattack", help="By default at scale paper, where installed.")
    ] = None,
    slice_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Stop after so many minutes; the same command goes on.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the runs and their passes, and train nothing.")] = False,
    check: Annotated[
        Path | None, typer.Option(help="Check a leaderboard's file or folder, and do nothing else.")
    ] = None,
    root: Root = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="Folder of the page; by default ROOT/analyses/compare-SCALE.")
    ] = None,
    jobs: Jobs = None,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again; the runs stay.")] = False,
    download: Download = False,
) -> None:
    """Which methods prevent catastrophic overfitting, at which cost? Trains them alike, and writes a page.

    Robust accuracy of the last and of the best network apart, against passes and time of an update; shares of seeds
    that overfit catastrophically; breakpoints; and a leaderboard as JSON. It goes on where it was cut off. Exit code 1
    if a run failed; the others are finished first.
    """
    if check is not None:
        _check(check)
        return
    from analyses.method_comparison.plan import comparison_plan, parse_radii, parse_seeds
    from analyses.method_comparison.slices import time_slice

    chosen = comparison_plan(
        scale,
        methods or [],
        radii=None if radii is None else parse_radii(radii),
        seeds=None if seeds is None else parse_seeds(seeds),
        exclude=exclude or [],
        autoattack=_autoattack(autoattack, scale),
    )
    if plan:
        _say_plan(chosen, root, download)
        return
    folder = out or root / "analyses" / f"compare-{scale}"
    with time_slice(slice_minutes) as part, live_runner(root, folder, jobs, device, fresh, download) as runner:
        from analyses.method_comparison.study import collect_comparison

        tables = collect_comparison(chosen, runner)
    if part.over:
        _say_left(chosen, root)
        return
    command = _words(methods, scale, radii, seeds, exclude, autoattack)
    _write(chosen, tables, root, folder, command)
    if _say_failures(tables):
        raise typer.Exit(1)


def _autoattack(asked: bool | None, scale: str) -> bool | None:
    """Whether AutoAttack is run; unasked only where it is installed."""
    from analyses.method_comparison.settings import comparison_scale
    from cotoolkit.diagnosis.measuring.autoattack import check_installed

    if asked:
        check_installed()
    if asked is None and comparison_scale(scale)[1].autoattack:
        return importlib.util.find_spec("pyautoattack") is not None
    return asked


def _say_plan(plan: ComparisonPlan, root: Path, download: bool) -> None:
    """The runs and their passes, and who is left out."""
    from analyses.method_comparison.plan import steps_of, trainable
    from cotoolkit.runs.folder import RunFolder

    fitting = trainable(plan, download=download)
    iterations, everything = steps_of(fitting, download=download), 0.0
    for group, arms in fitting.groups.items():
        seeds = ", ".join(map(str, arms.seeds))
        say(f"{group}: seeds {seeds}, {iterations.get(group, 0):,} iterations a run; {arms.why}", "bold")
        for first in (one for one in fitting.firsts() if one.group == group):
            cost = first.config.method.cost_per_step()
            passes = (cost.forward + cost.backward) / 2 * iterations[group] * len(arms.seeds)
            runs = fitting.runs([group], [first.arm])
            done = sum(RunFolder.of(root, run.config).finished for run in runs)
            everything += passes
            say(f"  {first.arm}: {done} of {len(arms.seeds)} runs done, {passes:,.0f} forward-backward passes in all")
    for left in fitting.left_out:
        say(f"  left out, {left.group}: {left.method}: {left.reason}")
    say(f"{len(list(fitting.runs()))} runs, {everything:,.0f} forward-backward passes of a batch; nothing was trained")


def _say_left(plan: ComparisonPlan, root: Path) -> None:
    """What a slice has left for the next one."""
    from cotoolkit.runs.folder import RunFolder

    runs = list(plan.runs())
    done = sum(RunFolder.of(root, run.config).finished for run in runs)
    left = f"{len(runs) - done} runs are left" if done < len(runs) else "all runs are trained, measuring is left"
    say(f"the slice is over: {done} of {len(runs)} runs done, {left}; the same command goes on")


def _write(plan: ComparisonPlan, tables: Tables, root: Path, folder: Path, command: str) -> None:
    """Write page, tables and leaderboard, and say the answer and where they are."""
    from analyses.cli import say_claims, write_page
    from analyses.method_comparison.claims import judge_comparison
    from analyses.method_comparison.leaderboard import leaderboard_records, write_leaderboard
    from analyses.method_comparison.outcomes import ENDED
    from analyses.method_comparison.page import comparison_report

    claims = judge_comparison(plan, tables)
    say_claims(result for results in claims.values() for result in results if result.verdict != "shown")
    if tables["outcomes"]["state"].isin(ENDED).any():
        write_page(comparison_report(plan, tables, claims, root, command), folder)
        records = write_leaderboard(leaderboard_records(plan, tables, root), folder / "leaderboard")
        say(f"leaderboard: {folder / 'leaderboard'} ({len(records)} records)")


def _say_failures(tables: Tables) -> bool:
    """Say which runs failed; whether any did."""
    failed = tables["left_out"].dropna(subset="seed")
    for row in failed.to_dict("records"):
        say_error(f"failed: {row['method']}, {row['group']}, seed {row['seed']}: {row['reason']}")
    return len(failed) > 0


def _words(
    methods: list[str] | None,
    scale: str,
    radii: str | None,
    seeds: str | None,
    exclude: list[str] | None,
    autoattack: bool | None,
) -> str:
    """The command that makes the page again."""
    words = ["cotoolkit", "compare", *(methods or []), "--scale", scale]
    words += [word for option, value in (("--radii", radii), ("--seeds", seeds)) if value for word in (option, value)]
    words += [word for name in exclude or [] for word in ("--exclude", name)]
    words += [] if autoattack is None else ["--autoattack" if autoattack else "--no-autoattack"]
    return shlex.join(words)


def _check(path: Path) -> None:
    """Read a leaderboard, and say what it holds."""
    from analyses.method_comparison.leaderboard import read_leaderboard

    records = read_leaderboard(path)
    for record in records:
        robust = record.last.robust.mean
        shown = "none" if robust is None else f"{robust:.1%}"
        overfitting = f"{record.overfitting.broke} of {record.overfitting.of}"
        say(
            f"{record.method}, ε {format_number(record.radius)}, {record.scale}: robust accuracy of the last network "
            f"{shown}, catastrophic overfitting in {overfitting} seeds"
        )
    say(f"{path}: {len(records)} valid record{'s' * (len(records) != 1)}")
