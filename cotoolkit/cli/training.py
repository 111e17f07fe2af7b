"""Commands that train: `demo`, `train`, `study run` and `study show`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cotoolkit.cli.display import LiveRuns, breakpoint_advice, conclusion, end_naming, say, say_error
from cotoolkit.cli.listing import Column, Listing, result_table, show_listing
from cotoolkit.cli.options.json_output import AsJson, say_json, table_rows
from cotoolkit.cli.options.launching import (
    LauncherName,
    RayAddress,
    ResourcesText,
    Shard,
    SlurmParameters,
    chosen_launcher,
)
from cotoolkit.cli.options.paths import a_file, a_folder
from cotoolkit.core.device import Device
from cotoolkit.core.errors import ConfigError, CotoolkitError, RunError, RunFailed
from cotoolkit.core.processes.patience import PATIENCE
from cotoolkit.core.user_code import located
from cotoolkit.studies.scale import Scale
from cotoolkit.training.live import label

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.config import RunConfig
    from cotoolkit.studies.launchers.launcher import Launcher
    from cotoolkit.studies.study import Study

MANY = 10_000
"""Runs from which on a study is not begun unasked."""

Root = Annotated[Path, typer.Option("--root", callback=a_folder, help="Folder of runs and studies.")]
OnDevice = Annotated[Device, typer.Option(help="Where to train.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Train again what is there already.")]
Download = Annotated[bool, typer.Option("--download", help="Let torchvision fetch missing data to COTOOLKIT_DATA.")]
Patience = Annotated[
    int, typer.Option(min=0, help="Seconds without a sign of life after which a run has failed; 0 waits forever.")
]
Loggers = Annotated[
    list[str] | None,
    typer.Option(
        "--logger", metavar="NAME", help="Write the run there, too: csv, tensorboard, wandb, mlflow. Repeatable."
    ),
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at a time; by default one per core, one per GPU.")]
Settings = Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE...", help="Fields of the configuration.")]


def demo_command(
    root: Root = Path("runs"),
    jobs: Jobs = None,
    fresh: Fresh = False,
) -> None:
    """Does an injected feature induce catastrophic overfitting? Nine runs on digits, a minute on two idle cores."""
    from cotoolkit.studies.demo import demo_study

    launcher = chosen_launcher("local", jobs, "", None, ())
    _run_study(demo_study(), root, launcher, device="cpu", fresh=fresh)


def train_command(
    settings: Settings = None,
    config: Annotated[
        Path | None, typer.Option(callback=a_file, help="YAML file with the configuration that FIELD=VALUE change.")
    ] = None,
    root: Root = Path("runs"),
    device: OnDevice = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes that share each batch (DDP).")] = 1,
    fresh: Fresh = False,
    download: Download = False,
    patience: Patience = int(PATIENCE),
    logger: Loggers = None,
) -> None:
    """Train one configuration: cotoolkit train data=digits method=n_fgsm epsilon=0.2 epochs=24.

    The same command finishes a run that was killed, and trains nothing where the run is done.
    """
    from cotoolkit.runs.tables.run_table import run_table
    from cotoolkit.studies.launchers.tasks import Update
    from cotoolkit.training.run import run

    chosen = _config(config, settings or [])
    with resumable(), failing_in_one_line(), LiveRuns([chosen]) as live:
        folder = run(
            chosen,
            root,
            device=device,
            devices=devices,
            fresh=fresh,
            download=download,
            patience=patience,
            loggers=logger or (),
            report=lambda now: live.on_update(Update(chosen.identity, now)),
        )
    show_listing(result_table(run_table([folder]), title=label(chosen)))
    if folder.reason:
        say(f"{folder.state}: {folder.reason}", "yellow")
    for line in breakpoint_advice(folder.events()):
        say(line, "yellow")
    say(f"run folder: {folder.path}")


study_commands = typer.Typer(no_args_is_help=True, help="Grids of runs: run them, show what they found.")


@study_commands.command("run")
def run_study_command(
    settings: Settings = None,
    file: Annotated[
        Path | None, typer.Option("--file", callback=a_file, help="A study in YAML; FIELD=VALUE replace its values.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the study's folder.")] = "study",
    scale: Annotated[Scale, typer.Option(help="What the numbers may be taken for.")] = "custom",
    root: Root = Path("runs"),
    jobs: Jobs = None,
    launcher: LauncherName = "local",
    resources: ResourcesText = "",
    ray_address: RayAddress = None,
    slurm: SlurmParameters = None,
    shard: Shard = "",
    device: OnDevice = "auto",
    fresh: Fresh = False,
    download: Download = False,
    patience: Patience = int(PATIENCE),
    logger: Loggers = None,
    yes: Annotated[bool, typer.Option("--yes", help=f"Train more than {MANY:,} runs without asking.")] = False,
) -> None:
    r"""Train a grid: cotoolkit study run method=\[fgsm,n_fgsm] epsilon=\[4/255,8/255] seed=0..4.

    \[a,b] and 0..4 are several values; (a,b) is one value that is a list. Runs that are done are not trained again.
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
    if not study.points:
        raise ConfigError("the study has no runs; give each field of its grids a value")
    if study.points > MANY and not yes:
        raise ConfigError(f"the grid has {study.points:,} runs; give --yes to train that many")
    chosen = chosen_launcher(launcher, jobs, resources, ray_address, slurm or ())
    options = {"device": device, "fresh": fresh, "download": download, "patience": patience, "loggers": logger or ()}
    _run_study(study, root, chosen, shard=shard, **options)


@study_commands.command("show")
def show_study(
    key: Annotated[str, typer.Argument(help="Start of the study's folder name, or a study file.")],
    root: Root = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Print a study's table and draw its pictures anew; with --json no picture is drawn."""
    from cotoolkit.studies.study import find_study

    study = find_study(root, key)
    table = study.write_table(root)
    if as_json:
        say_json({"study": study.model_dump(mode="json"), "folder": study.folder(root), "runs": table_rows(table)})
        return
    _show(study, root, table, anew=True)


@study_commands.command("list")
def list_studies(root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Studies by folder, with how many of their runs have ended, and their questions.

    A study that cannot be read, as one with a method whose module is gone, is named and passed over.
    """
    from cotoolkit.studies.study import Study, study_files

    rows, left_out = [], []
    for path in study_files(root):
        try:
            study = Study.read(path)
            counts = {"runs": len(study.runs()), "ended": sum(folder.finished for folder in study.folders(root))}
        except CotoolkitError as error:
            left_out.append(f"left out: {path}: {str(error).removeprefix(f'{path}: ')}")
            continue
        rows.append({"study": path.parent.name, **counts, "scale": study.scale, "question": study.question})
    if as_json:
        say_json(rows)
    elif rows:
        texts = {name: [str(row[name]) for row in rows] for name in rows[0]}
        spare = {"scale": 2, "question": 1}
        columns = [
            Column(name, cells, right=name in ("runs", "ended"), spare=spare.get(name, 0))
            for name, cells in texts.items()
        ]
        show_listing(Listing(columns))
    elif not left_out:
        say(f"no studies in {root}; `cotoolkit demo` makes one")
    end_naming(left_out)


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Turn Ctrl-C, and SIGTERM as schedulers send it, into one line and the customary exit code."""
    received = [signal.SIGINT]

    def terminate(number: int, frame: object) -> None:
        received.append(signal.Signals(number))
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        say_error("interrupted; the same command goes on from the last saved epoch")
        raise typer.Exit(128 + received[-1]) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Turn what somebody's model or data raises into one line; the run's folder keeps the traceback."""
    try:
        yield
    except (CotoolkitError, OSError):
        raise
    except Exception as error:
        raise RunFailed(f"{located(error)}; `cotoolkit runs show` prints the whole traceback") from error


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


def _run_study(study: Study, root: Path, launcher: Launcher, *, shard: str = "", **options: Any) -> None:
    from cotoolkit.studies.launchers.shard import shard_of

    configs = shard_of(study.runs(), shard) if shard else study.runs()
    if not configs:
        say(f"shard {shard} is empty: the study has {len(study.runs())} runs")
        return
    outcomes = []
    with resumable(), LiveRuns(configs) as live:

        def on_outcome(outcome: Any) -> None:
            outcomes.append(outcome)
            live.on_outcome(outcome)

        table = study.run(
            root,
            launcher=launcher,
            shard=shard,
            **options,
            on_update=live.on_update,
            on_outcome=on_outcome,
        )
    _show(study, root, table)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed:
        last_line = outcome.reason.strip().splitlines()[-1]
        say_error(f"failed: {label(outcome.config)}: {last_line}: {outcome.folder.path}")
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
