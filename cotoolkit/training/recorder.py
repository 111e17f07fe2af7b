"""What a run leaves behind: signals, events and weights, on their way into the run's folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.core import Breakpoint, Event
from cotoolkit.runs.folder import Checkpoint, RunFolder
from cotoolkit.runs.metrics import Metrics
from cotoolkit.training.first_movers import first_movements
from cotoolkit.training.logs.run_log import RunLog

SAVE_EVERY = 2.0
"""Seconds between the ends of epochs at which a run's state is saved."""


class Recorder:
    """Owns the metrics, the events and the folder of one run. Of several processes the first one writes.

    Args:
        folder: of the run.
        log: the loggers that are told as well.

    Attributes:
        metrics: signals and probes so far.
        events: those of the run so far, as they stand in the folder: kind, iteration and detail.
    """

    def __init__(self, folder: RunFolder, log: RunLog | None = None) -> None:
        self.folder, self.log = folder, log or RunLog(folder.path, (), {})
        self.writes = rank_and_world()[0] == 0
        self.metrics = Metrics()
        self.events: list[dict[str, Any]] = []
        self._told, self._resumed = 0, False
        self._seconds_before = 0.0
        self._started = self._saved = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Spent on the run so far, before resumptions included."""
        return self._seconds_before + time.perf_counter() - self._started

    def begin(self, device: str) -> None:
        """Say in the folder that the run is under way, and on what.

        Args:
            device: "cpu" or "cuda".
        """
        if self.writes:
            self.folder.set_state("running")
            if not self._resumed:
                self.folder.forget_progress()
            self.folder.write_environment(device)

    def resume(self, iteration: int, seconds: float, events: int | None) -> None:
        """Take up what the folder holds of the iterations up to a saved one.

        Args:
            iteration: at which the run's state was saved.
            seconds: spent until then.
            events: how many had been told; None, of a state that does not say: those up to the iteration.
        """
        self.metrics = Metrics.up_to(self.folder.metric_files.parts(last=2), iteration)
        told = self.folder.events()
        # A breakpoint is dated earlier than it is detected; what counts here is when it was written down.
        up_to_now = [event for event in told if event["detail"].get("detected", event["iteration"]) <= iteration]
        self.events = up_to_now if events is None else told[:events]
        if self.writes:
            self.folder.keep_events(self.events)
        self._told, self._resumed = len(self.events), True
        self._seconds_before = seconds
        self._started = self._saved = time.perf_counter()

    def add_signals(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note the signals of an iteration, by name."""
        self.metrics.add(iteration, values)
        self.log.write(values, iteration, iteration)

    def add_probe(self, iteration: int, probe: ProbeResult, now: int) -> None:
        """Note a probe of all points; a few points would stand out in a series of many by their noise.

        Args:
            iteration: of the network probed.
            probe: its result, which is left out unless it is complete.
            now: iteration at which it was taken.
        """
        if probe.complete:
            self.metrics.add(iteration, probe.metrics())
            self.log.write(probe.metrics(), iteration, now)

    def add_events(self, events: Sequence[Event]) -> None:
        """Note what a monitor told."""
        self.events.extend(_row(event) for event in events)
        for event in events:
            self.log.mark(event)

    def add_breakpoint(self, found: Breakpoint) -> None:
        """Note what dating found besides the latest event: its probes, the signals that moved first, the weights."""
        for iteration, probe in found.measured.items():
            if iteration <= found.detected:  # later ones are of training to come, and would not survive resuming
                self.add_probe(iteration, probe, found.detected)
        self.events[-1]["detail"]["moved_first"] = first_movements(self.metrics, found.iteration)
        self.save_weights("before_break", found.before.model, found.before.iteration)
        self.save_weights("after_break", found.after.model, found.after.iteration)

    def add_return(self, kind: str, iteration: int, detail: Mapping[str, Any]) -> None:
        """Note that a remedy put earlier weights back.

        Args:
            kind: "stopped", "selected" (after the last iteration) or "rolled back".
            iteration: of these weights.
            detail: `detected`, the iteration at which it did so, and what else there is to say.
        """
        self.events.append({"kind": kind, "iteration": iteration, "detail": dict(detail)})
        self.log.go_back(iteration)

    def forget_after(self, iteration: int) -> None:
        """Forget the signals of iterations that are going to be trained again."""
        if self.writes:
            self.folder.metric_files.forget_after(iteration)
            self.metrics = Metrics.up_to(self.folder.metric_files.parts(last=2), iteration)

    def save_weights(self, name: Checkpoint, weights: Mapping[str, Tensor], iteration: int) -> None:
        """Write a checkpoint.

        Args:
            name: of the checkpoint.
            weights: the network's state dict.
            iteration: updates it has seen.
        """
        if self.writes:
            self.folder.write_checkpoint(name, weights, iteration)

    def save_is_due(self) -> bool:
        """Whether the run's state was last saved long enough ago."""
        return self.writes and time.perf_counter() - self._saved >= SAVE_EVERY

    def save(
        self, iteration: int, tensors: Mapping[str, Tensor], monitor: Mapping[str, Any], remedy: Mapping[str, Any]
    ) -> None:
        """Write progress, then the state to resume from: rows beyond that state are dropped on resuming.

        Args:
            iteration: at which the state is saved.
            tensors: of the state.
            monitor: the monitor's state, as JSON data.
            remedy: the treatment's, likewise.
        """
        if not self.writes:
            return
        self._write_progress()
        told = len(self.events)
        state = {
            "iteration": iteration, "seconds": self.seconds, "monitor": monitor, "remedy": remedy, "events": told
        }  # fmt: skip
        self.folder.write_resume(tensors, state)
        self.log.save()
        self._saved = time.perf_counter()

    def finish(
        self,
        verdict: str,
        weights: Mapping[str, Tensor],
        iteration: int,
        best_iteration: int,
        evaluation: Mapping[str, Any],
    ) -> None:
        """Close the run.

        Args:
            verdict: what came of it.
            weights: the network's last state dict.
            iteration: updates it has seen.
            best_iteration: at which a probe found the network most robust.
            evaluation: accuracies with their protocol cards, by protocol.
        """
        if not self.writes:
            return
        measured = {f"evaluation/{name}": found["value"] for name, found in evaluation.items()}
        self.log.write_last(measured, iteration)
        breakpoints = [event for event in self.events if event["kind"] == "breakpoint"]
        self._write_progress()
        self.save_weights("last", weights, iteration)
        self.folder.write_result(
            {
                "verdict": verdict,
                "breakpoint": breakpoints[0] | {"count": len(breakpoints)} if breakpoints else None,
                "iterations": iteration,
                "best_iteration": best_iteration,
                "evaluation": evaluation,
                "seconds": round(self.seconds, 2),
            }
        )
        if verdict == "diverged":
            self.folder.set_state("diverged", f"the training loss is not finite after iteration {iteration}")
        else:
            self.folder.set_state("done")
        self.folder.forget_resume()

    def _write_progress(self) -> None:
        self.folder.write_progress(self.metrics, self.events[self._told :])
        self._told = len(self.events)


def _row(event: Event) -> dict[str, Any]:
    """An event as it stands in a run's folder, where a warning is called a suspicion."""
    detail: dict[str, Any] = event.probe.metrics()
    if event.kind != "recovered":
        detail["probe_points"] = event.probe.points
    if event.kind == "breakpoint":
        detail |= {name: getattr(event, name) for name in ("sustained", "earliest", "latest", "detected")}
    kind = "suspicion" if event.kind == "warning" else event.kind
    return {"kind": kind, "iteration": event.iteration, "detail": detail}
