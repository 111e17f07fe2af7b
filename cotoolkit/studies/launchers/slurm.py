"""Runs as one array job of a SLURM cluster, submitted through submitit.

An element of the array trains its runs as this machine would, in processes of its own (`LocalProcesses`). So runs share
a GPU where each takes a part of one, and a run that dies takes no other along.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.processes.worker import cores
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.elsewhere import AT_ONCE, ProgressFile, RunsElsewhere
from cotoolkit.studies.launchers.launcher import Events, Launcher
from cotoolkit.studies.launchers.local import LocalProcesses
from cotoolkit.studies.launchers.resources import USUAL, Resources
from cotoolkit.studies.launchers.tasks import Ended, Surroundings, Task, Update

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job
    from submitit.helpers import DelayedSubmission

WAIT = 0.5
"""Seconds between two looks at the array."""

MINUTES = 240
"""Time limit of an element where nobody says; one that is cut off is queued again, and its runs go on."""

LOCAL = "local"
"""submitit's name for processes of this machine in place of a cluster."""


@dataclass(frozen=True)
class SlurmArray(Launcher):
    """One array job, on a cluster whose machines see the root, and this Python, under the same paths.

    Attributes:
        jobs: runs at a time; None leaves that to SLURM.
        resources: of each run.
        parameters: of submitit's `SlurmExecutor`, such as partition, account, qos, constraint and mem, and those of its
            `AutoExecutor`, such as timeout_min and mem_gb. The cluster "local" is this machine, to try things out.
    """

    jobs: int | None = None
    resources: Resources = USUAL
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @override
    def train(self, tasks: Sequence[Task]) -> Events:
        share = self.resources.gpus_on(tasks[0].device, found=bool(self.resources.gpus))
        executor = self._executor(Path(tasks[0].root) / "slurm", share)
        runs, waiting = RunsElsewhere(), list(tasks)
        while waiting:
            lost = yield from self._array(executor, waiting, runs)
            waiting = []
            for task, cause in lost:
                folder = RunFolder(task.folder)
                end = Ended(task.identity, folder.state, folder.reason) if folder.finished else runs.died(task, cause)
                if end is None:
                    waiting.append(task)
                else:
                    yield from runs.ended(task, end)

    def _array(
        self, executor: AutoExecutor, tasks: Sequence[Task], runs: RunsElsewhere
    ) -> Generator[Update | Ended, None, list[tuple[Task, str]]]:
        """Train runs in one array; returns those that did not end because their element died, and how it did."""
        together = self.resources.runs_per_gpu
        most = (self.jobs or cores()) if executor.cluster == LOCAL else AT_ONCE
        count = max(1, min(-(-len(tasks) // together), most))
        groups = [tasks[number::count] for number in range(count)]
        element = _Element(Surroundings.here(), LocalProcesses(together, self.resources))
        jobs = _submitted(executor, element, groups)
        waiting, lost = dict(zip(jobs, groups, strict=True)), []
        try:
            while waiting:
                for job in [job for job in waiting if job.done()]:
                    group = waiting.pop(job)
                    ends, cause = _ends(job, group)
                    for task in group:
                        if task.identity in ends:
                            yield from runs.ended(task, ends[task.identity])
                        else:
                            lost.append((task, cause))
                yield from runs.updates(task for group in waiting.values() for task in group)
                time.sleep(WAIT)
        except BaseException:
            # Ctrl-C, or a display that broke: runs are cut off, and resume from their last epoch.
            for job in waiting:
                job.cancel(check=False)
            raise
        return lost

    def _executor(self, logs: Path, share: float) -> AutoExecutor:
        """What submits.

        Raises:
            ConfigError: submitit is missing, or there is no SLURM, or no such parameter.
        """
        try:
            import submitit
        except ImportError:
            raise ConfigError("submitit is not installed; pip install 'cotoolkit[slurm]'") from None
        together = self.resources.runs_per_gpu
        given = {"timeout_min": MINUTES, **self.parameters}
        cluster = given.pop("cluster", "slurm")
        shared = submitit.AutoExecutor._typed_parameters()
        settings: dict[str, Any] = {"name": "cotoolkit", "cpus_per_task": self.resources.cpus * together}
        if share:
            settings["gpus_per_node"] = max(1, int(share))
        if self.jobs:
            settings["slurm_array_parallelism"] = -(-self.jobs // together)
        for name, value in given.items():
            texts = [value] if name == "setup" and isinstance(value, str) else value
            settings[name if name in shared else f"slurm_{name.removeprefix('slurm_')}"] = texts
        try:
            executor = submitit.AutoExecutor(logs, cluster=cluster)
            executor.update_parameters(**settings)
        except (RuntimeError, NameError, ValueError, AssertionError) as error:
            raise ConfigError(f"SLURM: {str(error).splitlines()[0]}") from None
        return executor


class _Element:
    """What an element of the array does; submitit calls `checkpoint` when its time is over, and queues it again."""

    def __init__(self, surroundings: Surroundings, launcher: LocalProcesses) -> None:
        self._surroundings, self._launcher = surroundings, launcher

    def __call__(self, tasks: Sequence[Task]) -> list[Ended]:
        """Train some runs; how they ended."""
        signal.signal(signal.SIGTERM, _leave)  # a cancelled element ends with its processes
        self._surroundings.enter()
        files = {task.identity: ProgressFile(task) for task in tasks}
        ends = []
        with contextlib.closing(self._launcher.train(tasks)) as events:
            for event in events:
                if isinstance(event, Update):
                    files[event.identity](event.progress)
                else:
                    ends.append(event)
        return ends

    def checkpoint(self, tasks: Sequence[Task]) -> DelayedSubmission:
        """The same again; what its runs saved is in their folders."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, tasks)


def _leave(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _submitted(executor: AutoExecutor, element: _Element, groups: Sequence[Sequence[Task]]) -> list[Job[list[Ended]]]:
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        return executor.map_array(element, groups)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        raise RunError(f"SLURM took no job: {' '.join(str(error).split())}") from None


def _ends(job: Job[list[Ended]], tasks: Sequence[Task]) -> tuple[dict[str, Ended], str]:
    """How an element's runs ended; those that are missing died with it, and how it did."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return {end.identity: end for end in job.result()}, ""
    except FailedJobError as error:  # before a run began: an import in that process, for example
        if "timed-out too many times" in str(error):
            return {}, "the time of its element of the array was over too often"
        return {task.identity: task.fail(f"{error}\n{job.paths.stderr}") for task in tasks}, ""
    except UncompletedJobError:
        return {}, f"its element of the array ended ({job.state}); {job.paths.stderr} may say why"
