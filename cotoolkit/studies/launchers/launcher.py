"""`launch`: trains many runs by whatever launcher, and gathers how they ended."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device
from cotoolkit.core.errors import RunError
from cotoolkit.core.processes.output import OUTPUT, forget_output
from cotoolkit.core.processes.patience import PATIENCE
from cotoolkit.runs.documents import State
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.own_code import note_own_code
from cotoolkit.studies.launchers.tasks import Ended, Task, Update

Events = Generator[Update | Ended, None, None]
"""What happens to runs, as it happens; closing it ends what still trains, and those runs can be resumed."""


class Launcher(ABC):
    """Trains runs somewhere. All launchers write into one root, which every process that trains has to see."""

    @abstractmethod
    def train(self, tasks: Sequence[Task]) -> Events:
        """Train runs side by side.

        A run whose process or machine died is tried again and goes on; one that its own code ended is not.

        Args:
            tasks: one or more, all for one device.

        Yields:
            Progress of any run, and one end of each.

        Raises:
            ConfigError: the launcher cannot do that here.
            RunError: the cluster refuses.
        """


class Outcome(NamedTuple):
    """How one run of many ended; `reason` is set where it failed or diverged."""

    config: RunConfig
    folder: RunFolder
    state: State
    reason: str = ""


def launch(
    configs: Sequence[RunConfig],
    root: Path | str,
    launcher: Launcher,
    *,
    device: Device = "auto",
    fresh: bool = False,
    download: bool = False,
    patience: float | None = PATIENCE,
    loggers: Sequence[str] = (),
    on_update: Callable[[Update], None] = lambda update: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Train all configurations; a run that fails is reported and the others go on.

    Args:
        configs: what to train; finished runs are not trained again.
        root: folder of run folders.
        launcher: where to train.
        device: of every run.
        fresh: forget earlier runs of the same configurations, all of them before the first is trained.
        download: let torchvision fetch missing data.
        patience: seconds after which a run without a sign of life has failed; None waits forever.
        loggers: names of those that each run is written to.
        on_update: called with the progress of any run.
        on_outcome: called as runs end.

    Returns:
        One outcome per configuration, in their order. A run whose process died too often has failed, and says how.
    """
    outcomes: dict[str, Outcome] = {}
    todo: dict[str, RunConfig] = {}

    def settle(config: RunConfig, state: State, reason: str) -> None:
        outcomes[config.identity] = Outcome(config, RunFolder.of(root, config), state, reason)
        on_outcome(outcomes[config.identity])

    for config in configs:
        folder = RunFolder.of(root, config)
        try:
            if fresh:
                _forget(folder, config)
            if folder.finished:
                note_own_code(folder, config)
                settle(config, folder.state, folder.reason)
            else:
                todo[config.identity] = config
        except (RunError, OSError) as error:
            settle(config, "failed", str(error))
    if todo:
        tasks = [Task.of(config, root, device, download, patience, loggers) for config in todo.values()]
        with contextlib.closing(launcher.train(tasks)) as events:
            for event in events:
                if isinstance(event, Update):
                    on_update(event)
                else:
                    settle(todo[event.identity], event.state, event.reason)
    return [outcomes[config.identity] for config in configs]


def _forget(folder: RunFolder, config: RunConfig) -> None:
    if folder.path.exists():
        with folder.lock():
            folder.create(config, anew=True)
            folder.clear()
            forget_output(folder.path / OUTPUT)
