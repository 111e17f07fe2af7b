"""The one training loop: methods step, the monitor watches, the run folder remembers.

Lightning Fabric starts several processes; one needs none of it. Everything random is a function of the seed and the
iteration (`seeding`), so a run resumes, and the monitor replays, exactly: to the bit on a CPU with the same number of
threads; on a GPU as far as its kernels are deterministic.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device, available
from cotoolkit.core.distributed import as_the_first_says, averaged, rank_and_world
from cotoolkit.core.errors import ConfigError, CotoolkitError, RunError
from cotoolkit.core.seeding import derive, fork_global_rng, generator, seed_layers
from cotoolkit.data import Batches, ImageSet, apply_intervention, load
from cotoolkit.evaluation.probe import Probe, ProbeResult
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.methods import Batch, StepRecord
from cotoolkit.models import OwnModel
from cotoolkit.models.initial_weights import load_initial
from cotoolkit.models.memory_format import (
    channels_last_warning,
    gradient_mismatch,
    safe_memory_format,
    worth_checking,
)
from cotoolkit.monitor.dating import Enough
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.monitor.step_buffer import TOGETHER
from cotoolkit.optimizers import Updates
from cotoolkit.runs.checkpoints import network
from cotoolkit.runs.folder import Metrics, RunFolder
from cotoolkit.signals import step_signals
from cotoolkit.training.first_movers import first_movements
from cotoolkit.training.snapshot import Snapshot

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

SAVE_EVERY = 2.0
"""Seconds between the ends of epochs at which a run's state is saved."""


class Progress(NamedTuple):
    """What a display shows of a run under way.

    Attributes:
        iteration: updates done.
        total: updates in all.
        probe: the latest probe, if any.
        note: what the run is doing besides training, or how it ended.
    """

    iteration: int
    total: int
    probe: ProbeResult | None
    note: str = ""


Report = Callable[[Progress], None]


class InBfloat16(nn.Module):
    """A network whose passes run in bfloat16 where that is safe, from float32 images to float32 logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch."""
        with torch.autocast(images.device.type, torch.bfloat16):
            logits: Tensor = self.network(images)
        return logits.float()


class Trainer:
    """Trains one configuration. `fit` runs it inside a run folder; `step` is one iteration.

    Args:
        config: what to train.
        device: "auto" takes a GPU if there is one; of several processes each names its own.
        download: let torchvision fetch missing data.
    """

    def __init__(self, config: RunConfig, *, device: Device | torch.device = "auto", download: bool = False) -> None:
        self.config = config
        self.device = on = device if isinstance(device, torch.device) else torch.device(available(device))
        self.rank, self.world = rank_and_world()
        splits = load(config.data, config.seed, download=download)
        config.method.check_data(len(splits.train))
        self.batches = Batches(
            splits.train,
            config.batch_size,
            seed=config.seed,
            device=on,
            augment=config.data.augment,
            padding=config.data.padding,
            intervention=config.intervention,
        )
        self.test = apply_intervention(splits.test, config.intervention, config.seed, on, train=False)
        self.probe = self._probe(splits.holdout or splits.train)
        self.train_probe = self._probe(splits.train)
        self.monitor = ReplayMonitor(config.monitor, splits.train.classes)

        self.bare = network(config, splits.train.shape, splits.train.classes)
        if config.initial is not None:
            load_initial(self.bare, config.initial)
        self.bare.to(on)
        self.memory_format = self._settle_memory_format()
        self.updates = Updates(config.optimizer, self.bare, config.weight_decay, config.decay_norm_and_bias)
        shared = self.bare
        if self.world > 1:
            shared = DistributedDataParallel(self.bare, [on] if on.type == "cuda" else None)
        self.model: nn.Module = shared if config.precision == "32" else InBfloat16(shared)
        self.iteration = 0
        self.total = config.epochs * len(self.batches)
        if max(config.keep, default=0) > self.total:
            raise ConfigError(f"keep: iteration {max(config.keep)} is beyond the last one, {self.total}")
        self.metrics = Metrics()
        self.events: list[dict[str, Any]] = []

    # --------------------------------------------------------------------------------------------------- one iteration

    def step(self, *, trace: bool = True) -> tuple[StepRecord, Tensor]:
        """Train on the next batch; returns the step's record and the labels it saw."""
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
        model = {name: tensor.detach().clone() for name, tensor in self.bare.state_dict().items()}
        return Snapshot(self.iteration, model, self.updates.state())

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot back."""
        self.bare.load_state_dict(snapshot.model)
        self.updates.load_state(snapshot.optimizer)
        self.iteration = snapshot.iteration

    def advance(self, iterations: int) -> None:
        """Repeat iterations without recording them."""
        for _ in range(iterations):
            self.step(trace=False)

    def measure(self, enough: Enough | None = None) -> ProbeResult:
        """Probe the model on the held-out points; every process goes by the first one's result."""
        return as_the_first_says(self.probe.measure(self.bare, enough))

    # ----------------------------------------------------------------------------------------------------- a whole run

    def fit(self, folder: RunFolder, report: Report = lambda progress: None) -> None:
        """Train to the end inside a run folder, from wherever its last checkpoint left off.

        A run whose loss or weights stop being finite ends as `diverged`, with its data kept.
        """
        self.monitor.begin(self.snapshot())
        before, started = self._resume(folder), time.perf_counter()
        saved = started
        main = self.rank == 0
        if main:
            folder.set_state("running")
            folder.write_environment(self.device.type)
        probe: ProbeResult | None = None
        steps: list[tuple[StepRecord, Tensor]] = []
        if self.iteration == 0:
            self._keep(folder)
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with exact, fork_global_rng(self.config.seed, "layers"):
            while self.iteration < self.total:
                steps.append(self.step(trace=(self.iteration + 1) % self.config.monitor.trace_every == 0))
                self._keep(folder)
                scheduled = self.config.monitor.scheduled(self.iteration) or self.iteration == self.total
                epoch_ends = self.iteration % len(self.batches) == 0
                if scheduled or epoch_ends or len(steps) == TOGETHER:
                    finite, suspicious = self._take_in(steps)
                    steps.clear()
                    if not finite:
                        self._finish(folder, "diverged", None, before + time.perf_counter() - started)
                        return
                    if scheduled or suspicious:
                        probe = self._look(folder, scheduled, suspicious, report)
                report(Progress(self.iteration, self.total, probe))
                now = time.perf_counter()
                if main and epoch_ends and now - saved >= SAVE_EVERY:
                    self._save(folder, before + now - started)
                    saved = now
        if probe is None:  # resumed after the last iteration, which the monitor has judged already
            probe = self.measure()
        if not all(parameter.isfinite().all() for parameter in self.bare.parameters()):
            self._finish(folder, "diverged", None, before + time.perf_counter() - started)
            return
        report(Progress(self.iteration, self.total, probe, "evaluating"))
        verdict = self.monitor.judge.verdict(probe, self.train_probe.measure(self.bare))
        self._finish(folder, verdict, probe, before + time.perf_counter() - started)

    def _take_in(self, steps: list[tuple[StepRecord, Tensor]]) -> tuple[bool, bool]:
        """Record the signals of the latest steps; whether their losses are finite, and whether they look suspicious."""
        finite, suspicious = True, False
        signals = step_signals([record for record, _ in steps], [labels for _, labels in steps])
        for iteration, values in enumerate(signals, start=self.iteration - len(steps) + 1):
            # nan: not traced in this step, or no sample of the batch had a gradient.
            shared = {name: v for name, v in averaged(values, self.device).items() if v == v or name == "train_loss"}  # noqa: PLR0124
            self.metrics.add(iteration, shared)
            finite = finite and math.isfinite(shared["train_loss"])
            suspicious = self.monitor.suspicious(shared) or suspicious
        return finite, suspicious

    def _look(self, folder: RunFolder, scheduled: bool, suspicious: bool, report: Report) -> ProbeResult:
        """Probe, tell the monitor, and write down what it says."""
        probe = self.measure(self.monitor.enough(scheduled))
        self._record(self.iteration, probe)
        if suspicious:
            self.events.append(
                {
                    "kind": "suspicion",
                    "iteration": self.iteration,
                    "detail": {**probe.metrics(), "probe_points": probe.points},
                }
            )
        if self.monitor.would_date(probe):
            report(Progress(self.iteration, self.total, probe, "dating the break"))
        events, found = self.monitor.take(self.iteration, probe, self)
        self.events.extend({"kind": e.kind, "iteration": e.iteration, "detail": e.detail} for e in events)
        if found:
            for iteration, measured in found.measured.items():
                if iteration <= self.iteration:  # later ones are of training to come, and would not survive resuming
                    self._record(iteration, measured)
            self.events[-1]["detail"]["moved_first"] = first_movements(self.metrics, found.iteration)
        if self.rank == 0:
            if found:
                folder.write_checkpoint("before_break", found.before.model, found.before.iteration)
                folder.write_checkpoint("after_break", found.after.model, found.after.iteration)
            elif self.monitor.judge.best_iteration == self.iteration:
                folder.write_checkpoint("best", self.bare.state_dict(), self.iteration)
        return probe

    def _record(self, iteration: int, probe: ProbeResult) -> None:
        if probe.complete:  # a few points would stand out in a series of many by their noise
            self.metrics.add(iteration, probe.metrics())

    def _keep(self, folder: RunFolder) -> None:
        """Write the weights down if this iteration was asked for, and they are finite."""
        if self.iteration not in self.config.keep or self.rank != 0:
            return
        if all(parameter.isfinite().all() for parameter in self.bare.parameters()):
            folder.write_checkpoint(self.iteration, self.bare.state_dict(), self.iteration)

    def _finish(self, folder: RunFolder, verdict: str, probe: ProbeResult | None, seconds: float) -> None:
        """Evaluate on the test set, unless diverged, and close the run."""
        evaluation = {}
        if probe is not None:
            for name in self.config.evaluation:
                found = evaluate(self.bare, *self.test, self.config.threat, name, seed=self.config.seed)
                evaluation[name] = {**found.accuracy._asdict(), "card": found.card}
        if self.rank != 0:
            return
        breaks = [event for event in self.events if event["kind"] == "breakpoint"]
        folder.write_progress(self.metrics, self.events)
        folder.write_checkpoint("last", self.bare.state_dict(), self.iteration)
        folder.write_result(
            {
                "verdict": verdict,
                "breakpoint": breaks[0] | {"count": len(breaks)} if breaks else None,
                "iterations": self.iteration,
                "best_iteration": self.monitor.judge.best_iteration,
                "evaluation": evaluation,
                "seconds": round(seconds, 2),
            }
        )
        if verdict == "diverged":
            folder.set_state("diverged", f"the training loss is not finite after iteration {self.iteration}")
        else:
            folder.set_state("done")
        (folder.path / "resume.safetensors").unlink(missing_ok=True)

    def _save(self, folder: RunFolder, seconds: float) -> None:
        """Write progress, then the state to resume from: rows beyond that state are dropped on resuming."""
        folder.write_progress(self.metrics, self.events)
        tensors = self.snapshot().tensors("")
        if self.monitor.good:
            tensors |= self.monitor.good[1].tensors("good/")
        folder.write_resume(tensors, {"iteration": self.iteration, "seconds": seconds, "monitor": self.monitor.state()})

    def _resume(self, folder: RunFolder) -> float:
        """Go to the last saved state, if there is one; returns the seconds spent so far."""
        saved = folder.resume()
        if saved is None:
            return 0.0
        tensors, state = saved
        try:
            self.restore(Snapshot.from_tensors(state["iteration"], tensors, ""))
            good = state["monitor"]["good_iteration"]
            self.monitor.load_state(
                state["monitor"], None if good is None else Snapshot.from_tensors(good, tensors, "good/")
            )
        except (KeyError, RuntimeError, IndexError):
            raise RunError(f"{folder.path}: resume.safetensors does not fit its config; run with --fresh") from None
        self.metrics = Metrics.up_to(folder.metrics(), self.iteration)
        # A break is dated earlier than it is detected; what counts here is when it was written down.
        self.events = [
            event for event in folder.events() if event["detail"].get("detected", event["iteration"]) <= self.iteration
        ]
        return float(state["seconds"])

    def _settle_memory_format(self) -> torch.memory_format:
        """Put the network into its memory format, checked on the first batch, and say which one images are to have.

        A user's own network stays as it came; its images are contiguous, because its forward may call view().
        """
        own, images_in = isinstance(self.config.model, OwnModel), torch.contiguous_format
        if not own:
            images_in = safe_memory_format(self.bare)
            self.bare.to(memory_format=images_in)
        doubt = channels_last_warning(self.bare)
        if doubt is None and self.config.precision == "32" and worth_checking(self.bare, own):
            images, labels, _ = self.batches.batch(0)
            images = images.contiguous(memory_format=images_in)
            doubt = as_the_first_says(gradient_mismatch(self.bare, images, labels))
            if doubt and own:
                doubt += "; use model.to(memory_format=torch.contiguous_format)"
            elif doubt:
                images_in = torch.contiguous_format
                self.bare.to(memory_format=images_in)
                doubt += "; it is trained in the contiguous format"
        if doubt:
            log.warning("%s", doubt)
        return images_in

    def _probe(self, data: ImageSet) -> Probe:
        config = self.config
        chosen = torch.randperm(len(data), generator=generator(config.seed, "probe", 1))[: config.monitor.points]
        points = apply_intervention(data.pick(chosen), config.intervention, config.seed, self.device, train=False)
        return Probe(*points, config.threat, config.monitor.steps, config.seed)


def run(
    config: RunConfig,
    root: Path | str,
    *,
    device: Device = "auto",
    devices: int = 1,
    fresh: bool = False,
    download: bool = False,
    report: Report = lambda progress: None,
) -> RunFolder:
    """Train a configuration below `root` unless that is done already; a killed run goes on where it was.

    Args:
        config: what to train.
        root: folder of run folders.
        device: "auto" takes a GPU if there is one.
        devices: processes that share each batch (DDP); they report no progress.
        fresh: forget an earlier run of the same configuration.
        download: let torchvision fetch missing data.
        report: called after every iteration.

    Returns:
        The run's folder, with the state done or diverged.
    """
    folder = RunFolder.of(root, config)
    with folder.lock():
        folder.create(config)
        folder.sweep()
        if fresh:
            folder.clear()
        if folder.state in ("done", "diverged"):
            return folder
        try:
            trainer = Trainer(config, device=device, download=download)
            if devices == 1:
                trainer.fit(folder, report)
                return folder
            del trainer  # it has shown that the configuration can be trained; each process makes its own
            from lightning_fabric import Fabric

            fabric = Fabric(accelerator=available(device), devices=devices, strategy="ddp_spawn")
            fabric.launch(partial(_fit, data=config.to_data(), path=folder.path, download=download))
        except Exception as error:
            known = isinstance(error, CotoolkitError)
            folder.set_state("failed", str(error) if known else traceback.format_exc())
            raise
    return folder


def _fit(fabric: Fabric, data: dict[str, Any], path: Path, download: bool) -> None:
    """What each of several processes does."""
    Trainer(RunConfig.parse(data), device=fabric.device, download=download).fit(RunFolder(path))
