"""`run`: trains a configuration inside its run folder, unless that is done already."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device, available
from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError, CotoolkitError, RunFailed, RunInUse
from cotoolkit.core.identity import values_in
from cotoolkit.core.importing.workers import MAIN, WorkerImports
from cotoolkit.core.processes.group import Tell, run_group
from cotoolkit.core.processes.output import OUTPUT, drop_empty, forget_output, output_kept
from cotoolkit.core.processes.patience import watched
from cotoolkit.core.seeding import generator
from cotoolkit.data import load
from cotoolkit.evaluation.own_attack import MARK
from cotoolkit.methods import TrainingSet
from cotoolkit.runs.checkpoints import network
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.own_code import note_own_code
from cotoolkit.signals import SIGNALS
from cotoolkit.training.live import NotebookReport, in_notebook
from cotoolkit.training.logs.named_loggers import check_logger
from cotoolkit.training.progress import Report, seldom
from cotoolkit.training.trainer import Trainer


def run(
    config: RunConfig,
    root: Path | str,
    *,
    device: Device = "auto",
    devices: int = 1,
    fresh: bool = False,
    download: bool = False,
    patience: float | None = None,
    loggers: Sequence[Any] = (),
    report: Report | None = None,
    wait: bool = False,
) -> RunFolder:
    """Train a configuration below `root` unless that is done already; a killed run goes on where it was.

    Args:
        config: what to train.
        root: folder of run folders.
        device: "auto" takes a GPU if there is one.
        devices: processes that share each batch (DDP). What they print is kept in the folder's output.log.
        fresh: forget an earlier run of the same configuration.
        download: let torchvision fetch missing data.
        patience: seconds after which a run without a sign of life, such as an iteration, has failed; None waits
            forever. Where the run cannot be interrupted, this process is ended.
        loggers: names of loggers, or loggers of your own as `BreakpointMonitor` takes them, which several processes
            cannot share. They change no number; a run that goes on, goes on in the same logs.
        report: called after every iteration, or a few times a second where several processes train; None shows the
            progress in a notebook, and nothing elsewhere.
        wait: for another process that is training this run, instead of refusing.

    Returns:
        The run's folder, with the state done or diverged.

    Raises:
        ConfigError: the configuration cannot be trained here.
        RunInUse: another process is training this run, and `wait` is not set.
        RunFailed: the run's own code left, hung, or took its process along.
        RunError: the folder is damaged, or holds another run.
    """
    _check_given(config, loggers)
    if devices > 1:
        _check_sharing(config, devices, download, loggers)
    folder = RunFolder.of(root, config)
    live = NotebookReport(config) if report is None and in_notebook() else None
    told = report or live or (lambda progress: None)
    with folder.lock(wait=wait):
        if not _begin(folder, config, fresh):
            return folder
        if devices == 1:
            with _failure_noted(folder), watched(patience, partial(_give_up, folder)):
                Trainer(config, device=device, download=download).fit(folder, told, loggers)
    if devices > 1:  # whose first process holds the lock, which it must not lose when this one is killed
        with _failure_noted(folder, folder.lock):
            _fit_in_processes(config, folder, devices, available(device), patience, loggers, told)
    if live is not None:
        live.end(folder.state)
    return folder


def _check_given(config: Any, loggers: Sequence[Any]) -> None:
    """Refuse what is no configuration, and names of no loggers."""
    if not isinstance(config, RunConfig):
        raise ConfigError(f"config: a {type(config).__name__}; give a RunConfig, such as RunConfig.parse({{...}})")
    for one in loggers:
        if isinstance(one, str):
            check_logger(one)


def _begin(folder: RunFolder, config: RunConfig, fresh: bool) -> bool:
    """Make a folder ready; whether there is anything left to train."""
    folder.create(config, anew=fresh)
    folder.sweep()
    if fresh:
        folder.clear()
        forget_output(folder.path / OUTPUT)
    note_own_code(folder, config)
    if folder.finished:
        return False
    if folder.state == "failed":  # no longer
        folder.set_state("running")
    return True


@contextlib.contextmanager
def _failure_noted(
    folder: RunFolder, lock: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
) -> Iterator[None]:
    """Write down in the folder why what is done inside failed, under a lock if that is not held already."""
    try:
        yield
    except (KeyboardInterrupt, RunInUse):  # not the run's fault: the same command goes on
        raise
    except BaseException as error:
        failure = error
        if isinstance(error, SystemExit):  # of somebody's model or data; it must not end us
            failure = RunFailed(f"{folder.path}: its code left by sys.exit({error.code!r})", traceback.format_exc())
        elif isinstance(error, RunFailed):
            failure = RunFailed(f"{folder.path}: {error}", error.details)
        with contextlib.suppress(RunInUse), lock():
            folder.set_state("failed", _reason(failure))
        if failure is error:
            raise
        raise failure from error


def _reason(failure: BaseException) -> str:
    if isinstance(failure, RunFailed):
        return f"{failure.details}\n{failure}".strip()
    return str(failure) if isinstance(failure, CotoolkitError) else traceback.format_exc()


def _give_up(folder: RunFolder, failure: RunFailed) -> None:
    """Say why the process of a run that hangs is about to be ended."""
    folder.set_state("failed", _reason(failure))
    print(f"error: {folder.path}: {failure}", file=sys.stderr, flush=True)


def imports_of(config: RunConfig) -> WorkerImports:
    """What another process has to import to train a run: the modules of its parts and of all signals.

    Raises:
        ConfigError: one of them is a script that is no file.
    """
    found = list(values_in(config))
    modules = {type(one).__module__ for one in found} | {signal.function.__module__ for signal in SIGNALS.values()}
    named = any(isinstance(one, str) and one.removeprefix(MARK).startswith(f"{MAIN}:") for one in found)
    return WorkerImports.of(modules | ({MAIN} if named else set()))


def _check_sharing(config: RunConfig, devices: int, download: bool, loggers: Sequence[Any]) -> None:
    """Refuse what several processes cannot share, before any is started and any folder is made.

    Raises:
        ConfigError: what it is. A method that a remedy would only take later counts as well.
    """
    if config.batch_size % devices:
        raise ConfigError(f"devices={devices}: a batch of {config.batch_size} does not fall into as many equal parts")
    if not all(isinstance(one, str) for one in loggers):
        raise ConfigError(f"devices={devices}: name the loggers; each process opens its own")
    train = load(config.data, config.seed, download=download).train  # and once for all of them
    module = network(config, train.shape, train.classes)
    for method in config.methods:
        if method.memory(module, TrainingSet(1, train.shape, train.classes), generator(config.seed, "memory")):
            raise ConfigError(f"devices={devices}: method {method.name} remembers what it saw; use one process")


def _fit_in_processes(
    config: RunConfig,
    folder: RunFolder,
    devices: int,
    device: Literal["cpu", "cuda"],
    patience: float | None,
    loggers: Sequence[Any],
    report: Report,
) -> None:
    """Train in several processes, of which the first holds the folder's lock: it outlives this one by a moment."""
    work = partial(
        _fit,
        data=config.to_data(),
        imports=imports_of(config),
        path=folder.path,
        patience=patience,
        loggers=tuple(loggers),
    )
    try:
        run_group(work, devices, device, report)
    finally:
        drop_empty(folder.path / OUTPUT)


def _fit(
    device: torch.device,
    tell: Tell,
    *,
    data: dict[str, Any],
    imports: WorkerImports,
    path: Path,
    patience: float | None,
    loggers: tuple[str, ...],
) -> None:
    """What each of several processes does."""
    folder, first = RunFolder(path), rank_and_world()[0] == 0
    lock = folder.lock() if first else contextlib.nullcontext()
    with output_kept(path / OUTPUT, alone=False), lock, watched(patience, tell):
        imports.load()
        trainer = Trainer(RunConfig.parse(data), device=device)
        trainer.fit(folder, seldom(tell) if first else lambda progress: None, loggers)
