"""The one training loop: methods step, the monitor watches, the run folder remembers.

Several processes may share the batches. Everything random is a function of the seed and the iteration (`seeding`), so
a run resumes, and the monitor replays, exactly: to the bit on a CPU with the same number of threads; on a GPU as far as
its kernels are deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device, available
from cotoolkit.core.distributed import all_reduce_mean, rank_and_world, taken_by_rank0
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.processes.patience import sign_of_life
from cotoolkit.core.seeding import derive, fork_global_rng, generator, seed_layers
from cotoolkit.data import Batches, ImageSet, apply_intervention, load
from cotoolkit.evaluation.probe import Enough, Probe, ProbeResult
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.methods import Batch, StepRecord
from cotoolkit.models.initial_weights import load_initial
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS
from cotoolkit.optimizers import Updates
from cotoolkit.runs.checkpoints import network
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals import Observation, observed_signals
from cotoolkit.training.preparation import as_trained, settle_memory_format
from cotoolkit.training.progress import Progress, Report
from cotoolkit.training.recorder import Recorder
from cotoolkit.training.run_log import RunLog
from cotoolkit.training.snapshot import Snapshot


class Trainer:
    """Trains one configuration. `fit` runs it inside a run folder; `step` is one iteration.

    Args:
        config: what to train.
        device: "auto" takes a GPU if there is one; of several processes each names its own.
        download: let torchvision fetch missing data.

    Attributes:
        iteration: updates done.
        total: updates of the whole run.
        module: the network itself.
        model: what the passes of training go through: the network in its precision, shared by all processes.

    Raises:
        ConfigError: the configuration cannot be trained here.
    """

    def __init__(self, config: RunConfig, *, device: Device | torch.device = "auto", download: bool = False) -> None:
        self.config = config
        self.device = device if isinstance(device, torch.device) else torch.device(available(device))
        self.rank, self.world = rank_and_world()
        splits = load(config.data, config.seed, download=download)
        config.method.check_data(len(splits.train))
        self.batches = Batches(
            splits.train,
            config.batch_size,
            seed=config.seed,
            device=self.device,
            augment=config.data.augment,
            padding=config.data.padding,
            intervention=config.intervention,
        )
        self.test = apply_intervention(splits.test, config.intervention, config.seed, self.device, train=False)
        self.probe = self._build_probe(splits.holdout or splits.train)
        self.train_probe = self._build_probe(splits.train)
        self.monitor = ReplayMonitor(self, config.monitor, splits.train.classes)

        self.module = network(config, splits.train.shape, splits.train.classes)
        if config.initial is not None:
            load_initial(self.module, config.initial)
        self.module.to(self.device)
        self.memory_format = settle_memory_format(self.module, config, self.batches)
        self.updates = Updates(config.optimizer, self.module, config.weight_decay, config.decay_norm_and_bias)
        self.model = as_trained(self.module, config.precision)
        self.iteration = 0
        self.total = config.epochs * len(self.batches)
        if max(config.keep, default=0) > self.total:
            raise ConfigError(f"keep: iteration {max(config.keep)} is beyond the last one, {self.total}")

    # --------------------------------------------------------------------------------------------------- one iteration

    def step(self, *, trace: bool = True) -> tuple[StepRecord, Tensor]:
        """Train on the next batch.

        Args:
            trace: whether the record is to hold the update's input gradient.

        Returns:
            The step's record, and the labels (B,) it saw.
        """
        sign_of_life()
        config, done = self.config, self.iteration
        images, labels, indices = self.batches.batch(done)
        rank, world = self.rank, self.world
        images = images[rank::world].contiguous(memory_format=self.memory_format)
        labels, indices = labels[rank::world], indices[rank::world]
        batch = Batch(
            images,
            labels,
            config.threat.scaled(config.schedule.radius((done + 1) / len(self.batches))),
            generator(config.seed, "attack", done * world + rank, images.device),
            trace,
            done / self.total,
            indices,
        )
        seed_layers(derive(config.seed, "layers", done * world + rank))
        self.model.train()
        record = config.method.step(self.model, batch, self._update)
        self.iteration += 1
        return record, labels

    def _update(self, loss: Tensor) -> None:
        config, schedule = self.config, self.config.schedule
        progress = (self.iteration + 1) / (self.total + 1)  # neither the first nor the last rate is 0
        momentum = schedule.momentum(progress, config.optimizer.momentum)
        self.updates.step(loss, config.learning_rate * schedule.rate(progress), momentum)

    # ----------------------------------------------------------------------------------------- going back (Replayable)

    def snapshot(self) -> Snapshot:
        """A copy of the network's state dict and of the optimiser's state, on the device."""
        model = {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}
        return Snapshot(self.iteration, model, self.updates.state())

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot back."""
        self.module.load_state_dict(snapshot.model)
        self.updates.load_state(snapshot.optimizer)
        self.iteration = snapshot.iteration

    def advance(self, iterations: int) -> None:
        """Repeat iterations without recording them."""
        for _ in range(iterations):
            self.step(trace=False)

    def measure(self, enough: Enough | None = None) -> ProbeResult:
        """Probe the model on the held-out points, in the first process; the others go by its result."""
        return taken_by_rank0(lambda: self.probe.measure(self.module, enough))

    # ----------------------------------------------------------------------------------------------------- a whole run

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
        if not (finite and self._has_finite_weights()):
            self._finish(recorder, "diverged", {})
            return
        if probe is None:  # resumed after the last iteration, which the monitor has decided on already
            probe = self.measure()
        if self.rank:  # the first process does the rest
            return
        report(Progress(self.iteration, self.total, probe, "evaluating"))
        verdict = self.monitor.criterion.verdict(probe, self.train_probe.measure(self.module))
        self._finish(recorder, verdict, self._evaluate())

    def _train(self, recorder: Recorder, report: Report) -> tuple[bool, ProbeResult | None]:
        """Train to the end; whether all losses were finite, and the latest probe."""
        probe: ProbeResult | None = None
        steps: list[tuple[StepRecord, Tensor]] = []
        while self.iteration < self.total:
            steps.append(self.step(trace=(self.iteration + 1) % self.config.monitor.trace_every == 0))
            self._save_kept(recorder)
            scheduled = self.config.monitor.scheduled(self.iteration) or self.iteration == self.total
            epoch_ends = self.iteration % len(self.batches) == 0
            if scheduled or epoch_ends or len(steps) == MAX_BUFFERED_STEPS:
                finite, signal = self._record_signals(recorder, steps)
                steps.clear()
                if not finite:
                    return False, None
                if scheduled or signal:
                    probe = self._probe(recorder, signal, report, scheduled=scheduled)
            report(Progress(self.iteration, self.total, probe))
            if epoch_ends and recorder.save_is_due():
                self._save(recorder)
        return True, probe

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
            warning = self.monitor.on_signals(known) or warning
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

    def _evaluate(self) -> dict[str, Any]:
        """Accuracies on the test set with their protocol cards, by protocol."""
        config, results = self.config, {}
        for name in config.evaluation:
            found = run_protocol(self.module, *self.test, config.threat, name, seed=config.seed)
            results[name] = {**found.accuracy._asdict(), "card": found.card}
        return results

    def _finish(self, recorder: Recorder, verdict: str, evaluation: dict[str, Any]) -> None:
        best_iteration = self.monitor.criterion.best_iteration
        recorder.finish(verdict, self.module.state_dict(), self.iteration, best_iteration, evaluation)

    def _save(self, recorder: Recorder) -> None:
        """Save the state to resume from, and what has been recorded."""
        tensors = self.snapshot().tensors("")
        if self.monitor.good:
            tensors |= self.monitor.good[1].tensors("good/")
        recorder.save(self.iteration, tensors, self.monitor.state())

    def _resume(self, recorder: Recorder) -> None:
        """Go to the last saved state, if there is one."""
        saved = recorder.folder.resume()
        if saved is None:
            return
        tensors, state = saved
        try:
            self.restore(Snapshot.from_tensors(state["iteration"], tensors, ""))
            good = state["monitor"]["good_iteration"]
            self.monitor.load_state(
                state["monitor"], None if good is None else Snapshot.from_tensors(good, tensors, "good/")
            )
        except (KeyError, RuntimeError, IndexError, TypeError, ValueError, AttributeError):
            path = recorder.folder.path
            raise RunError(f"{path}: resume.safetensors does not fit its config; run with --fresh") from None
        recorder.resume(self.iteration, float(state["seconds"]))

    def _build_probe(self, data: ImageSet) -> Probe:
        config = self.config
        chosen = torch.randperm(len(data), generator=generator(config.seed, "probe", 1))[: config.monitor.points]
        points = apply_intervention(data.pick(chosen), config.intervention, config.seed, self.device, train=False)
        return Probe(*points, config.threat, config.monitor.steps, config.seed)
