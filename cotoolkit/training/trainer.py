"""A whole run: the steps of `core` in order, the monitor watches, the remedy decides, the run folder remembers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cotoolkit.core.distributed import all_reduce_mean
from cotoolkit.core.errors import RunError
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.methods import StepRecord
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals import Observation, observed_signals
from cotoolkit.training.core import TrainerCore
from cotoolkit.training.ending import evaluated, networks_besides
from cotoolkit.training.logs.run_log import RunLog
from cotoolkit.training.preparation import first_memory
from cotoolkit.training.progress import Progress, Report
from cotoolkit.training.recorder import Recorder
from cotoolkit.training.snapshot import Snapshot


class Trainer(TrainerCore):
    """Trains one configuration inside a run folder: `fit`; its arguments are those of `TrainerCore`."""

    def fit(self, folder: RunFolder, report: Report = lambda progress: None, loggers: Sequence[Any] = ()) -> None:
        """Train to the end inside a run folder, from wherever its last checkpoint left off.

        A run whose loss or weights stop being finite ends as `diverged`, with its data kept.

        Args:
            folder: of this very configuration.
            report: called after every iteration.
            loggers: names, or loggers of your own as `BreakpointMonitor` takes them.

        Raises:
            RunError: what the folder holds to resume from is damaged, or of another configuration.
        """
        with RunLog(folder.path, loggers, self.config.to_data()) as log:
            self._fit(Recorder(folder, log), report)

    def _fit(self, recorder: Recorder, report: Report) -> None:
        self.monitor.begin()
        self._resume(recorder)
        recorder.begin(self.device.type)
        if self.iteration == 0:
            self._save_kept(recorder)
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with exact, fork_global_rng(self.config.seed, "layers"):
            finite, probe = self._train(recorder, report)
            finite = finite and self._has_finite_weights()
            besides = networks_besides(self) if finite else {}
        if not finite:
            self._finish(recorder, "diverged", {})
            return
        if probe is None:  # of the last weights: training was resumed at its end, or went back
            probe = self.measure()
        if self.rank:  # the first process does the rest
            return
        report(Progress(self.iteration, self.total, probe, "evaluating"))
        verdict = self.monitor.criterion.verdict(probe, self.train_probe.measure(self.module))
        for label, network in besides.items():
            recorder.save_weights(label, network.state_dict(), self.iteration)
        self._finish(recorder, verdict, evaluated(self, besides))

    def _train(self, recorder: Recorder, report: Report) -> tuple[bool, ProbeResult | None]:
        """Train to the end; whether all losses were finite, and the latest probe, unless it is of other weights."""
        probe: ProbeResult | None = None
        steps: list[tuple[StepRecord, Tensor]] = []
        stops = False
        while self.iteration < self.total and not stops:
            steps.append(self.step(trace=(self.iteration + 1) % self.config.monitor.trace_every == 0))
            self._save_kept(recorder)
            scheduled = self.config.monitor.scheduled(self.iteration) or self.iteration == self.total
            epoch_ends = self.iteration % len(self.batches) == 0
            examined = self.treatment.remedy.due(self.iteration, len(self.batches))
            if scheduled or epoch_ends or examined or len(steps) == MAX_BUFFERED_STEPS:
                finite, signal = self._record_signals(recorder, steps)
                steps.clear()
                if not finite:
                    return False, None
                stops = examined and self._examine(recorder)
                if scheduled or signal or stops:
                    probe = self._probe(recorder, signal, report, scheduled=scheduled or stops)
                    stops = self._treat_break(recorder) or stops
            report(Progress(self.iteration, self.total, probe))
            if epoch_ends and not stops and recorder.save_is_due():
                self._save(recorder)
        kept = self.treatment.kept
        if kept is not None and kept.iteration < self.iteration:
            self._go_back(recorder, kept, "stopped" if stops else "selected")
            probe = None
        return True, probe

    def _examine(self, recorder: Recorder) -> bool:
        """Let the remedy measure, keep this moment if it says so; whether it says to stop."""
        decision = self.treatment.examine(self.module)
        recorder.metrics.add(self.iteration, {"train_pgd": self.treatment.accuracies[-1]})
        if decision == "keep":
            self.treatment.kept = self.snapshot()
        return decision == "stop"

    def _treat_break(self, recorder: Recorder) -> bool:
        """After a breakpoint train on from before it, if the remedy says so; whether it has no method left for that."""
        if not (self.monitor.broken and self.treatment.rolls_back):
            return False
        _, good = self.monitor.last_good
        if not self.treatment.take_next_method():
            self.treatment.kept = good
            return True
        self._go_back(recorder, good, "rolled back", method=self.method.name)
        self.memory = first_memory(self.config, self.method, self.module, self.batches.data, self.treatment.rollbacks)
        self.monitor.go_back((self.iteration, self.snapshot()))
        self._save(recorder)
        recorder.forget_after(self.iteration)
        return False

    def _go_back(self, recorder: Recorder, moment: Snapshot, kind: str, **detail: str) -> None:
        """Put an earlier moment back, and say so."""
        recorder.add_return(kind, moment.iteration, {"detected": self.iteration, **detail})
        self.restore(moment)
        self.monitor.go_back((moment.iteration, moment))

    def _record_signals(self, recorder: Recorder, steps: list[tuple[StepRecord, Tensor]]) -> tuple[bool, str | None]:
        """Record the signals of the latest steps; whether their losses are finite, and which signal warns, if any."""
        finite, warning = True, None
        signals = observed_signals([[Observation.of_record(*step)] for step in steps])
        for iteration, values in enumerate(signals, start=self.iteration - len(steps) + 1):
            shared = all_reduce_mean(values, self.device)
            # nan: not traced in this step, or no sample of the batch had a gradient.
            known = {name: v for name, v in shared.items() if name == "train_loss" or not math.isnan(v)}
            recorder.add_signals(iteration, known)
            finite = finite and math.isfinite(known["train_loss"])
            warning = self.monitor.on_signals(known, self.config.batch_size) or warning
        return finite, warning

    def _probe(self, recorder: Recorder, signal: str | None, report: Report, *, scheduled: bool) -> ProbeResult:
        """Probe, let the monitor decide, and record what it says."""
        now, told = self.iteration, len(self.monitor.events)
        probe = self.measure(self.monitor.enough(scheduled=scheduled))
        recorder.add_probe(now, probe, now)
        if signal:
            self.monitor.tell(Event("warning", now, now, probe, signal=signal))
        if self.monitor.will_date(probe):
            report(Progress(now, self.total, probe, "dating the breakpoint"))
        found = self.monitor.on_probe(now, probe)
        recorder.add_events(self.monitor.events[told:])
        if found:
            recorder.add_breakpoint(found)
        elif self.monitor.criterion.best_iteration == now:
            recorder.save_weights("best", self.module.state_dict(), now)
        return probe

    def _save_kept(self, recorder: Recorder) -> None:
        """Write the weights down if this iteration was asked for, and they are finite."""
        if self.iteration in self.config.keep and self._has_finite_weights():
            recorder.save_weights(self.iteration, self.module.state_dict(), self.iteration)

    def _has_finite_weights(self) -> bool:
        return all(parameter.isfinite().all() for parameter in self.module.parameters())

    def _finish(self, recorder: Recorder, verdict: str, evaluation: dict[str, Any]) -> None:
        best_iteration = self.monitor.criterion.best_iteration
        recorder.finish(verdict, self.module.state_dict(), self.iteration, best_iteration, evaluation)

    def _save(self, recorder: Recorder) -> None:
        """Save the state to resume from, and what has been recorded."""
        tensors = self.snapshot().tensors("")
        if self.monitor.good:
            tensors |= self.monitor.good[1].tensors("good/")
        if self.treatment.kept:
            tensors |= self.treatment.kept.tensors("kept/")
        recorder.save(self.iteration, tensors, self.monitor.state(), self.treatment.state())

    def _resume(self, recorder: Recorder) -> None:
        """Go to the last saved state, if there is one."""
        saved = recorder.folder.resume()
        if saved is None:
            return
        tensors, state = saved
        try:
            self.restore(Snapshot.from_tensors(state["iteration"], tensors, ""))
            if "remedy" in state:
                self.treatment.load_state(state["remedy"], tensors)
            good = state["monitor"]["good_iteration"]
            self.monitor.load_state(
                state["monitor"], None if good is None else Snapshot.from_tensors(good, tensors, "good/")
            )
        except (KeyError, RuntimeError, IndexError, TypeError, ValueError, AttributeError):
            path = recorder.folder.path
            raise RunError(f"{path}: resume.safetensors does not fit its config; run with --fresh") from None
        recorder.resume(self.iteration, float(state["seconds"]), state.get("events"))
