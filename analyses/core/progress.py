"""How long work shows on the console: training live, measurements as they end, benchmarks by a bar that counts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cotoolkit.cli.display import LiveRuns, console, in_place, say
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


@contextlib.contextmanager
def counting_bar(doing: str, total: int) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that counts what is done, or a line for each where nothing changes in place; Ctrl-C says how to go on.

    Args:
        doing: what is shown until the first is done.
        total: how many there are.

    Yields:
        To be called with the name of what is done, how many are, and of how many.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with resumable(), Progress(*columns, console=console, disable=not in_place()) as bar:
        task = bar.add_task(doing, total=total)

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=name)
            if not in_place():
                say(f"{done} of {total}: {name}")

        yield report
