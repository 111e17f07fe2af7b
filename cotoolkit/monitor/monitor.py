"""`BreakpointMonitor`: watches anybody's training loop for catastrophic overfitting.

    monitor = BreakpointMonitor(model, (images, labels), epsilon=8 / 255)
    for x, y in loader:
        ...                                 # anybody's training step
        monitor.step(losses=losses, start_losses=start_losses)  # after each update, with what the loop computed anyway
        if monitor.broken:
            break

A foreign loop cannot be replayed, so a break is dated by probing copies of the weights since the last good probe
(`history`). The engine's own monitor, which replays, is in `replay`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast, get_args

from torch import Tensor, nn

from cotoolkit.attacks.threat_model import Box, Norm, ThreatModel
from cotoolkit.core.distributed import as_the_first_says, averaged, rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.evaluation.probe import Probe, ProbeResult
from cotoolkit.methods import METHODS, AttackMethod, Batch, StepRecord
from cotoolkit.models.memory_format import channels_last_warning
from cotoolkit.models.wrapped import Autocast, Watched, device_of, input_statistics, unwrapped
from cotoolkit.monitor.actions import Action
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.criterion import Judge
from cotoolkit.monitor.dating import Enough
from cotoolkit.monitor.early_warning import Alarm
from cotoolkit.monitor.events import Event, EventKind
from cotoolkit.monitor.loggers import MetricsLogger, MonitorLog
from cotoolkit.monitor.probe_points import held_out
from cotoolkit.monitor.step_buffer import StepBuffer
from cotoolkit.monitor.weight_history import Good, History, Moment, weights_of

log = logging.getLogger(__name__)


class BreakpointMonitor(StepBuffer):
    """Reads free signals from training steps, probes robustness now and then, and acts when it breaks.

    A probe leaves no trace in the network: modes, buffers, gradients, `requires_grad` and random state stay as is.
    In training with several processes each holds a monitor; the first one's probes decide for all. Weights that are
    sharded over processes (FSDP) cannot be watched.

    Args:
        model: logits out; wrapped or not (see `watched.unwrapped`).
        points: held-out images (N, C, H, W) and labels (N,); `config.points` of them are drawn. Images are in [0, 1],
            or in `bounds`.
        epsilon: radius of the threat model, as a share of the images' range; "8/255" is accepted.
        norm: of the threat model.
        box: see `threat.Box`; "none" for images that leave [0, 1].
        mean: for a model that takes normalised input: the mean per channel that it was made with, in [0, 1] units.
        std: likewise.
        bounds: range of the model's input and of `points`, where it is not [0, 1] and there is no mean.
        config: when to probe, and what counts as broken; by default as in a run of the engine.
        optimizer: whose state a rescue rolls back with the weights. Its learning rate stays as it is.
        method: what `attack` does until a rescue.
        on: actions by event, such as `{"breakpoint": [Save("folder"), Rescue()]}`, done in order.
        loggers: whatever has Fabric's `log_metrics`. Events go to Python's logging in any case.
        log_every: iterations over which logged free signals are averaged.
        snapshot_every: iterations between copies of the weights; a break is dated no more closely.
        autocast: makes the context of the training's precision, such as
            `lambda: torch.autocast("cuda", torch.bfloat16)`; by default that of a Fabric model, else none.
        seed: of the probe's points and starts, and of the attacks.

    Attributes:
        iteration: updates seen.
        events: all so far.
        should_stop: an action asked for the end of training.
        rescues: how many there were.
        last_probe: the latest, if any.
        bracket: weights before the latest break, and after it for good.

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
        self.config = config = config or MonitorConfig()
        super().__init__(input_statistics(mean, std, bounds), config.trace_every)
        self.seed = seed
        self.threat = ThreatModel.given(epsilon, norm, box)
        self.network, found = unwrapped(model)
        if doubt := channels_last_warning(self.network):
            log.warning("%s", doubt)
        self.autocast = found if autocast is None else autocast
        self.images, self.labels = held_out(points, bounds, box, config.points, seed)
        self.optimizer = getattr(optimizer, "optimizer", optimizer)  # Fabric's and accelerate's wrap another
        self.method = method
        self.actions = {kind: [do] if callable(do) else list(do) for kind, do in (on or {}).items()}
        unknown = self.actions.keys() - set(get_args(EventKind))
        if unknown:
            raise ConfigError(f"on: no event {sorted(unknown)[0]!r}; there are {', '.join(get_args(EventKind))}")
        if snapshot_every < 1:
            raise ConfigError("snapshot_every must be at least 1")
        self.snapshot_every = snapshot_every
        self._log = MonitorLog(loggers, log_every)
        self.judge = Judge(config, int(points[1].max()) + 1)
        self.alarm = Alarm()
        self.history = History()
        self.good: Good | None = None
        self.rescues = self._attacks = 0
        self.should_stop = False
        self.events: list[Event] = []
        self.bracket: tuple[Moment, Moment] | None = None
        self.last_probe: ProbeResult | None = None
        self._probe: Probe | None = None
        self.history.restart(self.moment())

    # ------------------------------------------------------------------------------------------------ what a loop calls

    def step(self, record: StepRecord | None = None, **by_products: Any) -> None:
        """One optimiser step is done; what it computed may be handed over here, by the arguments of `observe`.

        Raises:
            ConfigError: see `observe`.
        """
        if record is not None or by_products or self._attacked:
            self.observe(record, **by_products)
        self._close_step()
        if not self.broken and self.iteration % self.snapshot_every == 0:
            self.history.add(self.moment())
        scheduled = self.config.scheduled(self.iteration)
        raised = self._take_in() if scheduled or self._enough else None
        if scheduled or raised:
            self._look(raised, scheduled=scheduled)

    @property
    def broken(self) -> bool:
        """Whether robustness is broken now."""
        return self.judge.broken_at is not None

    @property
    def breakpoint(self) -> Event | None:
        """The latest break, if any."""
        return next((event for event in reversed(self.events) if event.kind == "breakpoint"), None)

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
        watched = self._watched()
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
        """Probe now, whatever the schedule says, and judge; for the end of a loop."""
        return self._look(self._take_in(), scheduled=True)

    def rescue(self, method: AttackMethod | None) -> None:
        """Go back to the last good weights, and to the optimiser's state then; from now on `attack` is by `method`.

        Raises:
            ConfigError: no probe has found the network robust yet.
        """
        if self.good is None:
            raise ConfigError("nothing to go back to: no probe has found the network robust yet")
        self.good.put_back(self.network, self.optimizer)
        self._forget()  # by-products of the weights that are gone
        self.judge.mended()
        self.alarm = Alarm()
        self.history.restart(Moment(self.iteration, self.good.moment.weights))
        self.method = method
        self.rescues += 1

    def moment(self) -> Moment:
        """A copy of the network as it is now."""
        return Moment(self.iteration, weights_of(self.network))

    def state_dict(self) -> dict[str, Any]:
        """For the loop's own checkpoints: numbers, text and tensors only, so `torch.load(weights_only=True)` reads it.

        It holds the last good weights, and the optimiser's state then. What a few iterations left unread is not in it,
        nor are the copies made since the last probe: a break right after a resumption is dated from that probe on.
        """
        return {
            "iteration": self.iteration,
            "attacks": self._attacks,
            "rescues": self.rescues,
            "should_stop": self.should_stop,
            "method": None if self.method is None else METHODS.dump(self.method),
            "judge": self.judge.state(),
            "alarm": self.alarm.state(),
            "good": None if self.good is None else {**self.good.moment._asdict(), "optimizer": self.good.optimizer},
            "events": [asdict(event) for event in self.events],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`, for a monitor made with the same arguments."""
        self._forget()
        self.iteration, self._attacks = state["iteration"], state["attacks"]
        self.rescues, self.should_stop = state["rescues"], state["should_stop"]
        method = state["method"]
        self.method = None if method is None else cast("AttackMethod", METHODS.parse(method))
        self.judge.load_state(state["judge"])
        self.alarm.load_state(state["alarm"])
        self.good, good = None, state["good"]
        self.history = History()
        self.bracket = self.last_probe = None
        if good is not None:
            self.good = Good(Moment(good["iteration"], good["weights"]), good["optimizer"])
        self.history.restart(self.moment() if self.good is None else self.good.moment)
        self.events = [Event(**{**event, "probe": ProbeResult(**event["probe"])}) for event in state["events"]]

    # --------------------------------------------------------------------------------------------------- how it decides

    def _take_in(self) -> str | None:
        """Compute and log the signals of the latest iterations; the name of one that raises the alarm."""
        raised = None
        for iteration, signals in self._signals():
            shared = averaged(signals, device_of(self.network))
            raised = self.alarm.update(shared) or raised
            self._log.signals(shared, iteration)
        return None if self.broken or self.good is None else raised

    def _look(self, raised: str | None, *, scheduled: bool) -> ProbeResult:
        """Probe, judge, tell and act."""
        alarmed = raised is not None
        # The schedule asks how robust the network is; an alarm asks for one decision, and that probe may end early.
        self.last_probe = result = self._measure(enough=None if scheduled else self._enough_points(alarmed))
        if result.complete:
            self._log.write(result.metrics(), self.iteration)
        if raised:
            rescues = self.rescues
            self._tell(Event("warning", self.iteration, self.iteration, result, signal=raised))
            if self.rescues > rescues:  # by an action: the probe was of weights that are gone
                return result
        finding = self.judge.hear(self.iteration, result, alarmed=alarmed)
        if finding == "breaks":
            enough = self._enough_points(alarmed)
            found = self.history.bracket(
                self.moment(),
                lambda moment: self.judge.is_broken(self._measure(moment.weights, enough), alarmed=alarmed),
            )
            self.bracket = found.before, found.sustained
            first = found.first.iteration
            self.judge.broke(first)
            earliest, sustained = found.before.iteration + 1, found.sustained.iteration
            self._tell(Event("breakpoint", first, self.iteration, result, earliest, sustained))
        elif finding != "broken":
            # Weights under suspicion are nothing to go back to: a collapse may have begun.
            if result.pgd >= self.judge.threshold and not alarmed:
                self.good = Good.of(self.moment(), self.optimizer)
                self.history.restart(self.good.moment)
            if finding == "recovers":
                self._tell(Event("recovered", self.iteration, self.iteration, result))
        return result

    def _enough_points(self, alarmed: bool) -> Enough:
        return lambda result: self.judge.decided(result, alarmed=alarmed)

    def _measure(self, weights: Mapping[str, Tensor] | None = None, enough: Enough | None = None) -> ProbeResult:
        watched = self._watched(weights)
        if self._probe is None or self._probe.images.device != watched.device:
            points = self.images.to(watched.device), self.labels.to(watched.device)
            self._probe = Probe(*points, self.threat, self.config.steps, self.seed)
        with fork_global_rng(self.seed, "probe"):
            return as_the_first_says(self._probe.measure(watched, enough))

    def _watched(self, weights: Mapping[str, Tensor] | None = None) -> Watched:
        return Watched(self.network, self.statistics, self.autocast, weights)

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        log.log(logging.INFO if event.kind == "recovered" else logging.WARNING, "%s", event)
        self._log.write({event.kind: float(event.iteration)}, self.iteration)
        for action in self.actions.get(event.kind, []):
            action(self, event)
