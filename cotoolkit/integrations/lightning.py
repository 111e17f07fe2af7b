"""`BreakpointCallback`: the monitor as a callback of PyTorch Lightning (extra `cotoolkit[lightning]`).

callback = BreakpointCallback((images, labels), epsilon=8 / 255, on={"breakpoint": stop})
pl.Trainer(callbacks=[callback]).fit(module, loader)
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.monitor.monitor import BreakpointMonitor

try:
    import pytorch_lightning as pl
except ImportError as missing:
    raise ConfigError("BreakpointCallback needs PyTorch Lightning: pip install 'cotoolkit[lightning]'") from missing

BY_PRODUCTS = frozenset(signature(BreakpointMonitor.observe).parameters) - {"self"}


class BreakpointCallback(pl.Callback):
    """Feeds a `BreakpointMonitor` with what `training_step` returns, and stops the trainer when an action says so.

    Of a returned mapping the keys are read that are arguments of `BreakpointMonitor.observe`: loss, logits, labels,
    losses, images, adversarial, ...; its tensors must be of one batch. An iteration is an optimiser step, whatever
    `accumulate_grad_batches` is. Events and probes are logged through the module. After a rescue the module
    has to attack by `callback.monitor.attack(images, labels)`.

    Args:
        points: held-out images and labels.
        network: name of the module's attribute that maps images to logits; None means the module itself.
        options: of `BreakpointMonitor`; the optimiser and the precision are the trainer's.

    Attributes:
        monitor: made when fitting starts.

    Raises:
        ConfigError: the module has no such network.
    """

    monitor: BreakpointMonitor

    def __init__(self, points: tuple[Tensor, Tensor], *, network: str | None = None, **options: Any) -> None:
        self.points, self.network, self.options = points, network, options
        self._saved: Mapping[str, Any] | None = None
        self._updates = 0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        network = pl_module if self.network is None else getattr(pl_module, self.network, None)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{type(pl_module).__name__} has no network under the name {self.network!r}")
        precision = trainer.strategy.precision_plugin
        own = {"optimizer": trainer.optimizers[0], "autocast": precision.forward_context}
        self.monitor = BreakpointMonitor(network, self.points, **{**own, **self.options})
        if self._saved is not None:
            self.monitor.load_state_dict(self._saved)
            self._saved = None  # a second fit starts anew, as its trainer does
        self._updates = trainer.global_step

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        returned = outputs if isinstance(outputs, Mapping) else {"loss": outputs}
        known = {name: returned[name] for name in BY_PRODUCTS & returned.keys()}
        accumulated = trainer.accumulate_grad_batches
        if known.get("loss") is not None:
            known["loss"] = known["loss"] * accumulated  # Lightning has divided it
        update = known.get("update_gradient", known.get("adversarial"))
        if update is not None:
            known.setdefault("update_scale", len(update) * accumulated)
        self.monitor.observe(**known)
        if trainer.global_step == self._updates:
            return
        self._updates = trainer.global_step
        told, before = len(self.monitor.events), self.monitor.last_probe
        self.monitor.step()
        if self.monitor.last_probe is not before and self.monitor.last_probe is not None:
            pl_module.log_dict(self.monitor.last_probe.metrics(), rank_zero_only=True)
        for event in self.monitor.events[told:]:
            pl_module.log(event.kind, float(event.iteration), rank_zero_only=True)
        if self.monitor.should_stop:
            trainer.should_stop = True

    @override
    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict() if hasattr(self, "monitor") else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved = state_dict or None
