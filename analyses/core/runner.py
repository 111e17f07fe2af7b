"""Where a study's runs are trained and measured: which folders, how many processes, and who is told.

An analysis that trains has three steps: train some studies, measure each finished run in a process of its own, and make
claims, pictures and a page of the measures. The first two are here. Both go on where they were cut off: a run that is
finished is not trained again, and a measurement whose weights and protocol have not changed is read from its file.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from analyses.core.measurement import Measurement
from cotoolkit.core.device import Device
from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.core.importing.workers import MAIN, WorkerImports, without_script
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.launcher import Outcome
from cotoolkit.studies.launchers.local import WorkerProcesses, default_jobs, end_at_once
from cotoolkit.studies.launchers.tasks import Update
from cotoolkit.studies.study import Study


class WorkerPool:
    """Processes that measure, started when first needed and kept: where each starts anew, it needs seconds."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def pool(self, jobs: int) -> ProcessPoolExecutor:
        """The processes; `jobs` counts the first time."""
        if self._pool is None:
            self._pool = WorkerProcesses(jobs)
        return self._pool

    def close(self) -> None:
        """End them, whatever they do; the next call of `pool` starts others."""
        if self._pool is None:
            return
        end_at_once(self._pool)
        self._pool = None


@dataclass(frozen=True)
class RunCallbacks:
    """Who is told what happens.

    Attributes:
        on_study: called with each study before it is trained.
        on_table: called with each study's table when all its runs have ended, or failed.
        on_update: called with the progress of any run.
        on_outcome: called as runs end.
        on_measured: called as measurements end, with their title and how many of how many.
    """

    on_study: Callable[[Study], None] = lambda study: None
    on_table: Callable[[Study, pd.DataFrame], None] = lambda study, table: None
    on_update: Callable[[Update], None] = lambda update: None
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    on_measured: Callable[[str, int, int], None] = lambda title, done, total: None


@dataclass(frozen=True)
class StudyRunner:
    """Trains studies and takes measurements.

    Attributes:
        root: folder of runs.
        folder: where the measurements go.
        jobs: processes at a time; None means one per core, and one per GPU.
        device: of the training; measurements run on the CPU.
        download: let torchvision fetch missing data.
        fresh: measure all again; the runs stay.
        callbacks: whom to tell.
        workers: the processes that measure.
    """

    root: Path
    folder: Path
    jobs: int | None = None
    device: Device = "auto"
    download: bool = False
    fresh: bool = False
    callbacks: RunCallbacks = field(default_factory=RunCallbacks)
    workers: WorkerPool = field(default_factory=WorkerPool)

    def recording(self) -> tuple[StudyRunner, list[pd.DataFrame]]:
        """The same runner, and a list to which it adds the table of each study that it trains."""
        tables: list[pd.DataFrame] = []

        def on_table(study: Study, table: pd.DataFrame) -> None:
            self.callbacks.on_table(study, table)
            tables.append(table)

        return replace(self, callbacks=replace(self.callbacks, on_table=on_table)), tables

    def train(self, study: Study) -> pd.DataFrame:
        """Train what is not trained yet; the study's table.

        Raises:
            RunError: a run failed.
        """
        table, failures = self.train_what_can_be(study)
        if failures:
            reason = failures[0].reason.strip().splitlines()[-1]
            raise RunError(f"{len(failures)} of {len(table)} runs failed; {failures[0].folder.path.name}: {reason}")
        return table

    def train_what_can_be(self, study: Study) -> tuple[pd.DataFrame, list[Outcome]]:
        """The same for studies that go on without the runs that fail.

        Args:
            study: what to train.

        Returns:
            The study's table, and the outcomes of runs that failed.
        """
        failures: list[Outcome] = []

        def on_outcome(outcome: Outcome) -> None:
            self.callbacks.on_outcome(outcome)
            if outcome.state not in ("done", "diverged"):
                failures.append(outcome)

        self.callbacks.on_study(study)
        table = study.run(
            self.root,
            jobs=self.jobs,
            device=self.device,
            download=self.download,
            on_update=self.callbacks.on_update,
            on_outcome=on_outcome,
        )
        self.callbacks.on_table(study, table)
        return table, failures

    def measure(self, wanted: Sequence[Measurement]) -> pd.DataFrame:
        """All measurements in one table, in their order; each is taken in a process of its own unless it is there.

        Raises:
            RunError: a run is missing, or a process died.
        """
        todo = [one for one in wanted if self.fresh or not one.path(self.root, self.folder).exists()]
        try:
            pool = self.workers.pool(self.jobs or default_jobs("cpu"))  # whose processes start when work is submitted
            tasks = [(one, _task(one, self.root, self.folder)) for one in todo]
            with without_script():
                futures = {pool.submit(_to_disk, *task): one for one, task in tasks}
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                self.callbacks.on_measured(futures[future].title, done, len(todo))
        except BaseException as error:
            # Ctrl-C or a failure: do not wait for the others; what was measured is kept.
            self.workers.close()
            if isinstance(error, BrokenProcessPool):
                raise RunError(
                    "a measuring process died; its standard error may say why; out of memory? Try --jobs 1"
                ) from None
            raise
        return pd.concat([pd.read_parquet(one.path(self.root, self.folder)) for one in wanted], ignore_index=True)

    def facts(self, table: pd.DataFrame) -> dict[str, str]:
        """Versions and device of the runs of a study's table."""
        environment = RunFolder(self.root / str(table["run"].iloc[0])).environment()
        return {name: str(value) for name, value in environment.items()}


def _task(one: Measurement, root: Path, folder: Path) -> tuple[bytes, WorkerImports, Path, Path]:
    """What another process measures, and where to; it imports the script only if the measurement is defined in it."""
    pickled = pickle.dumps(one)  # by us, for the pool to load once it knows where the measuring function is
    # The path is found here: a function of the script has another module name in the process that imports that.
    return pickled, WorkerImports.of([MAIN] if MAIN.encode() in pickled else []), root, one.path(root, folder)


def _to_disk(pickled: bytes, imports: WorkerImports, root: Path, path: Path) -> None:
    imports.load()
    one: Measurement = pickle.loads(pickled)
    write_atomically(path, one.measure(root).to_parquet(index=False))
