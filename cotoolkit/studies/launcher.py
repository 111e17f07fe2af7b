"""Many runs on one machine: a pool of processes with one thread each, and one stream of progress for all.

Two threads gain nothing on a small network and cost a lot on a busy machine; two processes finish twice the runs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import traceback
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device
from cotoolkit.core.errors import CotoolkitError, RunError
from cotoolkit.core.importing.siblings import SIBLINGS
from cotoolkit.core.importing.workers import WorkerImports, without_script
from cotoolkit.core.processes.output import OUTPUT, output_kept
from cotoolkit.core.processes.patience import PATIENCE
from cotoolkit.core.processes.worker import become_worker, manner_of_death
from cotoolkit.runs.documents import State
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.progress import Progress, seldom
from cotoolkit.training.run import imports_of, run


class Outcome(NamedTuple):
    """How one run of many ended; `reason` is set where it failed or diverged."""

    config: RunConfig
    folder: RunFolder
    state: State
    reason: str = ""


class Update(NamedTuple):
    """Progress of the run with that identity."""

    identity: str
    progress: Progress


def launch(
    configs: Sequence[RunConfig],
    root: Path | str,
    *,
    jobs: int,
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
        jobs: processes at a time.
        device: of every run.
        fresh: forget earlier runs of the same configurations.
        download: let torchvision fetch missing data.
        patience: seconds after which a run without a sign of life has failed; None waits forever.
        loggers: names of those that each run is written to.
        on_update: called with the progress of any run.
        on_outcome: called as runs end.

    Returns:
        One outcome per configuration, in their order. A run whose process died twice has failed, and says how.
    """
    outcomes: dict[str, Outcome] = {}

    def settle(outcome: Outcome) -> None:
        outcomes[outcome.config.identity] = outcome
        on_outcome(outcome)

    todo = []
    for config in configs:
        folder = RunFolder.of(root, config)
        try:
            if not fresh and folder.finished:
                settle(Outcome(config, folder, folder.state, folder.reason))
            else:
                todo.append(config)
        except RunError as error:
            settle(Outcome(config, folder, "failed", str(error)))
    options = {"device": device, "fresh": fresh, "download": download, "patience": patience, "loggers": tuple(loggers)}
    arguments = (str(root), options)
    said = {config.identity: _said(RunFolder.of(root, config)) for config in todo}
    # One dead process breaks the whole pool. Each run it took along gets a second try, alone.
    for config, _ in _pool(todo, min(jobs, len(todo)), arguments, on_update, settle) if todo else []:
        folder = RunFolder.of(root, config)
        before = said[config.identity]
        for _, cause in [] if _hung(folder, before) else _pool([config], 1, arguments, on_update, settle):
            if not _hung(folder, before):
                folder.set_state("failed", f"its process died {cause}")
        if config.identity not in outcomes:
            settle(Outcome(config, folder, "failed", folder.reason))
    return [outcomes[config.identity] for config in configs]


def _pool(
    configs: Sequence[RunConfig],
    jobs: int,
    arguments: tuple[Any, ...],
    on_update: Callable[[Update], None],
    settle: Callable[[Outcome], None],
) -> list[tuple[RunConfig, str]]:
    """Run configurations in one pool; returns those that did not end because a process died, and how it did."""
    context = multiprocessing.get_context("spawn")
    updates: multiprocessing.Queue[Update] = context.Queue()
    lost: list[RunConfig] = []
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(updates, SIBLINGS.claimed))
    try:
        tasks = [(config, imports_of(config)) for config in configs]
        with without_script():
            waiting = {
                pool.submit(
                    _work, config.to_data(), imports, RunFolder.of(arguments[0], config).path, *arguments
                ): config
                for config, imports in tasks
            }
        while waiting:
            for future in [future for future in waiting if future.done()]:
                config = waiting.pop(future)
                try:
                    settle(future.result())
                except BrokenProcessPool:
                    lost.append(config)
            with contextlib.suppress(queue.Empty):
                on_update(updates.get(timeout=0.1))
                while True:
                    on_update(updates.get_nowait())
    except BaseException:
        # Ctrl-C, or a display that broke: do not wait for runs; they resume from their last epoch.
        for process in list(pool._processes.values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    processes = list(pool._processes.values())
    pool.shutdown()
    return [(config, _cause([process.exitcode for process in processes])) for config in lost]


def _hung(folder: RunFolder, before: int) -> bool:
    """Whether a process that died has said since then that its run hung; it would hang again."""
    return folder.state == "failed" and _said(folder) != before


def _said(folder: RunFolder) -> int:
    """When a run's state was last written; 0 for never."""
    path = folder.path / "status.json"
    return path.stat().st_mtime_ns if path.exists() else 0


def _cause(exits: Sequence[int | None]) -> str:
    """How the first process of a broken pool died, from the exit codes of all; the pool itself ends the others."""
    codes = [code for code in exits if code and code != -signal.SIGTERM]
    code = codes[0] if codes else -signal.SIGTERM
    return manner_of_death(code) + ("" if code == -signal.SIGKILL else f"; its {OUTPUT} says more")


_updates: multiprocessing.Queue[Update]
"""The way from a worker process to the process that displays."""


def _prepare(updates: multiprocessing.Queue[Update], names: Collection[str]) -> None:
    """What a worker process does first."""
    global _updates  # noqa: PLW0603 - the one way to hand a queue to the processes of a pool
    _updates = updates
    updates.cancel_join_thread()  # progress nobody reads any more must not keep the process alive
    become_worker(names)


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Processes to submit work to, each with one thread, and gone when this process is; submit `without_script`."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=become_worker, initargs=(SIBLINGS.claimed,))


def _work(data: dict[str, Any], imports: WorkerImports, path: Path, root: str, options: dict[str, Any]) -> Outcome:
    """Train one run in a worker process; failures come back as outcomes, what is printed is kept in the folder."""
    with output_kept(path / OUTPUT):
        imports.load()
        config, folder = RunConfig.parse(data), RunFolder(path)
        report = seldom(lambda progress: _updates.put(Update(config.identity, progress)))
        try:
            run(config, root, **options, report=report, wait=True)
        except CotoolkitError as error:
            return Outcome(config, folder, "failed", str(error))
        except BaseException as error:  # whatever a user's model or data does wrong, the other runs go on
            reason = traceback.format_exc()
            if isinstance(error, KeyboardInterrupt):  # no Ctrl-C, which is not heard here: the run's own code raised it
                folder.set_state("failed", reason)
            return Outcome(config, folder, "failed", reason)
        return Outcome(config, folder, folder.state, folder.reason)
