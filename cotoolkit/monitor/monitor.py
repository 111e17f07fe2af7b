"""`BreakpointMonitor`: watches anybody's training loop for catastrophic overfitting.

    monitor = BreakpointMonitor(model, (images, labels), epsilon=8 / 255)
    for x, y in loader:
        ...                                 # anybody's training step
        monitor.step(losses=losses, start_losses=start_losses)  # after each update, with what the loop computed anyway
        if monitor.broken:
            break

A foreign loop cannot be replayed, so a breakpoint is dated by probing copies of the weights since the last good probe
(`weight_history`). The engine's own monitor, which replays, is in `replay`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.threat_model import Box, Norm, ThreatModel
from cotoolkit.core.distributed import broadcast_from_rank0, computed_by_rank0
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import whole_number
from cotoolkit.evaluation.probe import NO_PROBE, Enough, ProbeResult
from cotoolkit.intake.model import Forward
from cotoolkit.intake.normalisation import PerChannel
from cotoolkit.intake.wrappers import Autocast
from cotoolkit.methods import AttackMethod, StepRecord
from cotoolkit.monitor.actions import Action, methods_of
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.core import Breakpoint, Event, EventKind
from cotoolkit.monitor.early_warning import EarlyWarning
from cotoolkit.monitor.loops.acting import ActingCore
from cotoolkit.monitor.loops.attacking import AttackingBuffer
from cotoolkit.monitor.loops.state import load_state, state_of
from cotoolkit.monitor.loops.watched import WatchedModel
from cotoolkit.monitor.step_buffer import ON_DEMAND
from cotoolkit.monitor.weight_history import STANDING_STILL, RestorePoint, WeightHistory, WeightSnapshot, weights_of


class BreakpointMonitor(AttackingBuffer, ActingCore):
    """Reads free signals from training steps, probes robustness now and then, and acts on a breakpoint.

    A probe leaves no trace in the network: modes, buffers, gradients, `requires_grad` and random state stay as is.
    What cannot work is refused when the monitor is made, which rehearses a breakpoint, or at the first batches; later
    nothing raises, but an event of kind "failure" tells once what went wrong. In training with several processes each
    holds a monitor and calls it alike; signals are means over the processes, and the first one's probes decide for all.
    Weights that are sharded over processes (FSDP) cannot be watched.

    Args:
        model: logits out, or one logit for two classes; wrapped or not (see `intake.preparation.image_model`).
        points: held-out images and labels, of which `config.points` are drawn: a pair (images, labels), a Dataset, a
            DataLoader, an `ImageSet` or the name of a data set. Images are uint8, or floats in `bounds`; they are not
            normalised.
        epsilon: radius of the threat model, as a share of the images' range; "8/255" is accepted.
        norm: of the threat model.
        box: see `threat_model.Box`; "none" for images that leave [0, 1].
        mean: for a model that takes normalised input: the mean that it was made with, one number or one per channel,
            in units of the bounds.
        std: the standard deviation that it was made with; with `mean`.
        bounds: range of `points`, and of the model's input before normalisation.
        forward: how the model is called, where that is not `model(images)`: `lambda model, images: model(images)[0]`.
        binary: the model has to have one output, the logit of class 1 of two.
        config: when to probe, and what counts as robustness lost; by default as in a run of the engine.
        optimizer: whose state a rescue rolls back with the weights. Its learning rate stays as it is.
        method: what `attack` does until a rescue.
        on: actions by event, such as `{"breakpoint": [Save("folder"), Rescue()]}`, done in order.
        loggers: one or several: loggers of Fabric or Lightning, a tensorboard `SummaryWriter`, a wandb run. Events go
            to Python's logging in any case.
        log_every: iterations over which logged free signals are averaged.
        snapshot_every: iterations between copies of the weights; a breakpoint is dated no more closely.
        all_signals: log also those of gradients and perturbations, which the early warning does not follow,
            `step_buffer.ON_DEMAND`.
        autocast: makes the context of the training's precision, such as
            `lambda: torch.autocast("cuda", torch.bfloat16)`; by default that of a Fabric model, else none.
        seed: of the probe's points and starts, and of the attacks.

    Attributes:
        iteration: updates seen.
        network: the bare one.
        events: all so far, see `Event`.
        failures: what went wrong, and how often.
        should_stop: an action asked for the end of training.
        postponed: actions wait for `act`, as they must in the middle of a batch.
        rescues: how many there were.
        last_probe: the latest, if any.
        bracket: weights before the latest breakpoint, and after it for good.

    Raises:
        ConfigError: settings that do not fit together.
        DataError: points that do not fit together, or images outside their range.
        ModelError: a model that cannot be probed, now or at a breakpoint.
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        model: nn.Module,
        points: Any,
        *,
        epsilon: float | str,
        norm: Norm = "linf",
        box: Box = "box_then_eps",
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        forward: Forward | None = None,
        binary: bool = False,
        config: MonitorConfig | None = None,
        optimizer: Any = None,
        method: AttackMethod | None = None,
        on: Mapping[EventKind, Action | Sequence[Action]] | None = None,
        loggers: Any = (),
        log_every: int = 50,
        snapshot_every: int = 16,
        all_signals: bool = False,
        autocast: Autocast | None = None,
        seed: int = 0,
    ) -> None:
        config = MonitorConfig() if config is None else config
        if not isinstance(config, MonitorConfig):
            raise ConfigError(f"config: give a MonitorConfig(...), not a {type(config).__name__}")
        self.snapshot_every = whole_number(snapshot_every, "snapshot_every", 1)
        threat = ThreatModel.from_user(epsilon, norm, box)
        options = {"mean": mean, "std": std, "forward": forward, "binary": binary, "autocast": autocast}
        watched = WatchedModel(model, points, threat, config, seed, bounds=bounds, **options)
        self.network = watched.model.network
        left_out = frozenset() if all_signals else ON_DEMAND
        AttackingBuffer.__init__(self, watched, method, config.trace_every, left_out)
        ActingCore.__init__(self, config, watched.classes, on, loggers, log_every)
        self.optimizer = getattr(optimizer, "optimizer", optimizer)  # Fabric's and accelerate's wrap another
        self._methods = methods_of(self.actions) | ({} if method is None else {"start": method})
        watched.rehearse(self.optimizer, list(self._methods.values()))
        self.history = WeightHistory()
        self.rescues = 0
        self.bracket: tuple[WeightSnapshot, WeightSnapshot] | None = None
        self.last_probe: ProbeResult | None = None
        self.history.restart(self.snapshot())

    @torch.inference_mode(False)
    def step(self, record: StepRecord | None = None, **by_products: Any) -> None:
        """Tell the monitor that an optimiser step is done, and hand over what it computed.

        Args:
            record: of a method of this package, as in `observe`.
            by_products: any other arguments of `observe`.

        Raises:
            ConfigError: see `observe`; in the first batches only.
        """
        try:
            if record is not None or by_products or self._attacked:
                self.observe(record, **by_products)
        finally:
            self._close_step()  # the update is done, whatever was handed over
        if not self.broken and self.iteration % self.snapshot_every == 0:
            with self.failures.caught("copying the weights"):
                self.history.add(self.snapshot())
                if self.history.stands_still(self.network, self.optimizer) >= STANDING_STILL:
                    self.failures.note("following the weights", "they do not change: does a copy of the network train?")
        scheduled = self.config.scheduled(self.iteration)
        raised = self._read_signals() if scheduled or self._due else None
        if scheduled or raised:
            self._probe_now(raised, scheduled=scheduled)

    @torch.inference_mode(False)
    def probe(self) -> ProbeResult:
        """Probe all points now, whatever the schedule says, and decide on the result; for the end of a loop.

        Returns:
            What was found, or `NO_PROBE` (nan) if the probe failed.
        """
        return self._probe_now(self._read_signals(), scheduled=True)

    @torch.inference_mode(False)
    def rescue(self, method: AttackMethod | None) -> None:
        """Go back to the last good weights, and to the optimiser's state then.

        Args:
            method: what `attack` does from now on. For a checkpoint it has to be one of the monitor's own, given as
                `method` or in a `Rescue`, or a registered one.

        Raises:
            ConfigError: no probe has found the network robust yet.
        """
        if self.good is None:
            raise ConfigError("nothing to go back to: no probe has found the network robust yet")
        self.good.restore(self.network, self.optimizer)
        self._forget()  # by-products of the weights that are gone
        self.criterion.clear_breakpoint()
        self.early_warning = EarlyWarning(self.early_warning.rules, self.early_warning.pause)
        self.history.restart(WeightSnapshot(self.iteration, self.good.snapshot.weights))
        self.method = method
        self.rescues += 1

    def snapshot(self) -> WeightSnapshot:
        """A copy of the network as it is now."""
        return WeightSnapshot(self.iteration, weights_of(self.network))

    def state_dict(self) -> dict[str, Any]:
        """For the loop's own checkpoints: numbers, text and tensors only, so `torch.load(weights_only=True)` reads it.

        It holds the last good weights, and the optimiser's state then. The copies made since the last probe are not in
        it: a breakpoint right after a resumption is dated from that probe on. Nor are, where several processes train,
        the signals of the few iterations that nobody has read yet.

        Raises:
            ConfigError: the method that `attack` goes on with is one that no other monitor can find, see `rescue`.
        """
        return state_of(self)

    @torch.inference_mode(False)
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`, for a monitor made with the same arguments.

        Raises:
            ConfigError: the state is not a monitor's.
        """
        load_state(self, state)
        self.bracket = self.last_probe = None
        self.history.restart(self.snapshot() if self.good is None else self.good.snapshot)

    def _read_signals(self) -> str | None:
        """Read and log the signals of the latest iterations; the name of one that warns."""
        raised = None
        with self.failures.caught("reading the signals"):
            for one in self._signals():
                raised = self.on_signals(one.signals, one.samples) or raised
                self._log.signals(one.signals, one.iteration)
        with self.failures.caught("asking the first process"):
            return broadcast_from_rank0(raised)
        return None

    def _probe_now(self, raised: str | None, *, scheduled: bool) -> ProbeResult:
        """Probe, decide, tell and act."""
        warned = raised is not None
        with self.failures.caught("the probe"):
            enough = self.enough(scheduled=scheduled)
            self.last_probe = result = computed_by_rank0(lambda: self._measure(enough=enough))
            if result.complete:
                self._log.write(result.metrics(), self.iteration)
            if math.isnan(result.gradient_alignment):  # of every point
                self.failures.note("following gradients", "at no point is there one: this probe decides nothing")
                return result
            rescues = self.rescues
            if raised:
                self.tell(Event("warning", self.iteration, self.iteration, result, signal=raised))
            # The first process's answers, for an action that rescues may have failed in another.
            probed, judged = broadcast_from_rank0((self.rescues == rescues, self.criterion.state()))
            self.criterion.load_state(judged)
            if probed:  # no action has put back other weights since
                self.on_probe(self.iteration, result, warned=warned)
            return result
        return NO_PROBE

    @override
    def _date(self, iteration: int, result: ProbeResult) -> Breakpoint:
        def broken(past: WeightSnapshot) -> bool:
            return self.criterion.is_broken(self._measure(past.weights, self.criterion.decided))

        def dated() -> Breakpoint:
            present = self.snapshot()
            found = self.history.undated(present)
            with self.failures.caught("dating a breakpoint"):
                found = self.history.date(present, broken)
            self.bracket = found.before, found.after
            return found._replace(before=None, after=None)  # weights stay where they are

        return computed_by_rank0(dated)

    @override
    def _search(self, iteration: int) -> None:
        def probed() -> list[tuple[int, ProbeResult]]:
            earlier = [past for past in self.history.snapshots if 0 < past.iteration < iteration]
            with self.failures.caught("probing earlier weights"):
                return [(past.iteration, self._measure(past.weights)) for past in earlier]
            return []

        for past, result in computed_by_rank0(probed):
            self.criterion.remember(past, result)
            if self.criterion.best_iteration == past:
                self.history.forget_before(past)

    @override
    def _keep_good(self, iteration: int, result: ProbeResult, warned: bool) -> None:
        # Weights under suspicion are nothing to go back to: catastrophic overfitting may have begun.
        if result.pgd >= self.criterion.threshold and not warned:
            with self.failures.caught("copying the weights"):
                self.good = RestorePoint.of(self.snapshot(), self.optimizer)
                self.history.restart(self.good.snapshot)

    def _measure(self, weights: Mapping[str, Tensor] | None = None, enough: Enough | None = None) -> ProbeResult:
        return self.watched.measure(weights, enough)
