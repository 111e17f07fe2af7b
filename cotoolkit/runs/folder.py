"""A run on disk: a folder that holds what was asked, what happened, and all that is needed to go on.

    config.yaml          the resolved configuration; a hash of what differs from the defaults is the run's identity
    environment.json     versions, machine, device
    own_code.json        digests of the user's own modules that define parts of it, if there are any
    status.json          running, done, diverged or failed
    metrics.parquet      tidy: one row per iteration and signal; of long runs metrics-1.parquet, ... as well
    events.jsonl         suspicion, breakpoint, recovered, ...
    checkpoints/         best, last, before_break, after_break, iteration-N of kept iterations, and networks that the
                         method gave besides the trained one, such as averaged (safetensors)
    resume.safetensors   the state at the last epoch's end
    output.log           what a worker process printed
    result.json          verdict, breakpoint, evaluation with its protocol cards

Every file is written under a temporary name and renamed, so a killed run leaves whole files only; events are lines that
are appended. What is read is checked against a schema and a digest, so that damage is told and not computed with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.files import damaged, read_tensors, sweep, unreadable, write_atomically, write_tensors
from cotoolkit.runs import documents
from cotoolkit.runs.documents import State
from cotoolkit.runs.environment import environment
from cotoolkit.runs.html import run_html
from cotoolkit.runs.lock import RunLock
from cotoolkit.runs.metrics import MetricFiles, Metrics

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from cotoolkit.config import RunConfig

log = logging.getLogger(__name__)

CheckpointName = Literal["best", "last", "before_break", "after_break"]

Checkpoint = str | int
"""A `CheckpointName`, a label of `Method.averages`, or an iteration that `RunConfig.keep` asked for."""


class RunFolder:
    """One run's folder. Reading what is missing or damaged raises a `RunError` that names the file.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = RunLock(self.path)

    @classmethod
    def of(cls, root: Path | str, config: RunConfig, identity: str | None = None) -> RunFolder:
        """Where a run lives.

        Args:
            root: folder of run folders.
            config: of the run.
            identity: of the configuration, where it is known: to hash thousands takes a second.

        Returns:
            Its folder, whether it exists or not.
        """
        return cls(Path(root) / f"{config.title}-{identity or config.identity}")

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return run_html(self.path, lambda: f"{self.state}\n{self.reason}", self.config_data, self.result)

    def create(self, config: RunConfig, *, anew: bool = False) -> None:
        """Make the folder, or check that it holds this very run.

        Args:
            config: of the run.
            anew: do not read what is there, which may be damaged; the folder's name says whose it is.

        Raises:
            RunError: it holds another run, or cannot be read.
        """
        if (self.path / "config.yaml").exists() and not anew:
            if self.config() != config:
                raise RunError(f"{self.path}: holds another run; move it away")
            return
        write_atomically(self.path / "config.yaml", config.to_yaml().encode())

    def config(self) -> RunConfig:
        """The run's configuration.

        Raises:
            RunError: missing, damaged, edited after the fact, or of another version.
        """
        from cotoolkit.config import RunConfig

        path = self.path / "config.yaml"
        try:
            config = RunConfig.parse(self.config_data())
        except ConfigError as error:
            raise RunError(f"{path}: {error}") from None
        if not self.path.name.endswith(config.identity):
            raise RunError(
                f"{path}: was changed after the run, or another version wrote it; its identity is now {config.identity}"
            )
        return config

    def config_data(self) -> Any:
        """What config.yaml holds, not checked further.

        Raises:
            RunError: missing, or no settings.
        """
        return documents.read_mapping(self.path / "config.yaml")

    @property
    def state(self) -> State:
        """How far the run got; a killed run still says running."""
        return self._status.state

    @property
    def reason(self) -> str:
        """Why a run ended as failed or diverged."""
        return self._status.reason

    @property
    def _status(self) -> documents.Status:
        found = documents.read_document(self.path / "status.json", documents.Status)
        return documents.Status(state="new", reason="") if found is None else found

    def set_state(self, state: State, reason: str = "") -> None:
        """Record how far the run got.

        Args:
            state: how far.
            reason: why it ended there, where it failed or diverged.
        """
        documents.write_document(self.path / "status.json", {"state": state, "reason": reason})

    @property
    def finished(self) -> bool:
        """Whether the run ended and its result can be read; a result that is lost or damaged is told in the log."""
        try:
            if self.state not in ("done", "diverged"):
                return False
            self.result()
        except RunError as error:
            log.warning("%s; the run is not taken for finished", error)
            return False
        return True

    @property
    def metric_files(self) -> MetricFiles:
        """The files of the metrics."""
        return MetricFiles(self.path)

    def metrics(self) -> pd.DataFrame:
        """Columns iteration, signal, value; by iteration, the last value of each signal."""
        return self.metric_files.table()

    def events(self) -> list[dict[str, Any]]:
        """Each with kind, iteration and detail, in order."""
        return documents.read_events(self.path / "events.jsonl")

    def result(self) -> dict[str, Any]:
        """Verdict, breakpoint and evaluation of a finished run."""
        found = documents.read_document(self.path / "result.json", documents.StoredResult)
        if found is None:
            raise RunError(f"{self.path}: not finished (state: {self.state}); run the same command to go on")
        return found.model_dump()

    def write_progress(self, metrics: Metrics, events: Sequence[Mapping[str, Any]]) -> None:
        """Save what happened since the last time.

        Args:
            metrics: signals and probes.
            events: those that are new, each with kind, iteration and detail, as JSON data.

        Raises:
            RunInUse: this process held the folder, and another one has taken it over.
        """
        self._lock.check()
        self.metric_files.write(metrics)
        documents.append_events(self.path / "events.jsonl", events)

    def keep_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Forget all events but these, as a run does that goes back to its last saved state."""
        documents.write_events(self.path / "events.jsonl", events)

    def forget_progress(self) -> None:
        """Remove metrics and events, as a run does that starts again."""
        for path in (*self.metric_files.paths(), self.path / "events.jsonl"):
            path.unlink(missing_ok=True)

    def write_environment(self, device: str) -> None:
        """Record versions and machine."""
        documents.write_document(self.path / "environment.json", environment(device))

    def environment(self) -> dict[str, Any]:
        """Versions and machine of the process that trained last."""
        found = documents.read_document(self.path / "environment.json", documents.StoredEnvironment)
        if found is None:
            raise RunError(f"{self.path}: has no environment.json; train it first")
        return found.model_dump(by_alias=True)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Save the outcome; a run that has one is finished."""
        documents.write_document(self.path / "result.json", dict(result))

    def checkpoint_path(self, name: Checkpoint) -> Path:
        """Where a checkpoint stands, whether it exists or not."""
        stem = f"iteration-{name}" if isinstance(name, int) else name
        return self.path / "checkpoints" / f"{stem}.safetensors"

    def kept(self) -> list[int]:
        """The iterations whose weights were kept, in order."""
        stems = [path.stem for path in self.path.glob("checkpoints/iteration-*.safetensors")]
        return sorted(int(stem.removeprefix("iteration-")) for stem in stems)

    def write_checkpoint(self, name: Checkpoint, model: Mapping[str, Tensor], iteration: int) -> None:
        """Save weights.

        Args:
            name: of the checkpoint, or the kept iteration.
            model: the network's state dict.
            iteration: updates it has seen.
        """
        write_tensors(self.checkpoint_path(name), model, {"iteration": str(iteration)})

    def checkpoint(self, name: Checkpoint) -> dict[str, Tensor]:
        """A network's state dict, on the CPU."""
        return read_tensors(self.checkpoint_path(name))[0]

    def checkpoint_bytes(self, name: Checkpoint) -> bytes:
        """A checkpoint's file as it stands, to hash."""
        path = self.checkpoint_path(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise RunError(f"{path}: no such checkpoint") from None
        except OSError as error:
            raise unreadable(path, error) from None

    def checkpoint_iteration(self, name: Checkpoint) -> int:
        """How many updates a checkpoint has seen."""
        path = self.checkpoint_path(name)
        try:
            return int(read_tensors(path)[1]["iteration"])
        except (KeyError, ValueError):
            raise damaged(path) from None

    def write_resume(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Save everything the next iteration depends on, in one file, so that it cannot be half new.

        Args:
            tensors: by name.
            state: the rest, as JSON data.
        """
        write_tensors(self.path / "resume.safetensors", tensors, {"state": json.dumps(state)})

    def resume(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Inverse of `write_resume`; None where there is nothing to resume."""
        path = self.path / "resume.safetensors"
        if not path.exists():
            return None
        tensors, metadata = read_tensors(path)
        try:
            return tensors, json.loads(metadata["state"])
        except (KeyError, ValueError):
            raise damaged(path) from None

    def forget_resume(self) -> None:
        """Remove what `write_resume` saved, if anything; for a finished run."""
        (self.path / "resume.safetensors").unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all but the configuration; the state first, so that a run half forgotten is not taken for finished."""
        first = [self.path / name for name in ("status.json", "resume.safetensors", "result.json")]
        rest = [*self.path.glob("*.json*"), *self.path.glob("*.parquet"), *self.path.rglob("*.safetensors")]
        for path in [*first, *rest]:
            path.unlink(missing_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove temporary files that a killed process left; only for the process that holds the lock."""
        sweep(self.path, older_than=0)

    def lock(self, *, wait: bool = False) -> AbstractContextManager[None]:
        """Hold the folder for one process, see `RunLock.held`."""
        return self._lock.held(wait=wait)
