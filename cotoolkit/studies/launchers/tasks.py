"""A run on its way to the process that trains it, and what comes back: plain data, whatever the user has defined."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device
from cotoolkit.core.errors import CotoolkitError, RunInUse
from cotoolkit.core.importing.siblings import SIBLINGS
from cotoolkit.core.importing.workers import WorkerImports
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
    """

    identity: str
    data: dict[str, Any]
    imports: WorkerImports
    root: str
    folder: str
    device: Device
    download: bool

    @classmethod
    def of(cls, config: RunConfig, root: Path | str, device: Device, download: bool) -> Task:
        """The task of training a run.

        Raises:
            ConfigError: a part of the run is defined in a script that is no file.
        """
        place = Path(root).absolute()
        folder = str(RunFolder.of(place, config).path)
        return cls(config.identity, config.to_data(), imports_of(config), str(place), folder, device, download)

    def train(self, report: Callable[[Progress], None]) -> Ended:
        """Train the run in this process; failures come back as what it ended with.

        Args:
            report: called after every iteration.
        """
        self.imports.load()
        config = RunConfig.parse(self.data)
        folder = RunFolder(self.folder)
        while True:
            try:
                run(config, self.root, device=self.device, download=self.download, report=report, wait=True)
            except RunInUse:  # this process stood still, and another went on with the run: wait for that
                continue
            except CotoolkitError as error:
                return Ended(self.identity, "failed", str(error))
            except BaseException as error:  # whatever a user's model or data does wrong, the other runs go on
                reason = traceback.format_exc()
                if isinstance(error, KeyboardInterrupt):  # no Ctrl-C, which is not heard here: the run's own code
                    folder.set_state("failed", reason)
                return Ended(self.identity, "failed", reason)
            return Ended(self.identity, folder.state, folder.reason)

    def fail(self, reason: str) -> Ended:
        """Record that the run failed because of what happened to the process that trained it."""
        RunFolder(self.folder).set_state("failed", reason)
        return Ended(self.identity, "failed", reason)


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
