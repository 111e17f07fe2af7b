"""Reads a foreign training loop: collects what its steps computed, and makes free signals of several steps at once."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.intake.wrapped import per_channel
from cotoolkit.methods import StepRecord
from cotoolkit.models.normalise import Statistics
from cotoolkit.signals.observation import Observation, observed_signals

MAX_BUFFERED_STEPS = 8
"""Iterations whose signals are computed together, at most; a breakpoint is noticed that much later."""

MAX_BUFFERED_BYTES = 64 * 2**20
"""By-products of a foreign loop that wait for that, at most."""


class StepBuffer:
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
        """Take in what one batch left behind, all of it optional; needed under gradient accumulation only.

        Images, perturbations and gradients are in the units of the model's input. What is kept is copied.

        Args:
            record: of a method of this package; nothing but `labels` is read beside it.
            labels: (B,).
            loss: the mean loss, if the losses are not at hand.
            losses: (B,), the cross-entropy that was trained on.
            start_losses: (B,), the cross-entropy where the attack started.
            logits: (B, classes), of the forward pass that was trained on.
            start_logits: (B, classes), where the attack started.
            images: (B, C, H, W), clean; with `adversarial` they give delta.
            adversarial: (B, C, H, W), what the update pass saw. A `.grad` of it is the update gradient.
            delta: (B, C, H, W), the perturbation that was trained on.
            attack_gradient: (B, C, H, W), the input gradient that the attack stepped along.
            update_gradient: (B, C, H, W), the input gradient of the update pass.
            attack_scale: makes `attack_gradient` that of the summed loss; None: the batch size, for a mean loss.
            update_scale: likewise; times K under accumulation over K batches, if the loop divides the loss by K.

        Raises:
            ConfigError: by-products of different batch sizes, or one that is a mean or has no name.
        """
        if record is not None:
            self._keep(_read_record(record, labels))
            return
        if adversarial is not None:
            update_gradient, delta = _of_adversarial(adversarial, images, update_gradient, delta)
        copies = _copies(
            labels=labels, loss=loss, losses=losses, start_losses=start_losses, logits=logits, start_logits=start_logits
        )
        if delta is not None:
            copies["delta"] = delta.detach() * per_channel(self.statistics.std, delta)
        if attack_gradient is not None:
            copies["attack_gradient"] = self._of_summed_loss(attack_gradient, attack_scale)
        if update_gradient is not None:
            copies["update_gradient"] = self._of_summed_loss(update_gradient, update_scale)
        self._keep(Observation.of({**self._attacked, **copies}))
        self._attacked = {}

    def _of_summed_loss(self, gradient: Tensor, scale: float | None) -> Tensor:
        """An input gradient per pixel unit; its scale is the batch size unless it is known."""
        factor = len(gradient) if scale is None else scale
        return gradient.detach() * (factor / per_channel(self.statistics.std, gradient))

    def _close_step(self) -> None:
        """The batches since the last call were one iteration."""
        self.iteration += 1
        self._waiting.append(self._batches)
        self._batches = []

    @property
    def _enough(self) -> bool:
        return len(self._waiting) >= MAX_BUFFERED_STEPS or self._held > MAX_BUFFERED_BYTES

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


def _read_record(record: StepRecord, labels: Tensor | None) -> Observation:
    if not isinstance(record, StepRecord):
        raise ConfigError(
            f"by-products are handed over by name, such as losses=...; a {type(record).__name__} came without"
        )
    return Observation.of_record(record, labels)


def _copies(**by_products: Tensor | float | None) -> dict[str, Tensor]:
    """Copies of those that are known."""
    return {name: torch.as_tensor(value).detach().clone() for name, value in by_products.items() if value is not None}


def _of_adversarial(
    adversarial: Tensor, images: Tensor | None, update_gradient: Tensor | None, delta: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """The update gradient and the perturbation, if they are not given, from what the update pass saw."""
    if update_gradient is None and adversarial.is_leaf:
        update_gradient = adversarial.grad
    if delta is None and images is not None:
        delta = adversarial.detach() - images
    return update_gradient, delta
