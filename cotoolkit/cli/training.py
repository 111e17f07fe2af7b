"""Commands that train: `demo`, `train`, `study run` and `study show`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cotoolkit.cli.display import LiveRuns, console, say, say_error
from cotoolkit.cli.listing import result_table, show_listing
from cotoolkit.core.device import Device
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.studies.scale import Scale
from cotoolkit.training.live import label, probe_text

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.config import RunConfig
    from cotoolkit.studies.study import Study

MANY = 10_000
"""Runs from which on a study is not begun unasked."""

Root = Annotated[Path, typer.Option("--root", help="Folder of runs and studies.")]
OnDevice = Annotated[Device, typer.Option(help="Where to train.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Train again what is there already.")]
Download = Annotated[bool, typer.Option("--download", help="Let torchvision fetch missing data to COTOOLKIT_DATA.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at a time; by default one per core, one on a GPU.")]
Settings = Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE...", help="Fields of the configuration.")]


def demo_command(
    root: Root = Path("runs"),
    jobs: Jobs = None,
    fresh: Fresh = False,
) -> None:
    """Does an injected non-robust feature induce catastrophic overfitting? A study on digits, in about a minute."""
    from cotoolkit.studies.demo import demo_study

    _run_study(demo_study(), root, jobs=jobs, device="cpu", fresh=fresh, download=False)


def train_command(
    settings: Settings = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with the configuration that FIELD=VALUE change.")
    ] = None,
    root: Root = Path("runs"),
    device: OnDevice = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes that share each batch (DDP).")] = 1,
    fresh: Fresh = False,
    download: Download = False,
) -> None:
    """Train one configuration: cotoolkit train data=digits method=n_fgsm epsilon=0.2 epochs=24.

    The same command finishes a run that was killed, and trains nothing where the run is done.
    """
    from cotoolkit.runs.tables import run_table
    from cotoolkit.training.run import run

    chosen = _config(config, settings or [])
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}")
    bar = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)
    with resumable(), bar as progress:
        task = progress.add_task(escape(label(chosen)), now="", total=None)
        folder = run(
            chosen,
            root,
            device=device,
            devices=devices,
            fresh=fresh,
            download=download,
            report=lambda now: progress.update(
                task, completed=now.iteration, total=now.total, now=probe_text(now), refresh=bool(now.note)
            ),
        )
    show_listing(result_table(run_table([folder]), title=label(chosen)))
    if folder.reason:
        say(f"{folder.state}: {folder.reason}", "yellow")
    say(f"run folder: {folder.path}")


study_commands = typer.Typer(no_args_is_help=True, help="Grids of runs: run them, show what they found.")


@study_commands.command("run")
def run_study_command(
    settings: Settings = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A study in YAML; FIELD=VALUE replace its values.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the study's folder.")] = "study",
    scale: Annotated[Scale, typer.Option(help="What the numbers may be taken for.")] = "custom",
    root: Root = Path("runs"),
    jobs: Jobs = None,
    device: OnDevice = "auto",
    fresh: Fresh = False,
    download: Download = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"Train more than {MANY:,} runs without asking.")] = False,
) -> None:
    """Train a grid: cotoolkit study run method=[fgsm,n_fgsm] epsilon=[4/255,8/255] seed=0..4.

    [a,b] and 0..4 are several values; (a,b) is one value that is a list. Runs that are done are not trained again.
    Exit code 1 if a run failed; the others are finished first.
    """
    from cotoolkit.studies.overrides import parse_settings
    from cotoolkit.studies.study import Study

    grid = parse_settings(settings or [])
    if file is not None:
        study = Study.read(file)
        study = study.model_copy(update={"grids": tuple({**part, **grid} for part in study.grids)})
    else:
        study = Study(name=name, scale=scale, grids=(grid,))
    if study.points > MANY and not yes:
        raise ConfigError(f"the grid has {study.points:,} runs; give --yes to train that many")
    _run_study(study, root, jobs=jobs, device=device, fresh=fresh, download=download)


@study_commands.command("show")
def show_study(
    key: Annotated[str, typer.Argument(help="Start of the study's folder name, or a study file.")],
    root: Root = Path("runs"),
) -> None:
    """Print a study's table and draw its pictures anew."""
    from cotoolkit.studies.study import find_study

    study = find_study(root, key)
    _show(study, root, study.write_table(root), anew=True)


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Turn Ctrl-C, and SIGTERM as schedulers send it, into one line and the customary exit code."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        say_error("interrupted; the same command goes on from the last saved epoch")
        raise typer.Exit(128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)) from None
    finally:
        signal.signal(signal.SIGTERM, before)


class _Terminated(KeyboardInterrupt):
    pass


def _terminate(number: int, frame: object) -> None:
    raise _Terminated


def _config(file: Path | None, words: list[str]) -> RunConfig:
    from cotoolkit.config import RunConfig
    from cotoolkit.core.validation import read_settings
    from cotoolkit.studies.overrides import apply, parse_settings, single_values

    settings = single_values(parse_settings(words))
    base: Any = {}
    if file is not None:
        base = read_settings(file) or {}
        if not isinstance(base, dict):
            raise ConfigError(f"{file}: holds no configuration")
    return RunConfig.parse(apply(base, settings))


def _run_study(study: Study, root: Path, *, jobs: int | None, device: Device, fresh: bool, download: bool) -> None:
    configs = study.runs()
    outcomes = []
    with resumable(), LiveRuns(configs) as live:

        def on_outcome(outcome: Any) -> None:
            outcomes.append(outcome)
            live.on_outcome(outcome)

        table = study.run(
            root,
            jobs=jobs,
            device=device,
            fresh=fresh,
            download=download,
            on_update=live.on_update,
            on_outcome=on_outcome,
        )
    _show(study, root, table)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed:
        last_line = outcome.reason.strip().splitlines()[-1]
        say(f"failed: {label(outcome.config)}: {last_line}")
        say(f"        {outcome.folder.path}")
    if failed:
        raise typer.Exit(1)


def _show(study: Study, root: Path, table: pd.DataFrame, *, anew: bool = False) -> None:
    """Print the table; draw what the ended runs allow, if it has changed or is to be drawn anew; say where all is."""
    from cotoolkit.plotting.study_pictures import study_pictures

    if table.empty:
        raise RunError(f"{root}: no run of this study has been trained yet; `cotoolkit study run --file FILE` does")
    show_listing(result_table(table, title=f"{study.question or study.name} (scale: {study.scale})"))
    say(conclusion(table))
    pictures = study_pictures(study, root, table, anew=anew)
    for name, path in [("study", study.folder(root)), *((picture.stem, picture) for picture in pictures)]:
        say(f"{name + ':':<10}{path}")


def conclusion(table: pd.DataFrame) -> str:
    """The verdicts counted, per kind of run."""
    from cotoolkit.runs.tables import CATASTROPHIC_OVERFITTING

    lines = []
    for (method, epsilon, beta), runs in table.groupby(["method", "epsilon", "beta"], sort=False):
        done = runs[runs["verdict"] != ""]
        overfitted = int((done["verdict"] == CATASTROPHIC_OVERFITTING).sum())
        lines.append(
            f"  {method}, ε {epsilon:.4g}, β {beta:.4g}: catastrophic overfitting in {overfitted} of {len(done)} runs"
        )
    return "\n".join(lines)
