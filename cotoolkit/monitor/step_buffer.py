"""Reads a training loop: collects what its steps computed, and makes free signals of several steps at once."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import StepRecord
from cotoolkit.models.normalise import Statistics
from cotoolkit.models.wrapped import per_channel
from cotoolkit.signals.observation import Observation, observed_signals

TOGETHER = 8
"""Iterations whose signals are computed together, at most; a break is noticed that much later. In a foreign loop ..."""

HELD = 64 * 2**20
"""... so many bytes of by-products, at most, wait for that."""


class StepReader:
    """The part of a monitor that takes in by-products.

    Args:
        statistics: of the model's input: perturbations and gradients come in its units and are kept in pixel units.
        trace_every: iterations between update gradients that are wanted.

    Attributes:
        iteration: updates seen.
    """

    def __init__(self, statistics: Statistics, trace_every: int) -> None:
        self.statistics, self.trace_every = statistics, trace_every
        self.iteration = 0
        self._attacked: dict[str, Tensor] = {}
        self._batches: list[Observation] = []
        self._waiting: list[list[Observation]] = []
        self._held = 0

    @property
    def trace(self) -> bool:
        """Whether the update gradient of the coming step is wanted: `adversarial.requires_grad_(monitor.trace)`."""
        return (self.iteration + 1) % self.trace_every == 0

    def observe(
        self,
        record: StepRecord | None = None,
        *,
        labels: Tensor | None = None,
        loss: Tensor | float | None = None,
        losses: Tensor | None = None,
        start_losses: Tensor | None = None,
        logits: Tensor | None = None,
        start_logits: Tensor | None = None,
        images: Tensor | None = None,
        adversarial: Tensor | None = None,
        delta: Tensor | None = None,
        attack_gradient: Tensor | None = None,
        update_gradient: Tensor | None = None,
        attack_scale: float | None = None,
        update_scale: float | None = None,
    ) -> None:
        """Take in what one batch left behind; all of it optional.

        Only needed under gradient accumulation, once for each batch of a step. Images, perturbations and gradients are
        in the units of the model's input. What is kept is copied, so buffers may be used again.

        Args:
            record: of a method of this package; nothing but `labels` is read beside it.
            labels: (B,).
            loss: the mean loss, if the losses are not at hand.
            losses: (B,), the cross-entropy that was trained on.
            start_losses: (B,), the cross-entropy where the attack started.
            logits: (B, classes), of the forward pass that was trained on.
            start_logits: (B, classes), where the attack started.
            images: (B, C, H, W), clean; with `adversarial` they give delta.
            adversarial: (B, C, H, W), what the update pass saw. Its `.grad` is the update gradient, if
                `requires_grad_()` was called on it before that pass.
            delta: (B, C, H, W), the perturbation that was trained on.
            attack_gradient: (B, C, H, W), the input gradient that the attack stepped along.
            update_gradient: (B, C, H, W), the input gradient of the update pass.
            attack_scale: what makes `attack_gradient` the gradient of the summed loss; None means the batch size, which
                is right for a mean loss.
            update_scale: likewise for the update; under accumulation over K batches it is K times the batch size, if
                the loop divides the loss by K.

        Raises:
            ConfigError: by-products of different batch sizes, a mean where values per sample are meant, or something
                handed over without its name.
        """
        if record is not None:
            if not isinstance(record, StepRecord):
                raise ConfigError(
                    f"by-products are handed over by name, such as losses=...; a {type(record).__name__} came without"
                )
            self._keep(Observation.of_record(record, labels))
            return
        if adversarial is not None and adversarial.is_leaf and update_gradient is None:
            update_gradient = adversarial.grad
        if adversarial is not None and images is not None and delta is None:
            delta = adversarial.detach() - images
        known = {
            "labels": labels,
            "loss": loss if loss is None else torch.as_tensor(loss),
            "losses": losses,
            "start_losses": start_losses,
            "logits": logits,
            "start_logits": start_logits,
        }
        copies = {name: value.detach().clone() for name, value in known.items() if value is not None}
        std = self.statistics.std
        if delta is not None:
            copies["delta"] = delta.detach() * per_channel(std, delta)
        for name, gradient, scale in (
            ("attack_gradient", attack_gradient, attack_scale),
            ("update_gradient", update_gradient, update_scale),
        ):
            if gradient is not None:
                factor = len(gradient) if scale is None else scale
                copies[name] = gradient.detach() * (factor / per_channel(std, gradient))
        self._keep(Observation.of({**self._attacked, **copies}))
        self._attacked = {}

    def _close_step(self) -> None:
        """The batches since the last call were one iteration."""
        self.iteration += 1
        self._waiting.append(self._batches)
        self._batches = []

    @property
    def _enough(self) -> bool:
        return len(self._waiting) >= TOGETHER or self._held > HELD

    def _signals(self) -> list[tuple[int, dict[str, float]]]:
        """The free signals of the iterations since the last call, by iteration."""
        first = self.iteration - len(self._waiting) + 1
        found = observed_signals(self._waiting)
        self._waiting, self._held = [], 0
        return list(enumerate(found, start=first))

    def _forget(self) -> None:
        """Drop what has not been read."""
        self._attacked, self._batches, self._waiting, self._held = {}, [], [], 0

    def _keep(self, observation: Observation) -> None:
        self._batches.append(observation)
        self._held += observation.memory
