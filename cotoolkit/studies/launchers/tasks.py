"""A run on its way to the process that trains it, and what comes back: plain data, whatever the user has defined."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device
from cotoolkit.core.errors import CotoolkitError, RunInUse
from cotoolkit.core.importing.siblings import SIBLINGS
from cotoolkit.core.importing.workers import WorkerImports
from cotoolkit.core.processes.output import OUTPUT, output_kept
from cotoolkit.core.processes.patience import PATIENCE
from cotoolkit.runs.documents import State
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.progress import Progress
from cotoolkit.training.run import imports_of, run


class Update(NamedTuple):
    """Progress of the run with that identity."""

    identity: str
    progress: Progress


class Ended(NamedTuple):
    """How the run with that identity ended; `reason` is set where it failed or diverged."""

    identity: str
    state: State
    reason: str


class Task(NamedTuple):
    """A run that another process trains; it can be unpickled before the user's modules are imported.

    Attributes:
        identity: of the run.
        data: of its configuration.
        imports: what the process has to import first.
        root: folder of run folders, as an absolute path.
        folder: of the run.
        device: where to train.
        download: let torchvision fetch missing data.
        patience: seconds after which the run has failed without a sign of life; None waits forever.
        loggers: names of those that the run is written to.
        said: when the run's state had last been written, in nanoseconds; 0 for never.
    """

    identity: str
    data: dict[str, Any]
    imports: WorkerImports
    root: str
    folder: str
    device: Device
    download: bool
    patience: float | None
    loggers: tuple[str, ...]
    said: int

    @classmethod
    def of(
        cls,
        config: RunConfig,
        root: Path | str,
        device: Device,
        download: bool = False,
        patience: float | None = PATIENCE,
        loggers: Sequence[str] = (),
    ) -> Task:
        """The task of training a run.

        Raises:
            ConfigError: a part of the run is defined in a script that is no file.
        """
        place = Path(root).absolute()
        folder = RunFolder.of(place, config)
        return cls(
            config.identity,
            config.to_data(),
            imports_of(config),
            str(place),
            str(folder.path),
            device,
            download,
            patience,
            tuple(loggers),
            _said(folder),
        )

    @property
    def begun(self) -> bool:
        """Whether a process has begun to train the run since the task was made."""
        return _said(RunFolder(self.folder)) != self.said

    @property
    def hung(self) -> bool:
        """Whether a process that has died says in the folder that the run hung; it would hang again."""
        folder = RunFolder(self.folder)
        return folder.state == "failed" and _said(folder) != self.said

    def train(self, report: Callable[[Progress], None]) -> Ended:
        """Train the run in this process; failures come back as what it ended with, and what is printed is kept.

        Args:
            report: called after every iteration.
        """
        with output_kept(Path(self.folder) / OUTPUT):
            return self._train(report)

    def _train(self, report: Callable[[Progress], None]) -> Ended:
        self.imports.load()
        config = RunConfig.parse(self.data)
        folder = RunFolder(self.folder)
        options = {name: getattr(self, name) for name in ("device", "download", "patience", "loggers")}
        while True:
            try:
                run(config, self.root, **options, report=report, wait=True)
            except RunInUse:  # this process stood still, and another went on with the run: wait for that
                continue
            except CotoolkitError as error:
                return Ended(self.identity, "failed", str(error))
            except BaseException as error:  # whatever a user's model or data does wrong, the other runs go on
                reason = traceback.format_exc()
                if isinstance(error, KeyboardInterrupt):  # no Ctrl-C, which is not heard here: the run's own code
                    folder.set_state("failed", reason)
                return Ended(self.identity, "failed", reason)
            return self.told()

    def told(self) -> Ended:
        """How the run ended by what its folder says."""
        folder = RunFolder(self.folder)
        return Ended(self.identity, folder.state, folder.reason)

    def fail(self, reason: str) -> Ended:
        """Record that the run failed because of what happened to the process that trained it."""
        folder = RunFolder(self.folder)
        if not (folder.path / "config.yaml").exists():  # that process had not begun; tables show the run all the same
            folder.create(RunConfig.parse(self.data))
        folder.set_state("failed", reason)
        return Ended(self.identity, "failed", reason)


def _said(folder: RunFolder) -> int:
    path = folder.path / "status.json"
    return path.stat().st_mtime_ns if path.exists() else 0


class Surroundings(NamedTuple):
    """What a process elsewhere has to share with this one, so that the same names mean the same.

    Attributes:
        path: where modules are looked up.
        folder: the working directory.
        claimed: packages that mean those beside this one, see `SIBLINGS`.
    """

    path: tuple[str, ...]
    folder: str
    claimed: frozenset[str]

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        folder = str(Path.cwd())
        return cls(tuple(entry or folder for entry in sys.path), folder, frozenset(SIBLINGS.claimed))

    def enter(self) -> None:
        """Take them over; a folder that another machine does not have is left out."""
        sys.path[:] = [*self.path, *(entry for entry in sys.path if entry not in self.path)]
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        SIBLINGS.claim(self.claimed)
