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

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.threat_model import Box, Norm, ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.distributed import all_reduce_mean, broadcast_from_rank0, rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.evaluation.probe import Enough, Probe, ProbeResult, held_out_points
from cotoolkit.intake.wrapped import Autocast, WrappedModel, input_statistics, unwrapped
from cotoolkit.methods import METHODS, AttackMethod, Batch, StepRecord
from cotoolkit.models.memory_format import channels_last_warning
from cotoolkit.monitor.actions import Action, actions_by_event
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.core import Breakpoint, Event, EventKind, MonitorCore
from cotoolkit.monitor.early_warning import EarlyWarning
from cotoolkit.monitor.loggers import MetricsLogger, MonitorLog
from cotoolkit.monitor.step_buffer import StepBuffer
from cotoolkit.monitor.weight_history import RestorePoint, WeightHistory, WeightSnapshot, weights_of

log = logging.getLogger(__name__)


class BreakpointMonitor(StepBuffer, MonitorCore[RestorePoint]):
    """Reads free signals from training steps, probes robustness now and then, and acts on a breakpoint.

    A probe leaves no trace in the network: modes, buffers, gradients, `requires_grad` and random state stay as is.
    In training with several processes each holds a monitor; the first one's probes decide for all. Weights that are
    sharded over processes (FSDP) cannot be watched.

    Args:
        model: logits out; wrapped or not (see `wrapped.unwrapped`).
        points: held-out images (N, C, H, W) and labels (N,); `config.points` of them are drawn. Images are in [0, 1],
            or in `bounds`.
        epsilon: radius of the threat model, as a share of the images' range; "8/255" is accepted.
        norm: of the threat model.
        box: see `threat_model.Box`; "none" for images that leave [0, 1].
        mean: for a model that takes normalised input: the mean per channel that it was made with, in [0, 1] units.
        std: the standard deviation per channel that it was made with, in [0, 1] units; with `mean`.
        bounds: range of the model's input and of `points`, where it is not [0, 1] and there is no mean.
        config: when to probe, and what counts as robustness lost; by default as in a run of the engine.
        optimizer: whose state a rescue rolls back with the weights. Its learning rate stays as it is.
        method: what `attack` does until a rescue.
        on: actions by event, such as `{"breakpoint": [Save("folder"), Rescue()]}`, done in order.
        loggers: whatever has Fabric's `log_metrics`. Events go to Python's logging in any case.
        log_every: iterations over which logged free signals are averaged.
        snapshot_every: iterations between copies of the weights; a breakpoint is dated no more closely.
        autocast: makes the context of the training's precision, such as
            `lambda: torch.autocast("cuda", torch.bfloat16)`; by default that of a Fabric model, else none.
        seed: of the probe's points and starts, and of the attacks.

    Attributes:
        iteration: updates seen.
        events: all so far, see `Event`.
        should_stop: an action asked for the end of training.
        rescues: how many there were.
        last_probe: the latest, if any.
        bracket: weights before the latest breakpoint, and after it for good.

    Raises:
        ConfigError: settings that do not fit together.
        DataError: points that do not fit together, or images outside their range.
    """

    def __init__(
        self,
        model: nn.Module,
        points: tuple[Tensor, Tensor],
        *,
        epsilon: float | str,
        norm: Norm = "linf",
        box: Box = "box_then_eps",
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        config: MonitorConfig | None = None,
        optimizer: Any = None,
        method: AttackMethod | None = None,
        on: Mapping[EventKind, Action | Sequence[Action]] | None = None,
        loggers: Sequence[MetricsLogger] = (),
        log_every: int = 50,
        snapshot_every: int = 16,
        autocast: Autocast | None = None,
        seed: int = 0,
    ) -> None:
        config = config or MonitorConfig()
        StepBuffer.__init__(self, input_statistics(mean, std, bounds), config.trace_every)
        self.seed = seed
        self.threat = ThreatModel.from_user(epsilon, norm, box)
        self.network, found = unwrapped(model)
        if doubt := channels_last_warning(self.network):
            log.warning("%s", doubt)
        self.autocast = found if autocast is None else autocast
        self.images, self.labels = held_out_points(points, bounds, box, config.points, seed)
        MonitorCore.__init__(self, config, int(points[1].max()) + 1)
        self.optimizer = getattr(optimizer, "optimizer", optimizer)  # Fabric's and accelerate's wrap another
        self.method = method
        self.actions = actions_by_event(on or {})
        if snapshot_every < 1:
            raise ConfigError("snapshot_every must be at least 1")
        self.snapshot_every = snapshot_every
        self._log = MonitorLog(loggers, log_every)
        self.history = WeightHistory()
        self.rescues = self._attacks = 0
        self.should_stop = False
        self.bracket: tuple[WeightSnapshot, WeightSnapshot] | None = None
        self.last_probe: ProbeResult | None = None
        self._probe: Probe | None = None
        self.history.restart(self.snapshot())

    def step(self, record: StepRecord | None = None, **by_products: Any) -> None:
        """Tell the monitor that an optimiser step is done, and hand over what it computed.

        Args:
            record: of a method of this package, as in `observe`.
            by_products: any other arguments of `observe`.

        Raises:
            ConfigError: see `observe`.
        """
        if record is not None or by_products or self._attacked:
            self.observe(record, **by_products)
        self._close_step()
        if not self.broken and self.iteration % self.snapshot_every == 0:
            self.history.add(self.snapshot())
        scheduled = self.config.scheduled(self.iteration)
        raised = self._read_signals() if scheduled or self._enough else None
        if scheduled or raised:
            self._probe_now(raised, scheduled=scheduled)

    def attack(self, images: Tensor, labels: Tensor) -> Tensor:
        """What `method` makes of a batch, for the loop to train on; the next step's signals take in its by-products.

        BatchNorm's running statistics and the gradients of parameters stay as they were.

        Args:
            images: (B, C, H, W), as the model takes them.
            labels: (B,).

        Returns:
            (B, C, H, W), adversarial, detached.

        Raises:
            ConfigError: there is no method, before a rescue.
        """
        if self.method is None:
            raise ConfigError("the monitor has no method to attack with: give method=FGSM(), or wait for a rescue")
        rank, world = rank_and_world()
        draws = generator(self.seed, "attack", self._attacks * world + rank, images.device)
        self._attacks += 1
        watched = WrappedModel(self.network, self.statistics, self.autocast)
        pixels = watched.to_images(images.detach())
        attacked = self.method.attack(watched, Batch(pixels, labels, self.threat, draws))
        self._attacked = {
            "delta": attacked.delta,
            "start_losses": attacked.losses,
            "start_logits": attacked.logits,
            "attack_gradient": attacked.gradient,
            "labels": labels.clone(),
        }
        return watched.to_input(pixels + attacked.delta)

    def probe(self) -> ProbeResult:
        """Probe all points now, whatever the schedule says, and decide on the result; for the end of a loop."""
        return self._probe_now(self._read_signals(), scheduled=True)

    def rescue(self, method: AttackMethod | None) -> None:
        """Go back to the last good weights, and to the optimiser's state then.

        Args:
            method: what `attack` does from now on.

        Raises:
            ConfigError: no probe has found the network robust yet.
        """
        if self.good is None:
            raise ConfigError("nothing to go back to: no probe has found the network robust yet")
        self.good.restore(self.network, self.optimizer)
        self._forget()  # by-products of the weights that are gone
        self.criterion.clear_breakpoint()
        self.early_warning = EarlyWarning()
        self.history.restart(WeightSnapshot(self.iteration, self.good.snapshot.weights))
        self.method = method
        self.rescues += 1

    def snapshot(self) -> WeightSnapshot:
        """A copy of the network as it is now."""
        return WeightSnapshot(self.iteration, weights_of(self.network))

    def state_dict(self) -> dict[str, Any]:
        """For the loop's own checkpoints: numbers, text and tensors only, so `torch.load(weights_only=True)` reads it.

        It holds the last good weights, and the optimiser's state then. What a few iterations left unread is not in it,
        nor are the copies made since the last probe: a breakpoint right after a resumption is dated from that probe on.
        """
        return {
            "iteration": self.iteration,
            "attacks": self._attacks,
            "rescues": self.rescues,
            "should_stop": self.should_stop,
            "method": None if self.method is None else METHODS.dump(self.method),
            "judge": self.criterion.state(),
            "alarm": self.early_warning.state(),
            "good": None if self.good is None else self.good.state(),
            "events": [asdict(event) for event in self.events],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`, for a monitor made with the same arguments."""
        self._forget()
        self.iteration, self._attacks = state["iteration"], state["attacks"]
        self.rescues, self.should_stop = state["rescues"], state["should_stop"]
        method = state["method"]
        self.method = None if method is None else cast("AttackMethod", METHODS.parse(method))
        self.criterion.load_state(state["judge"])
        self.early_warning.load_state(state["alarm"])
        self.good = None if state["good"] is None else RestorePoint.of_state(state["good"])
        self.history = WeightHistory()
        self.bracket = self.last_probe = None
        self.history.restart(self.snapshot() if self.good is None else self.good.snapshot)
        self.events = [Event(**{**event, "probe": ProbeResult(**event["probe"])}) for event in state["events"]]

    def _read_signals(self) -> str | None:
        """Compute and log the signals of the latest iterations; the name of one that warns."""
        raised = None
        for iteration, signals in self._signals():
            shared = all_reduce_mean(signals, device_of(self.network))
            raised = self.on_signals(shared) or raised
            self._log.signals(shared, iteration)
        return raised

    def _probe_now(self, raised: str | None, *, scheduled: bool) -> ProbeResult:
        """Probe, decide, tell and act."""
        warned = raised is not None
        self.last_probe = result = self._measure(enough=self.enough(scheduled=scheduled, warned=warned))
        if result.complete:
            self._log.write(result.metrics(), self.iteration)
        if raised:
            rescues = self.rescues
            self.tell(Event("warning", self.iteration, self.iteration, result, signal=raised))
            if self.rescues > rescues:  # by an action: the probe was of weights that are gone
                return result
        self.on_probe(self.iteration, result, warned=warned)
        return result

    @override
    def _date(self, iteration: int, result: ProbeResult, warned: bool) -> Breakpoint:
        enough = self.enough(scheduled=False, warned=warned)

        def broken(past: WeightSnapshot) -> bool:
            return self.criterion.is_broken(self._measure(past.weights, enough), warned=warned)

        found = self.history.date(self.snapshot(), broken)
        self.bracket = found.before, found.after
        return found

    @override
    def _keep_good(self, iteration: int, result: ProbeResult, warned: bool) -> None:
        # Weights under suspicion are nothing to go back to: catastrophic overfitting may have begun.
        if result.pgd >= self.criterion.threshold and not warned:
            self.good = RestorePoint.of(self.snapshot(), self.optimizer)
            self.history.restart(self.good.snapshot)

    @override
    def tell(self, event: Event) -> None:
        """Note an event, log it, and do what `on` says."""
        super().tell(event)
        log.log(logging.INFO if event.kind == "recovered" else logging.WARNING, "%s", event)
        self._log.write({event.kind: float(event.iteration)}, self.iteration)
        for action in self.actions.get(event.kind, []):
            action(self, event)

    def _measure(self, weights: Mapping[str, Tensor] | None = None, enough: Enough | None = None) -> ProbeResult:
        watched = WrappedModel(self.network, self.statistics, self.autocast, weights)
        if self._probe is None or self._probe.images.device != watched.device:
            points = self.images.to(watched.device), self.labels.to(watched.device)
            self._probe = Probe(*points, self.threat, self.config.steps, self.seed)
        with fork_global_rng(self.seed, "probe"):
            return broadcast_from_rank0(self._probe.measure(watched, enough))
