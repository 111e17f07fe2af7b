"""Many runs on one machine: a pool of processes with one thread each, and one stream of progress for all.

Two threads gain nothing on a small network and cost a lot on a busy machine; two processes finish twice the runs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from typing_extensions import override

from cotoolkit.core.device import Device, keep_to_gpu, visible_gpus
from cotoolkit.core.importing.workers import without_script
from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.core.processes.output import OUTPUT
from cotoolkit.core.processes.worker import WorkerSetting, become_worker, cores, manner_of_death
from cotoolkit.studies.launchers.launcher import Events, Launcher
from cotoolkit.studies.launchers.resources import USUAL, Resources
from cotoolkit.studies.launchers.tasks import Ended, Task, Update
from cotoolkit.training.progress import seldom


@dataclass(frozen=True)
class LocalProcesses(Launcher):
    """Processes of this machine. Each sees one GPU, in turn, if there are any.

    Attributes:
        jobs: processes at a time; None means one per core on the CPU, and on GPUs as many as they hold.
        resources: of each run.
    """

    jobs: int | None = None
    resources: Resources = USUAL

    @override
    def train(self, tasks: Sequence[Task]) -> Events:
        jobs = self.jobs or default_jobs(tasks[0].device, self.resources)
        left = list(tasks)
        while left:
            # One dead process breaks the whole pool. Of the runs that it took along, those that had begun get a second
            # try, alone; the others go on together. Where none had begun, a process dies before that: alone, too.
            lost = [task for task, _ in (yield from self._pool(left, min(jobs, len(left))))]
            begun = [task for task in lost if task.begun] or lost
            for task in begun:
                yield from self._second_try(task)
            tried = {task.identity for task in begun}
            left = [task for task in lost if task.identity not in tried]

    def _second_try(self, task: Task) -> Events:
        if task.hung:
            yield task.told()
            return
        for _, cause in (yield from self._pool([task], 1)):
            yield task.told() if task.hung else task.fail(f"its process died {cause}")

    def _pool(self, tasks: Sequence[Task], jobs: int) -> Generator[Update | Ended, None, list[tuple[Task, str]]]:
        """Train runs in one pool; returns those that did not end because a process died, and how it did."""
        context = process_context(__name__)
        updates: multiprocessing.Queue[Update] = context.Queue()
        worker = WorkerSetting.of_this_process(self.resources.cpus)
        lost: list[Task] = []
        pool = WorkerProcesses(jobs, _prepare, updates, context.Value("i", 0), visible_gpus(tasks[0].device), worker)
        try:
            try:
                with without_script():
                    waiting = {pool.submit(_train, task): task for task in tasks}
            except BrokenProcessPool as broken:
                end_at_once(pool)
                return [(task, f"before it began: {broken}") for task in tasks]
            while waiting:
                for future in [future for future in waiting if future.done()]:
                    task = waiting.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        lost.append(task)
                with contextlib.suppress(queue.Empty):
                    yield updates.get(timeout=0.1)
                    while True:
                        yield updates.get_nowait()
        except BaseException:
            # Ctrl-C, or a display that broke: do not wait for runs; they resume from their last epoch.
            end_at_once(pool)
            raise
        processes = list(pool._processes.values())
        pool.shutdown()
        return [(task, _cause([process.exitcode for process in processes])) for task in lost]


def default_jobs(device: Device, resources: Resources = USUAL) -> int:
    """Runs at a time where nobody says: one per core on the CPU, and on GPUs as many as they hold.

    Unasked that is one per GPU, which a single run fills, or at least should not share.

    Args:
        device: of the runs.
        resources: of each.

    Returns:
        Their number, at least 1.
    """
    gpus = len(visible_gpus(device))
    share = resources.gpus_on(device, gpus > 0)
    return max(1, int(gpus / share + 1e-9) if share else cores() // resources.cpus)


def _cause(exits: Sequence[int | None]) -> str:
    """How the first process of a broken pool died, from the exit codes of all; the pool itself ends the others."""
    codes = [code for code in exits if code and code != -signal.SIGTERM]
    code = codes[0] if codes else -signal.SIGTERM
    return manner_of_death(code) + ("" if code == -signal.SIGKILL else f"; its {OUTPUT} says more")


_updates: multiprocessing.Queue[Update]
"""The way from a worker process to the process that displays."""


def _prepare(
    updates: multiprocessing.Queue[Update],
    started: Synchronized[int],
    gpus: Sequence[str],
    setting: WorkerSetting,
) -> None:
    """What a worker process does first."""
    global _updates  # noqa: PLW0603 - the one way to hand a queue to the processes of a pool
    _updates = updates
    updates.cancel_join_thread()  # progress nobody reads any more must not keep the process alive
    with started.get_lock():
        worker, started.value = started.value, started.value + 1
    become_worker(setting)
    keep_to_gpu(gpus, worker)


class WorkerProcesses(ProcessPoolExecutor):
    """Processes to submit work to, each with one thread, and gone when this process is; submit `without_script`.

    An exception ends them at once, Ctrl-C above all: Python's own would first do all that is waiting, for hours.

    Args:
        jobs: processes at a time.
        prepare: what each does first.
        given: to `prepare`; nothing means what makes it a worker.
    """

    def __init__(self, jobs: int, prepare: Callable[..., None] = become_worker, *given: Any) -> None:
        self._jobs = jobs
        words: Any = given or (WorkerSetting.of_this_process(),)
        super().__init__(jobs, process_context(__name__), initializer=prepare, initargs=words)

    @override
    def submit(self, *work: Any, **named: Any) -> Future[Any]:
        """As Python's own, which lets through any error of a fork server that was killed meanwhile."""
        if len(self._processes) < self._jobs:
            process_context(__name__)  # starts another server, if it was killed
        try:
            return super().submit(*work, **named)
        except (OSError, EOFError) as error:
            raise BrokenProcessPool(f"no process could be started ({type(error).__name__}: {error})") from None

    @override
    def __exit__(self, kind: type[BaseException] | None, *details: Any) -> bool | None:
        if kind is not None:
            end_at_once(self)
            return None
        return super().__exit__(kind, *details)


def end_at_once(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool, whatever they do, and forget what is waiting."""
    for process in list(pool._processes.values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


def _train(task: Task) -> Ended:
    """Train one run in a worker process."""
    return task.train(seldom(lambda progress: _updates.put(Update(task.identity, progress))))
