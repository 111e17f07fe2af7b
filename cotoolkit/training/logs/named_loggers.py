"""Loggers that people ask for by name, each opened for one run so that it goes on where that run was cut off."""

from __future__ import annotations

import csv
import io
import os
import secrets
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.core.errors import ConfigError

PROJECT = "cotoolkit"
"""Under which wandb and MLflow keep the runs."""


class RunLogger(NamedTuple):
    """A logger of one run.

    Attributes:
        logger: with Fabric's `log_metrics(metrics, step)`.
        close: ends it.
        key: by which the backend knows the run; empty where it is known by its folder.
    """

    logger: Any
    close: Callable[[], None]
    key: str = ""


NEEDS: dict[str, tuple[str, ...]] = {
    "csv": (),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb", "pytorch_lightning"),
    "mlflow": ("mlflow", "pytorch_lightning"),
}
"""The loggers that are opened by name, with the modules that each needs; the extra of its name brings them."""


def check_logger(name: str) -> None:
    """Refuse a name of no logger, and a logger whose packages are not installed.

    Raises:
        ConfigError: with the names there are, or the extra that brings the packages.
    """
    if name not in NEEDS:
        raise ConfigError(f"no logger {name!r}: choose from {', '.join(NEEDS)}")
    missing = [module for module in NEEDS[name] if find_spec(module) is None]
    if missing:
        raise ConfigError(f"logger {name} needs {' and '.join(missing)}: pip install 'cotoolkit[{name}]'")


def open_logger(name: str, folder: Path, written: int, key: str = "") -> RunLogger:
    """A logger by name.

    Args:
        name: of the logger.
        folder: of the run.
        written: iteration up to which the run has been written to it.
        key: of the run, as the same logger gave it before; empty for a run that is new to it.

    Returns:
        The logger, which holds nothing of later iterations where its backend can forget them.
    """
    return _OPEN[name](folder, written, key)


def _open_csv(folder: Path, written: int, key: str) -> RunLogger:
    from lightning_fabric.loggers.csv_logs import CSVLogger

    logger = CSVLogger(folder, name="logs", version="csv")
    path = folder / "logs" / "csv" / "metrics.csv"
    rows = list(csv.reader(io.StringIO(path.read_text()))) if path.exists() else []
    with warnings.catch_warnings(action="ignore"):  # that it deletes the file, which we give back
        writer = logger.experiment
    if rows:
        header, step = rows[0], rows[0].index("step")
        whole = [row for row in rows[1:] if len(row) == len(header) and row[step].isdigit()]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *(row for row in whole if int(row[step]) <= written)])
        writer.metrics_keys = header
    return RunLogger(logger, lambda: logger.finalize("success"))


def _open_tensorboard(folder: Path, written: int, key: str) -> RunLogger:
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    later = written + 1 if (folder / "logs" / "tensorboard").exists() else None
    logger = TensorBoardLogger(folder, name="logs", version="tensorboard", purge_step=later)
    return RunLogger(logger, lambda: logger.finalize("success"))


def _open_wandb(folder: Path, written: int, key: str) -> RunLogger:
    from pytorch_lightning.loggers import WandbLogger

    (folder / "logs").mkdir(exist_ok=True)
    key = key or secrets.token_hex(4)
    logger = WandbLogger(folder.name, folder / "logs", id=key, project=PROJECT, resume="allow")
    return RunLogger(logger, logger.experiment.finish, key)


def _open_mlflow(folder: Path, written: int, key: str) -> RunLogger:
    from pytorch_lightning.loggers import MLFlowLogger

    (folder / "logs").mkdir(exist_ok=True)
    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'logs' / 'mlflow.db').absolute()}"
    logger = MLFlowLogger(PROJECT, run_name=folder.name, tracking_uri=place, run_id=key or None)
    return RunLogger(logger, lambda: logger.finalize("success"), str(logger.run_id))


_OPEN: dict[str, Callable[[Path, int, str], RunLogger]] = {
    "csv": _open_csv,
    "tensorboard": _open_tensorboard,
    "wandb": _open_wandb,
    "mlflow": _open_mlflow,
}
