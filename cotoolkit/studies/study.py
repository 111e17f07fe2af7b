"""A study: a grid of runs over any fields of the configuration, and the table they make."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device
from cotoolkit.core.errors import AmbiguousName, ConfigError, RunError
from cotoolkit.core.files import sweep, write_atomically
from cotoolkit.core.identity import rounded, values_in
from cotoolkit.core.processes.collection import without_collection
from cotoolkit.core.processes.patience import PATIENCE
from cotoolkit.core.registry import Registered, own_module
from cotoolkit.core.user_code import import_own
from cotoolkit.core.validation import check_name, one_line, plain, read_settings, refusing_in_one_line
from cotoolkit.runs.find import run_names
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.html import Fact, facts_html, settings_text
from cotoolkit.runs.index import RunIndex
from cotoolkit.runs.tables.run_table import configured_table
from cotoolkit.runs.tables.table_files import write_table
from cotoolkit.studies.grid_runs import GridPoints, distinct_runs
from cotoolkit.studies.launchers.launcher import Launcher, Outcome, launch
from cotoolkit.studies.launchers.local import LocalProcesses
from cotoolkit.studies.launchers.shard import shard_of
from cotoolkit.studies.launchers.tasks import Update
from cotoolkit.studies.live import NotebookRuns
from cotoolkit.studies.overrides import Grid
from cotoolkit.studies.scale import Scale
from cotoolkit.training.live import in_notebook
from cotoolkit.training.logs.named_loggers import check_logger

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


@refusing_in_one_line
class Study(BaseModel):
    """A union of grids over one base configuration.

    >>> study = Study(name="radii", base={"data": "digits"}, grids=({"epsilon": ("4/255", "8/255"), "seed": (0, 1)},))
    >>> [(run.epsilon * 255, run.seed) for run in study.runs()]
    [(4.0, 0), (4.0, 1), (8.0, 0), (8.0, 1)]

    Attributes:
        name: short, for the folder: 1 to 80 characters, no separators.
        question: what the study asks, for people.
        scale: what its numbers may be taken for.
        base: configuration data that all runs share.
        grids: values by dotted field name, arrays among them, and numbers rounded as those of a run are, see
            `identity.nearest`; a run that is named several times is trained once.
        imports: modules to import before parts are looked up: those that register methods and other parts of your own.
            The file in the study's folder names them whether you do or not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str = ""
    scale: Scale = "custom"
    base: dict[str, Any] = {}
    grids: tuple[Grid, ...] = ({},)
    imports: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)

    @field_validator("base", "grids", mode="before")
    @classmethod
    def _plain(cls, settings: Any) -> Any:
        return rounded(plain(settings))

    def _repr_html_(self) -> str:
        facts: dict[str, Fact] = {
            "question": lambda: self.question or None,
            "scale": lambda: self.scale,
            "runs": lambda: len(self.runs()),
            "all runs": lambda: settings_text(self.base) or None,
        }
        for place, grid in enumerate(self.grids, start=1):
            facts[f"grid {place}"] = functools.partial(settings_text, grid)
        return facts_html(f"Study: {self.name}", facts)

    @property
    def identity(self) -> str:
        """8 hex digits of a hash of the runs; names and questions do not count."""
        text = json.dumps(sorted(self._by_identity()))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def points(self) -> int:
        """Points of all grids together: as many runs, or fewer if some are the same. None is looked at."""
        return sum(math.prod(len(values) for values in grid.values()) for grid in self.grids)

    def runs(self) -> list[RunConfig]:
        """All runs, without repetition, in the order of the grids.

        Raises:
            ConfigError: a point of a grid that is no valid configuration, or a module that cannot be imported.
        """
        return list(self._by_identity().values())

    def _by_identity(self) -> dict[str, RunConfig]:
        for module in self.imports:
            import_own(module, ConfigError)
        grids = GridPoints(self.base, self.grids)
        texts = {value for value in values_in((self.base, self.grids)) if isinstance(value, str)}
        if any(map(os.path.isfile, texts)):  # which is stamped anew, since it may have changed
            return distinct_runs.__wrapped__(grids)
        return distinct_runs(grids)

    def folder(self, root: Path | str) -> Path:
        """Where tables and figures of the study go."""
        return Path(root) / "studies" / f"{self.name}-{self.identity}"

    def run(
        self,
        root: Path | str = "runs",
        *,
        jobs: int | None = None,
        launcher: Launcher | None = None,
        shard: str = "",
        device: Device = "auto",
        fresh: bool = False,
        download: bool = False,
        patience: float | None = PATIENCE,
        loggers: Sequence[str] = (),
        on_update: Callable[[Update], None] | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> pd.DataFrame:
        """Train what is not trained yet.

        Args:
            root: folder of run folders and studies.
            jobs: processes of this machine at a time; None means one per core on the CPU, and one per GPU.
            launcher: where to train instead, see `cotoolkit.studies.launchers`; it has jobs of its own.
            shard: "i/n" trains the i-th of n shards of the runs alone, see `shard_of`.
            device: of every run.
            fresh: train all again.
            download: let torchvision fetch missing data.
            patience: seconds after which a run without a sign of life has failed; None waits forever.
            loggers: names of those that each run is written to.
            on_update: called with the progress of any run.
            on_outcome: called as runs end. Where neither is given, a notebook shows the progress.

        Returns:
            The table, one row per run that was ever begun; failed runs have the state failed.

        Raises:
            ConfigError: both jobs and a launcher, no such shard, or the launcher cannot train here.
            RunError: a cluster refuses.
        """
        if jobs is not None and launcher is not None:
            raise ConfigError("give jobs or a launcher, which has jobs of its own")
        runs = shard_of(self.runs(), shard) if shard else self.runs()
        for name in loggers:
            check_logger(name)
        self._begin(self.folder(root))
        if on_update is None and on_outcome is None and in_notebook():
            live = NotebookRuns(runs)
            on_update, on_outcome = live.on_update, live.on_outcome
        launch(
            runs,
            root,
            launcher or LocalProcesses(jobs),
            device=device,
            fresh=fresh,
            download=download,
            patience=patience,
            loggers=loggers,
            on_update=on_update or (lambda update: None),
            on_outcome=on_outcome or (lambda outcome: None),
        )
        return self.write_table(root)

    def _begin(self, folder: Path) -> None:
        """Write down what is asked, in a folder without what killed processes left there."""
        sweep(folder)
        parts = {type(value) for run in self.runs() for value in values_in(run)}
        modules = {own_module(part) for part in parts if issubclass(part, Registered)} - {""}
        data = self.model_dump(mode="json", exclude={"imports"})
        if modules := modules | set(self.imports):
            data["imports"] = sorted(modules)
        text = yaml.safe_dump(data, sort_keys=False)
        write_atomically(folder / "study.yaml", text.encode())

    def folders(self, root: Path | str) -> list[RunFolder]:
        """The folders of the study's runs that exist."""
        return [folder for folder, _ in self._started(root)]

    def _started(self, root: Path | str) -> list[tuple[RunFolder, RunConfig]]:
        runs = [(RunFolder.of(root, config, identity), config) for identity, config in self._by_identity().items()]
        there = set(run_names(root))
        return [(folder, config) for folder, config in runs if folder.path.name in there]

    @without_collection()
    def write_table(self, root: Path | str) -> pd.DataFrame:
        """The study's table, also written as CSV and Parquet."""
        started = self._started(root)
        records = RunIndex(root).records([folder for folder, _ in started])
        for record in records:
            if record.damage:
                log.warning("%s", record.damage)
        results = [record.result for record in records]
        table = configured_table(started, results).assign(study=self.name, scale=self.scale)
        folder = self.folder(root)
        for name in ("table.csv", "table.parquet"):
            write_table(table, folder / name)
        return table

    @classmethod
    def read(cls, path: Path | str) -> Study:
        """From a YAML file.

        Raises:
            ConfigError: missing or not a study.
        """
        try:
            return cls.model_validate(read_settings(Path(path), "study file"))
        except ValidationError as error:
            raise ConfigError(f"{path}: {one_line(error)}") from None


def find_study(root: Path | str, key: str) -> Study:
    """The study that a word means.

    Args:
        root: folder of run folders and studies.
        key: the start of the name of one study's folder, or a path to a study's file or folder.

    Returns:
        The study.

    Raises:
        RunError: no study matches.
        AmbiguousName: several do.
    """
    for path in (Path(key), Path(key) / "study.yaml"):
        if path.is_file():
            return Study.read(path)
    known = study_files(root)
    found = [path for path in known if path.parent.name.startswith(key)]
    if len(found) != 1:
        names = ", ".join(path.parent.name for path in known) or "none"
        kind = AmbiguousName if found else RunError
        raise kind(f"{root}: {len(found)} studies match {key!r}; there are: {names}")
    return Study.read(found[0])


def study_files(root: Path | str) -> list[Path]:
    """The files of all studies below a folder of run folders and studies, by the names of their folders."""
    return sorted(Path(root).glob("studies/*/study.yaml"))
