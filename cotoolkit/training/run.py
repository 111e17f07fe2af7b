"""`run`: trains a configuration inside its run folder, unless that is done already."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import CotoolkitError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.trainer import Report, Trainer

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
    report: Report = lambda progress: None,
) -> RunFolder:
    """Train a configuration below `root` unless that is done already; a killed run goes on where it was.

    Args:
        config: what to train.
        root: folder of run folders.
        device: "auto" takes a GPU if there is one.
        devices: processes that share each batch (DDP); they report no progress.
        fresh: forget an earlier run of the same configuration.
        download: let torchvision fetch missing data.
        report: called after every iteration.

    Returns:
        The run's folder, with the state done or diverged.

    Raises:
        ConfigError: the configuration cannot be trained here.
        RunInUse: another process is training this run.
        RunError: the folder is damaged, or holds another run.
    """
    folder = RunFolder.of(root, config)
    with folder.lock():
        folder.create(config)
        folder.sweep()
        if fresh:
            folder.clear()
        if folder.state in ("done", "diverged"):
            return folder
        try:
            trainer = Trainer(config, device=device, download=download)
            if devices == 1:
                trainer.fit(folder, report)
                return folder
            del trainer  # it has shown that the configuration can be trained; each process makes its own
            from lightning_fabric import Fabric

            fabric = Fabric(accelerator=available(device), devices=devices, strategy="ddp_spawn")
            fabric.launch(partial(_fit, data=config.to_data(), path=folder.path, download=download))
        except Exception as error:
            known = isinstance(error, CotoolkitError)
            folder.set_state("failed", str(error) if known else traceback.format_exc())
            raise
    return folder


def _fit(fabric: Fabric, data: dict[str, Any], path: Path, download: bool) -> None:
    """What each of several processes does."""
    Trainer(RunConfig.parse(data), device=fabric.device, download=download).fit(RunFolder(path))
