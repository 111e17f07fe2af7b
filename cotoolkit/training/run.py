"""`run`: trains a configuration inside its run folder, unless that is done already."""

from __future__ import annotations

import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError, CotoolkitError, RunError
from cotoolkit.core.identity import values_in
from cotoolkit.core.importing.workers import MAIN, WorkerImports, without_script
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals import SIGNALS
from cotoolkit.training.live import NotebookReport, in_notebook
from cotoolkit.training.progress import Report
from cotoolkit.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def run(
    config: RunConfig,
    root: Path | str,
    *,
    device: Device = "auto",
    devices: int = 1,
    fresh: bool = False,
    download: bool = False,
    report: Report | None = None,
    wait: bool = False,
) -> RunFolder:
    """Train a configuration below `root` unless that is done already; a killed run goes on where it was.

    Args:
        config: what to train.
        root: folder of run folders.
        device: "auto" takes a GPU if there is one.
        devices: processes that share each batch (DDP); they report no progress.
        fresh: forget an earlier run of the same configuration.
        download: let torchvision fetch missing data.
        report: called after every iteration; None shows the progress in a notebook, and nothing elsewhere.
        wait: for another process that is training this run, instead of refusing.

    Returns:
        The run's folder, with the state done or diverged.

    Raises:
        ConfigError: the configuration cannot be trained here.
        RunInUse: another process is training this run, and `wait` is not set.
        RunError: the folder is damaged, or holds another run.
    """
    folder = RunFolder.of(root, config)
    with folder.lock(wait=wait):
        folder.create(config)
        folder.sweep()
        if fresh:
            folder.clear()
        if folder.finished:
            return folder
        try:
            trainer = Trainer(config, device=device, download=download)
            if devices == 1:
                live = NotebookReport(config) if report is None and in_notebook() else None
                trainer.fit(folder, report or live or (lambda progress: None))
                if live is not None:
                    live.end(folder.state)
                return folder
            del trainer  # it has shown that the configuration can be trained; each process makes its own
            _fit_in_processes(config, folder, device, devices, download)
        except KeyboardInterrupt:  # not the run's fault: the same command goes on
            raise
        except BaseException as error:
            known = isinstance(error, CotoolkitError)
            folder.set_state("failed", str(error) if known else traceback.format_exc())
            if isinstance(error, SystemExit):  # of somebody's model or data; it must not end us
                raise RunError(f"{folder.path}: its code left by sys.exit({error.code!r})") from error
            raise
    return folder


def _fit_in_processes(config: RunConfig, folder: RunFolder, device: Device, devices: int, download: bool) -> None:
    if hasattr(sys, "ps1") or sys.flags.interactive:
        raise ConfigError(
            f"devices={devices}: processes that share batches start from a script only, not from a notebook"
        )
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=available(device), devices=devices, strategy="ddp_spawn")
    fit = partial(_fit, data=config.to_data(), imports=imports_of(config), path=folder.path, download=download)
    with without_script():
        fabric.launch(fit)


def imports_of(config: RunConfig) -> WorkerImports:
    """What another process has to import to train a run: the modules of its parts and of all signals.

    Raises:
        ConfigError: one of them is a script that is no file.
    """
    found = list(values_in(config))
    modules = {type(one).__module__ for one in found} | {signal.function.__module__ for signal in SIGNALS.values()}
    named = any(isinstance(one, str) and one.startswith(f"{MAIN}:") for one in found)
    return WorkerImports.of(modules | ({MAIN} if named else set()))


def _fit(fabric: Fabric, data: dict[str, Any], imports: WorkerImports, path: Path, download: bool) -> None:
    """What each of several processes does."""
    imports.load()
    Trainer(RunConfig.parse(data), device=fabric.device, download=download).fit(RunFolder(path))
