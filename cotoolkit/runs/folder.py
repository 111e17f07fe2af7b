"""A run on disk: a folder that holds what was asked, what happened, and all that is needed to go on.

    config.yaml          the resolved configuration; a hash of what differs from the defaults is the run's identity
    environment.json     versions, machine, device
    status.json          running, done, diverged or failed
    metrics.parquet      tidy: one row per iteration and signal
    events.jsonl         suspicion, breakpoint, recovered, ...
    checkpoints/         best, last, before_break, after_break, and iteration-N of kept iterations (safetensors)
    resume.safetensors   the state at the last epoch's end
    result.json          verdict, breakpoint, evaluation with its protocol cards

Every file is written under a temporary name and renamed, so a killed run leaves whole files only.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock
import yaml

from cotoolkit.core.errors import ConfigError, RunError, RunInUse
from cotoolkit.core.files import read_tensors, write_atomically, write_tensors
from cotoolkit.runs.environment import environment
from cotoolkit.runs.html import run_html
from cotoolkit.runs.metrics import Metrics

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from cotoolkit.config import RunConfig

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The YAML loader: that of libyaml where it is there, eight times as fast."""

State = Literal["new", "running", "done", "diverged", "failed"]

CheckpointName = Literal["best", "last", "before_break", "after_break"]

Checkpoint = CheckpointName | int
"""A name, or an iteration that `RunConfig.keep` asked for."""


class RunFolder:
    """One run's folder. Reading what is missing or damaged raises a `RunError` that names the file.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def of(cls, root: Path | str, config: RunConfig) -> RunFolder:
        """Where a run lives.

        Args:
            root: folder of run folders.
            config: of the run.

        Returns:
            Its folder, whether it exists or not.
        """
        return cls(Path(root) / f"{config.title}-{config.identity}")

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return run_html(self.path, lambda: f"{self.state}\n{self.reason}", self.config_data, self.result)

    # ------------------------------------------------------------------------------------------------- what was asked

    def create(self, config: RunConfig) -> None:
        """Make the folder, or check that it holds this very run.

        Raises:
            RunError: it holds another one, or cannot be read.
        """
        if (self.path / "config.yaml").exists():
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
        """What config.yaml holds, not checked.

        Raises:
            RunError: missing, or no YAML.
        """
        path = self.path / "config.yaml"
        try:
            return yaml.load(path.read_text(), LOADER)
        except FileNotFoundError:
            raise RunError(f"{self.path}: no run here (config.yaml is missing)") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise RunError(f"{path}: damaged; delete the folder and run again") from None

    # -------------------------------------------------------------------------------------------------- what happened

    @property
    def state(self) -> State:
        """How far the run got; a killed run still says running."""
        if not (self.path / "status.json").exists():
            return "new"
        state: State = self._json("status.json")["state"]
        return state

    def set_state(self, state: State, reason: str = "") -> None:
        """Record how far the run got.

        Args:
            state: how far.
            reason: why it ended there, where it failed or diverged.
        """
        self._write_json("status.json", {"state": state, "reason": reason})

    @property
    def reason(self) -> str:
        """Why a run ended as failed or diverged."""
        return str(self._json("status.json")["reason"]) if (self.path / "status.json").exists() else ""

    def metrics(self) -> pd.DataFrame:
        """Columns iteration, signal, value."""
        import pandas as pd

        path = self.path / "metrics.parquet"
        try:
            return pd.read_parquet(path)
        except FileNotFoundError:
            raise RunError(f"{self.path}: has no metrics yet; train it first") from None
        except (OSError, ValueError):
            raise RunError(f"{path}: damaged; delete the folder and run again") from None

    def events(self) -> list[dict[str, Any]]:
        """Each with kind, iteration and detail, in order."""
        path = self.path / "events.jsonl"
        if not path.exists():
            return []
        try:
            return [json.loads(line) for line in path.read_text().splitlines()]
        except ValueError:
            raise RunError(f"{path}: damaged; delete the folder and run again") from None

    def result(self) -> dict[str, Any]:
        """Verdict, breakpoint and evaluation of a finished run."""
        if not (self.path / "result.json").exists():
            raise RunError(f"{self.path}: not finished (state: {self.state}); run the same command to go on")
        result: dict[str, Any] = self._json("result.json")
        return result

    def write_progress(self, metrics: Metrics, events: list[dict[str, Any]]) -> None:
        """Save what happened so far.

        Args:
            metrics: signals and probes.
            events: each with kind, iteration and detail, as JSON data.
        """
        import pyarrow.parquet as pq

        content = io.BytesIO()
        pq.write_table(metrics.table(), content)
        write_atomically(self.path / "metrics.parquet", content.getvalue())
        lines = "".join(json.dumps(event) + "\n" for event in events)
        write_atomically(self.path / "events.jsonl", lines.encode())

    def write_environment(self, device: str) -> None:
        """Record versions and machine."""
        self._write_json("environment.json", environment(device))

    def environment(self) -> dict[str, Any]:
        """Versions and machine of the process that trained last."""
        if not (self.path / "environment.json").exists():
            raise RunError(f"{self.path}: has no environment.json; train it first")
        found: dict[str, Any] = self._json("environment.json")
        return found

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Save the outcome; a run that has one is finished."""
        self._write_json("result.json", dict(result))

    # --------------------------------------------------------------------------------------------- weights and resuming

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
        try:
            return self.checkpoint_path(name).read_bytes()
        except FileNotFoundError:
            raise RunError(f"{self.checkpoint_path(name)}: no such checkpoint") from None

    def checkpoint_iteration(self, name: Checkpoint) -> int:
        """How many updates a checkpoint has seen."""
        return int(read_tensors(self.checkpoint_path(name))[1]["iteration"])

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
        return tensors, json.loads(metadata["state"])

    def forget_resume(self) -> None:
        """Remove what `write_resume` saved, if anything; for a finished run."""
        (self.path / "resume.safetensors").unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all but the configuration."""
        for path in [*self.path.glob("*.json*"), *self.path.glob("*.parquet"), *self.path.rglob("*.safetensors")]:
            path.unlink()
        self.sweep()

    def sweep(self) -> None:
        """Remove temporary files that a killed process left."""
        for path in self.path.rglob(".*.tmp"):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one process; the lock dies with the process.

        Raises:
            RunInUse: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        try:
            with lock:
                yield
        except filelock.Timeout:
            raise RunInUse(f"{self.path}: another process is training this run") from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text())
        except (ValueError, UnicodeDecodeError):
            raise RunError(f"{self.path / name}: damaged; delete the folder and run again") from None

    def _write_json(self, name: str, data: Any) -> None:
        write_atomically(self.path / name, (json.dumps(data, indent=2) + "\n").encode())
