"""`BreakpointCallback`: the monitor as a callback of PyTorch Lightning (extra `cotoolkit[lightning]`).

callback = BreakpointCallback((images, labels), epsilon=8 / 255, on={"breakpoint": stop})
pl.Trainer(callbacks=[callback]).fit(module, loader)

It is one of `pytorch_lightning` and one of `lightning.pytorch`, whichever are installed.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.monitor.monitor import BreakpointMonitor
from cotoolkit.monitor.step_buffer import BY_PRODUCTS

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from pytorch_lightning import Callback
else:

    def _callback_classes() -> tuple[type, ...]:
        """Of the packages under which Lightning is published: each trainer takes its own class only."""
        found = []
        for package in ("pytorch_lightning", "lightning.pytorch"):
            try:
                found.append(importlib.import_module(package).Callback)
            except ImportError:
                continue
        if not found:
            raise ConfigError("BreakpointCallback needs PyTorch Lightning: pip install 'cotoolkit[lightning]'")
        return tuple(found)

    Callback = type("Callback", _callback_classes(), {})


class BreakpointCallback(Callback):
    """Feeds a `BreakpointMonitor` with what `training_step` returns, and stops the trainer when an action says so.

    Of a returned mapping the keys are read that are arguments of `BreakpointMonitor.observe`: loss, logits, labels,
    losses, images, adversarial, ...; its tensors must be of one batch. An iteration is a step of any of the trainer's
    optimisers, whatever `accumulate_grad_batches` is: with several in one batch, as in manual optimisation, each counts
    and is probed where it is due; what `training_step` returned belongs to the last one, and actions wait for it. A
    step that a gradient scaler skips is none. Events and probes are logged through the module. After a rescue the
    module has to attack by `callback.monitor.attack(images, labels)`.

    Args:
        points: held-out images and labels, as `BreakpointMonitor` takes them.
        network: name of the module's attribute that maps images to logits; None means the module itself.
        options: of `BreakpointMonitor`; the optimiser (the first that trains the network) and the precision are the
            trainer's.

    Attributes:
        monitor: made when fitting starts.

    Raises:
        ConfigError: options that `BreakpointMonitor` does not have, or lacks; the module has no such network.
    """

    monitor: BreakpointMonitor

    def __init__(self, points: Any, *, network: str | None = None, **options: Any) -> None:
        try:
            inspect.signature(BreakpointMonitor).bind(None, points, **options)
        except TypeError as failure:
            raise ConfigError(f"options of BreakpointMonitor: {failure}") from None
        if not isinstance(network, str | None):
            kind = type(network).__name__
            raise ConfigError(f"network: give the name of an attribute of the module, not a {kind}")
        self.points, self.network, self.options = points, network, options
        self._saved: Mapping[str, Any] | None = None
        self._hooks: list[Any] = []
        self._inside = 0
        self._updated = False
        self._told = 0
        self._loss_scale = 1.0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        network = pl_module if self.network is None else getattr(pl_module, self.network, None)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{type(pl_module).__name__} has no network under the name {self.network!r}")
        precision = trainer.strategy.precision_plugin
        own = {"optimizer": _trained_by(trainer.optimizers, network), "autocast": precision.forward_context}
        self.monitor = BreakpointMonitor(network, self.points, **{**own, **self.options})
        if self._saved is not None:
            self.monitor.load_state_dict(self._saved)
            self._saved = None  # a second fit starts anew, as its trainer does
        self._told = len(self.monitor.events)
        self._forget_hooks()
        for optimizer in trainer.optimizers:
            self._hooks += [
                optimizer.register_step_pre_hook(self._before_step),
                optimizer.register_step_post_hook(self._after_step),
            ]

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        scaler = getattr(trainer.strategy.precision_plugin, "scaler", None)
        self._loss_scale = 1.0 if scaler is None else scaler.get_scale()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        returned = outputs if isinstance(outputs, Mapping) else {"loss": outputs}
        known = {name: returned[name] for name in (BY_PRODUCTS | {"attack_scale", "update_scale"}) & returned.keys()}
        if pl_module.automatic_optimization and isinstance(known.get("loss"), Tensor):
            known["loss"] = known["loss"] * trainer.accumulate_grad_batches  # Lightning has divided it
        adversarial = known.get("adversarial")
        if isinstance(adversarial, Tensor) and known.get("update_gradient") is None:
            known.setdefault("update_scale", len(adversarial) * trainer.accumulate_grad_batches / self._loss_scale)
        self.monitor.observe(**known)
        self._inside = 0
        before = self.monitor.last_probe
        self.monitor.act()
        if self._updated:
            self._updated = False
            self.monitor.step()
        with self.monitor.failures.caught("logging through the module"):
            if self.monitor.last_probe is not before and self.monitor.last_probe is not None:
                pl_module.log_dict(self.monitor.last_probe.metrics(), rank_zero_only=True)
            for event in self.monitor.events[self._told :]:
                pl_module.log(event.kind, float(event.iteration), rank_zero_only=True)
        self._told = len(self.monitor.events)
        if self.monitor.should_stop:
            trainer.should_stop = True

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._forget_hooks()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._forget_hooks()

    @override
    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict() if hasattr(self, "monitor") else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved = state_dict or None

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        """The step before this one was not the last of its batch: it is an iteration of its own."""
        if self._updated and self._inside == 0:
            self._updated = False
            self.monitor.postponed = True
            self.monitor.step()
            self.monitor.postponed = False
        self._inside += 1

    def _after_step(self, optimizer: Optimizer, *_: Any) -> None:
        self._inside -= 1  # an optimiser's step may call that of its parent class
        self._updated = self._updated or self._inside == 0

    def _forget_hooks(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._inside, self._updated = [], 0, False


def _trained_by(optimizers: list[Optimizer], network: nn.Module) -> Optimizer | None:
    """The first optimiser that holds one of the network's parameters."""
    own = set(map(id, network.parameters()))
    held = (any(id(one) in own for group in each.param_groups for one in group["params"]) for each in optimizers)
    return next((optimizer for optimizer, holds in zip(optimizers, held, strict=True) if holds), None)
