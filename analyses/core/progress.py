"""A runner whose training shows live on the console and whose measurements are said as they end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cotoolkit.cli.display import LiveRuns, say
from cotoolkit.cli.training import resumable
from cotoolkit.core.device import Device, available

if TYPE_CHECKING:
    from analyses.core.runner import StudyRunner
    from cotoolkit.studies.launchers.launcher import Outcome
    from cotoolkit.studies.launchers.tasks import Update
    from cotoolkit.studies.study import Study


@contextlib.contextmanager
def live_runner(
    root: Path, folder: Path, jobs: int | None, device: Device, fresh: bool, download: bool
) -> Iterator[StudyRunner]:
    """Lend a runner; Ctrl-C ends it with the word that it can go on.

    Args:
        root: folder of runs.
        folder: where the measurements go.
        jobs: processes at a time; None is one per core.
        device: of the training.
        fresh: measure all again.
        download: let torchvision fetch missing data.
    """
    from analyses.core.runner import RunCallbacks, StudyRunner, WorkerPool

    with resumable(), contextlib.ExitStack() as stack:
        live: list[LiveRuns] = []

        def on_study(study: Study) -> None:
            stack.close()
            live[:] = [stack.enter_context(LiveRuns(study.runs()))]

        def on_update(update: Update) -> None:
            live[0].on_update(update)

        def on_outcome(outcome: Outcome) -> None:
            live[0].on_outcome(outcome)

        def on_measured(title: str, done: int, total: int) -> None:
            stack.close()
            say(f"measured {done} of {total}: {title}")

        callbacks = RunCallbacks(on_study=on_study, on_update=on_update, on_outcome=on_outcome, on_measured=on_measured)
        with contextlib.closing(WorkerPool()) as workers:
            yield StudyRunner(root, folder, jobs, available(device), download, fresh, callbacks, workers)
